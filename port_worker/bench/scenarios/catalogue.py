"""Which scenarios there are, and the defaults of each. The standard library only: `--help` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALL = "all"

DEFAULTS: Mapping[str, Any] = {
    "rate": 200.0,
    "arrivals": "constant",
    "in_flight": 16,
    "duration": 15.0,
    "warmup": 2.0,
    "workers": 1,
    "users": "zipf:1.1",
    "known_users": 1000,
    "cold": 0.0,
    "mix": {"recommend": 1.0},
    "n": 10,
    "deadline": None,
    "payload": (0,),
    "seed": 7,
    "codec": "etf",
}
"""Of the options that every scenario has, by their names."""


@dataclass(frozen=True)
class Entry:
    """One scenario.

    `defaults` where they differ from DEFAULTS, and of the options that it alone has; `short`: those in `all` that make
    it shorter. `judged`: whether the default --slo apply (not where faults are made on purpose); `closed`: whether it
    can be a closed loop; `elixir` and `http`: whether those drivers can run it.
    """

    about: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    short: Mapping[str, Any] = field(default_factory=dict)
    judged: bool = True
    closed: bool = False
    elixir: bool = False
    http: bool = False


SCENARIOS: Mapping[str, Entry] = {
    "steady": Entry("one rate for a while", closed=True, elixir=True, http=True),
    "ramp": Entry(
        "steps of --duration seconds from --rate on, each half as high again, until --slo is breached or the worker "
        "does not keep up; then bisected to the knee, within --precision, which has to hold for four times as long",
        {"rate": 500.0, "duration": 5.0, "warmup": 1.0, "precision": 0.05},
        {"duration": 3.0, "precision": 0.1},
        elixir=True,
        http=True,
    ),
    "burst": Entry(
        "calm, --times as many calls for a quarter of --duration, calm; how soon it is calm again",
        {"duration": 20.0, "times": 5.0},
        elixir=True,
        http=True,
    ),
    "retrain": Entry(
        "trains --retrain beside the load; half of --duration passes before, half after; p99 during at most twice that "
        "before, no errors",
        {"duration": 40.0, "retrain": "DeepFM", "activate": "never"},
    ),
    "kill": Entry(
        "kills a worker --count times (SIGKILL) at random times and starts it again: recovery below 1 s, nothing hangs",
        {"duration": 30.0, "deadline": 1000, "count": 5},
        {"duration": 15.0, "count": 3},
        judged=False,
    ),
    "slow-reader": Entry(
        "reads no answer for --pause seconds and goes on sending; the worker's memory stays bounded",
        {"duration": 10.0, "rate": 400.0, "n": 200, "pause": 10.0},
        judged=False,
    ),
    "garbage": Entry(
        "a malformed frame for each --garbage of the good ones: good calls are answered, the others refused by name",
        {"duration": 10.0, "garbage": 0.2},
    ),
    "soak": Entry("long: the slope of its memory", {"duration": 1800.0}, {"duration": 20.0}, closed=True, http=True),
    "boot": Entry(
        "--count spawns, one after the other: time to the hello and to the first answer",
        {"count": 20},
        {"count": 5},
        judged=False,
    ),
}


def defaults_of(name: str, *, short: bool = False) -> dict[str, Any]:
    """All defaults of a scenario."""
    entry = SCENARIOS[name]
    return {**DEFAULTS, **entry.defaults, **(entry.short if short else {})}
