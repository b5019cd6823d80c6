"""The options of `--driver http`, and which others go with it. Imports nothing but the standard library."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from port_worker.bench import option_types as types

HTTP = "http"
DEFAULTS: Mapping[str, int] = {"connections": 64, "timeout_ms": 5000}

_OWN = ("url", "header", "connections", "timeout_ms", "allow_remote", "fault", "fault_every", "pid")
_OF_WORKERS = ("workers", "mix", "n", "deadline", "payload", "codec", "algorithm", "command")
_OF_USERS = ("users", "known_users", "cold", "source")
_OF_PROCESSES = ("rss", "cpu")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options; what they are without being typed is `DEFAULTS`, or nothing."""
    example = "such as --url 'http://127.0.0.1:4000/api/recommendations/{user}?n=10'"
    add = parser.add_argument_group("--driver http, of an app that runs already", example).add_argument
    add("--url", metavar="URL", help="what is asked for with GET, with {user} where the user's id belongs")
    add("--header", metavar="'NAME: VALUE'", type=types.header, action="append", help="sent with each; repeatable")
    connections = f"connections that are kept open at most; a call waits for one (default: {DEFAULTS['connections']})"
    add("--connections", metavar="N", type=types.integer(1, 1000), help=connections)
    timeout = f"a call that takes longer is an error, its connection closed (default: {DEFAULTS['timeout_ms']})"
    add("--timeout-ms", metavar="MS", type=types.integer(1, 3_600_000), help=timeout)
    remote = "allow an address that is not this machine's loopback: yours alone, a load on another's host is an attack"
    add("--allow-remote", action="store_const", const=True, help=remote)
    pid = "a process of the app: its memory and CPU are told, and judged by --slo and soak; repeatable"
    add("--pid", metavar="PID", type=types.integer(1, 2**31), action="append", help=pid)
    fault = "fault injection: run this beside the load, such as what kills a node, and tell what calls it costs"
    add("--fault", metavar="'CMD ARG...'", type=types.program, help=fault)
    every = "seconds from one --fault to the next"
    add("--fault-every", metavar="S", type=types.number(0, 604800, above=True), help=every)


def check(args: argparse.Namespace, scenarios: Sequence[str]) -> None:
    """Raises ValueError that names the option which does not go with the others."""
    found = _contradictions(args, scenarios) if args.driver == HTTP else _stray(args, _OWN, "--driver http beside it")
    for option, expected in found:
        raise ValueError(f"argument --{option.replace('_', '-')}: expected {expected}")


def _contradictions(args: argparse.Namespace, scenarios: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Options, and what was expected of them."""
    if args.url is None:
        yield "url", "one with --driver http, got none"
        return
    yield from _stray(args, _OF_WORKERS, "no such option with --driver http, which knows no workers")
    if "{user}" not in args.url:
        yield from _stray(args, _OF_USERS, "{user} in --url beside it")
    for objective in args.slo or ():
        if objective.metric in _OF_PROCESSES and not args.pid:
            yield "slo", f"--pid beside {objective.expression}, got none"
    yield from _of_faults(args, scenarios)


def _of_faults(args: argparse.Namespace, scenarios: Sequence[str]) -> Iterator[tuple[str, str]]:
    if args.fault is None:
        yield from _stray(args, ["fault_every"], "--fault beside it")
    elif args.fault_every is None:
        yield "fault", "--fault-every beside it"
    elif "ramp" in scenarios:
        yield "fault", "--scenario steady, burst or soak, got ramp, whose steps would have faults unlike each other"


def _stray(args: argparse.Namespace, options: Sequence[str], expected: str) -> Iterator[tuple[str, str]]:
    """Those of the options that were typed."""
    return ((option, expected) for option in options if getattr(args, option) is not None)


def value(args: argparse.Namespace, option: str) -> Any:
    """As typed, else the default."""
    typed = getattr(args, option)
    return DEFAULTS[option] if typed is None else typed


def without_secrets(argv: Sequence[str]) -> list[str]:
    """The words of the command line, but for the values of headers: a report is shown to others."""
    words: list[str] = []
    for word in argv:
        option, is_joined, joined = word.partition("=")
        if option == "--header" and is_joined:
            words.append(f"{option}={_hidden(joined)}")
        else:
            words.append(_hidden(word) if words and words[-1] == "--header" else word)
    return words


def _hidden(header: str) -> str:
    return f"{header.partition(':')[0]}: ..."
