"""`port-worker bench codec`: time the codec beside its peers, feed it hostile frames, and judge both."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from port_worker.bench.interruptible import interruptible
from port_worker.bench.output import check_writable, write_json
from port_worker.bench.progress import say

if TYPE_CHECKING:
    from port_worker.bench.codec.hostile import Cost
    from port_worker.bench.codec.through_port import Flow
    from port_worker.bench.codec.timing import Samples

MET, FAILED, UNUSABLE, BREACHED, INTERRUPTED = 0, 1, 2, 99, 130
SECTIONS = ("times", "echo", "hostile")

_EPILOG = """Exit status: 0 every goal that was measured is met; 99 one is breached; 1 something could not be measured;
2 unusable arguments. Without Erlang the echo through a Port is not measured, and its goal breaches nothing."""


def _rounds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 1000, got {text!r}")
    return int(text)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-program's options; imports nothing but the standard library."""
    parser.description = (
        "Time the codec beside erlang-py and msgpack in one run, echo through an Erlang Port, feed it hostile frames."
    )
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--rounds", metavar="N", type=_rounds, help="of the times; the echo has half of it (default: 20)")
    add("--only", metavar="SECTION", choices=SECTIONS, action="append", help=f"{', '.join(SECTIONS)}; repeatable")
    add("--quick", action="store_true", help="a look at whether all of it runs: few and short samples")
    add("--json", metavar="FILE", help="write the summary there; '-' is stdout, and the tables then go to stderr")


@interruptible
def run(args: argparse.Namespace) -> int:
    """Measure, report, judge. Returns the exit status, which `--help` explains."""
    from port_worker.bench.codec.through_port import PortError

    try:
        check_writable(args.json)
        summary = _measured(args)
        _report(summary, args)
    except OSError as error:
        return _refuse(UNUSABLE, str(error))
    except (ValueError, RuntimeError, PortError) as error:
        return _refuse(FAILED, str(error))
    except KeyboardInterrupt:
        return _refuse(INTERRUPTED, "interrupted")
    return MET if summary["goals_met"] else BREACHED


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    from port_worker.bench.codec.summary import summarize

    wanted = _sections(args)
    rounds = args.rounds or (2 if args.quick else 20)
    return summarize(
        _times(rounds, quick=args.quick) if "times" in wanted else None,
        _hostile(quick=args.quick) if "hostile" in wanted else None,
        _echo(max(1, rounds // 2), quick=args.quick) if "echo" in wanted else None,
    )


def _sections(args: argparse.Namespace) -> Sequence[str]:
    return args.only or SECTIONS


def _times(rounds: int, *, quick: bool) -> Samples:
    from port_worker.allocator import keep_large_blocks
    from port_worker.bench.codec.cases import cases, check, operations
    from port_worker.bench.codec.timing import measure

    keep_large_blocks()  # as in a worker; every peer gains by it
    rows = cases()
    check(rows)
    say(f"{len(rows)} operations in {rounds} rounds")
    return measure(operations(rows), rounds, sample_ms=1.0 if quick else 7.0)


def _echo(rounds: int, *, quick: bool) -> dict[str, list[Flow]] | None:
    from port_worker.bench.codec.through_port import measure

    say("echo through an Erlang Port")
    return measure(seconds=0.05 if quick else 0.5, rounds=rounds)


def _hostile(*, quick: bool) -> list[Cost]:
    from port_worker.bench.codec.hostile import PASSES, hostile_cases, measure

    cases = list(hostile_cases())
    say(f"{len(cases)} hostile frames, each in a process of its own")
    return [measure(case, passes=2 if quick else PASSES) for case in cases]


def _report(summary: dict[str, Any], args: argparse.Namespace) -> None:
    from port_worker.bench.codec.report import show

    show(summary, sys.stderr if args.json == "-" else sys.stdout, sections=_sections(args))
    write_json(summary, args.json)


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"port-worker bench codec: {why}\n")
    return status
