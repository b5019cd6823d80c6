"""The command line's options, resolved for each scenario: what was typed, else its defaults."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from port_worker.bench.arrivals import CLOSED
from port_worker.bench.http import arguments as http
from port_worker.bench.plan import Options, is_drawn
from port_worker.bench.scenarios.catalogue import ALL, DEFAULTS, SCENARIOS, Entry, defaults_of
from port_worker.bench.slo import DEFAULTS as OBJECTIVES
from port_worker.bench.slo import Objective, parse

_STEADY = "steady"


@dataclass(frozen=True)
class Chosen:
    """A scenario that is to run.

    `own`: the options that it alone has. `objectives`: of --slo, or the default ones, by which a ramp finds its knee;
    `judged_by`: those of them that its result is judged by.
    """

    name: str
    options: Options
    own: Mapping[str, Any]
    objectives: Sequence[Objective]
    judged_by: Sequence[Objective]


def chosen(args: argparse.Namespace) -> list[Chosen]:
    """What is to run. Raises ValueError that names the option which does not go with a scenario."""
    names = list(SCENARIOS) if args.scenario == ALL else [args.scenario or _STEADY]
    _check(args, names)
    return [_chosen(args, name, short=args.scenario == ALL) for name in names]


def _chosen(args: argparse.Namespace, name: str, *, short: bool) -> Chosen:
    defaults = defaults_of(name, short=short)
    typed = {option: value for option in defaults if (value := getattr(args, option)) is not None}
    values = {**defaults, **typed}
    closed = args.closed and SCENARIOS[name].closed
    objectives = args.slo or [parse(text) for text in OBJECTIVES]
    judged = SCENARIOS[name].judged or (bool(args.slo) and not short)
    own = {option: value for option, value in values.items() if option not in DEFAULTS}
    return Chosen(name, _options(values, closed=closed), own, objectives, objectives if judged else [])


def _options(values: Mapping[str, Any], *, closed: bool) -> Options:
    return Options(
        rate=None if closed else values["rate"],
        arrivals=CLOSED if closed else values["arrivals"],
        in_flight=values["in_flight"] if closed else None,
        duration_s=values["duration"],
        warmup_s=values["warmup"],
        workers=values["workers"],
        users=values["users"],
        known_users=values["known_users"],
        cold=values["cold"],
        mix=values["mix"],
        n=values["n"],
        deadline_ms=values["deadline"],
        payload_bytes=values["payload"],
        seed=values["seed"],
        codec=values["codec"],
    )


def _check(args: argparse.Namespace, names: Sequence[str]) -> None:
    """Options that contradict each other, or that none of the scenarios has, are refused by name."""
    if args.closed:
        _check_closed(args, names)
    elif args.in_flight is not None:
        raise ValueError("argument --in-flight: expected --closed beside it")
    if args.known_users is not None and args.users is not None and not is_drawn(args.users):
        raise ValueError("argument --known-users: expected --users uniform or zipf:EXPONENT beside it, got a file")
    for option in _own_options():
        if getattr(args, option) is not None and not any(option in SCENARIOS[name].defaults for name in names):
            having = ", ".join(name for name, entry in SCENARIOS.items() if option in entry.defaults)
            raise ValueError(f"argument --{option}: expected --scenario {having}, got {names[0]}")
    if args.driver == "elixir":
        _check_each(names, "--driver elixir", lambda entry: entry.elixir)
        _check_elixir(args.codec)
    if args.driver == http.HTTP:
        _check_each(names, "--driver http", lambda entry: entry.http)
    http.check(args, names)


def _check_elixir(codec: str | None) -> None:
    from port_worker.bench.beam.toolchain import unavailable

    if codec not in (None, "etf"):
        raise ValueError(f"argument --driver elixir: expected --codec etf, which its client speaks, got {codec}")
    why_not = unavailable()
    if why_not is not None:
        raise ValueError(f"argument --driver elixir: {why_not}")


def _check_closed(args: argparse.Namespace, names: Sequence[str]) -> None:
    for option in ("rate", "arrivals"):
        if getattr(args, option) is not None:
            raise ValueError(f"argument --closed: expected no --{option} beside it")
    if args.scenario != ALL:
        _check_each(names, "--closed", lambda entry: entry.closed)


def _check_each(names: Sequence[str], option: str, has: Any) -> None:
    for name in names:
        if not has(SCENARIOS[name]):
            having = ", ".join(one for one, entry in SCENARIOS.items() if has(entry))
            raise ValueError(f"argument {option}: expected --scenario {having}, got {name}")


def _own_options() -> set[str]:
    return {option for entry in SCENARIOS.values() for option in _own(entry)}


def _own(entry: Entry) -> set[str]:
    return set(entry.defaults) - set(DEFAULTS)
