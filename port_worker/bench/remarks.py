"""A report in sentences: what was run on what, how it was loaded, whether the driver was good enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from port_worker.bench.figures import NONE, count, megabytes, milliseconds, number, percent, plain, rate, share
from port_worker.bench.slo import parse

_COMMON = {
    *("rate", "arrivals", "in_flight", "duration_s", "warmup_s", "workers", "users", "known_users", "cold", "mix"),
    *("n", "deadline_ms", "payload_bytes", "seed", "codec"),
}
"""Options that every scenario has; a scenario's own are named as they are."""


def machine(report: Mapping[str, Any]) -> str:
    """`Linux..., 2 processors, load 1.3; driver on Python 3.11.7`."""
    about = report["machine"]
    load = about["load_average_1m"]
    busy = "" if load is None else f", load {load:.1f}"
    return f"{about['system']}, {about['processors'] or '?'} processors{busy}; driver on Python {about['python']}"


def worker(report: Mapping[str, Any]) -> str:
    """Who was measured, and with which model."""
    about = report["worker"]
    if about is None:
        return "the worker was not there to say what it is"
    if "url" in about:
        return f"an app at {about['url']}"
    model = about["model"] or {}
    # Which fields a model has is the worker's affair; those that it names itself by are shown.
    names = [str(model[name]) for name in ("algorithm", "version") if model.get(name)]
    served = f", serving {' '.join(names)}" if names else ""
    return f"worker {about['version'] or '?'} on Python {about['python'] or '?'}{served}"


def options(scenario: Mapping[str, Any]) -> str:
    """The load in one sentence."""
    of = scenario["options"]
    mix = of["mix"]
    cold = f", {percent(of['cold'])} unknown" if of["cold"] else ""
    asked = [
        f"{number(of['duration_s'])} s after {number(of['warmup_s'])} s of warm-up",
        None if of["workers"] is None else _workers(of["workers"]),
        f"users {of['users']} of {count(of['known_users'])}{cold}" if of["known_users"] else None,
        None if len(mix) < 2 else "mix " + " ".join(f"{op}={value:g}" for op, value in mix.items()),
        None if of["n"] is None else f"n {of['n']}",
        None if of["deadline_ms"] is None else f"deadline {of['deadline_ms']:g} ms",
        f"payload {', '.join(map(count, of['payload_bytes']))} B" if any(of["payload_bytes"]) else None,
        f"seed {of['seed']}" if of["codec"] is None else f"{of['codec']}, seed {of['seed']}",
        *(f"{name} {plain(value)}" for name, value in of.items() if name not in _COMMON),
    ]
    return "; ".join(part for part in (arrivals(of), *asked) if part is not None)


def _workers(processes: int) -> str:
    return "1 worker" if processes == 1 else f"{processes} workers"


def arrivals(of: Mapping[str, Any]) -> str:
    """`200 calls/s, poisson, open loop` or `closed loop, 8 in flight`."""
    if of["arrivals"] == "closed":
        return f"closed loop, {of['in_flight'] or '?'} in flight"
    rate = NONE if of["rate"] is None else f"{of['rate']:,g}"
    return f"{rate} calls/s, {of['arrivals']}, open loop"


def driver(scenario: Mapping[str, Any]) -> str:
    """How late it sent and how busy it was."""
    load = scenario["driver_load"]
    lag = load["send_lag_ms"]
    late = (
        "nothing was sent"
        if lag is None
        else f"sends late by {milliseconds(lag['p50'])} ms at p50, {milliseconds(lag['p99'])} at p99, "
        f"{milliseconds(lag['max'])} at most"
    )
    return f"driver ({scenario['driver']}): {late}; busy {percent(load['busy'])} of the time"


def limit(scenario: Mapping[str, Any]) -> str | None:
    """The warning where the driver, and not the worker, may have been measured."""
    load = scenario["driver_load"]
    if not load["limited"]:
        return None
    why = f": {load['why']}" if load["why"] else ""
    measured = "app" if scenario["driver"] == "http" else "worker"
    return f"the driver was the limit{why}; these figures are worse than the {measured} is"


def sources(scenario: Mapping[str, Any]) -> str | None:
    """What answers came from; None where nothing was answered."""
    found = scenario["total"]["answers_by_source"]
    named = ", ".join(f"{name} {count(calls)}" for name, calls in found.items() if calls)
    return f"answers from {named}" if named else None


def observed(verdict: Mapping[str, Any]) -> str:
    """What was observed of an objective of a report, in a unit that fits it."""
    expression, value = verdict["expression"], verdict["observed"]
    if value is None:
        return "nothing observed"
    try:
        objective = parse(expression)
    except ValueError:  # of another version of the bench
        return number(value, 3)
    if objective.relative:
        return share(value)
    if objective.metric in ("errors", "rate"):
        return f"{rate(value)}/s" if objective.metric == "rate" else count(round(value))
    return f"{megabytes(value)} MB" if objective.metric == "rss" else f"{milliseconds(value)} ms"
