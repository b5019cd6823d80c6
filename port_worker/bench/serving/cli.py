"""`port-worker bench serving`: this worker beside LibRecommender and faiss, and whether its goals are met."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from port_worker.bench.interruptible import interruptible
from port_worker.bench.output import check_writable, write_json

MET, FAILED, UNUSABLE, BREACHED, INTERRUPTED = 0, 1, 2, 99, 130

SECTIONS = {
    "embedding": "4k to 1M items through the pipe, LibRecommender, faiss, the arithmetic alone; 5 minutes",
    "approximate": "1M x 64 by the index against all of it: recall and time; 1 minute",
    "networks": "DeepFM and DIN, full and behind a retriever, 100k items; 4 minutes, all 9 networks 15",
    "boot": "spawn to hello and memory with the fixture's ALS, four workers on one 1M x 64 model; 1 minute",
    "bulk": "interactive p99 while recommend_many answers 100,000 users; 2 minutes",
}

_EPILOG = """Exit status: 0 every goal that was measured is met; 99 one is breached; 1 something could not be measured;
2 unusable arguments. Times are compared within one run: medians of rounds in which each has its turn, all with one
thread. It takes two idle processors: a worker that has to wait for one is measured with its wait. A peer that is not
installed is not compared, and its goals breach nothing."""


def _rounds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 1000, got {text!r}")
    return int(text)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-program's options; imports nothing but the standard library."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    width = max(map(len, SECTIONS)) + 2
    lines = "\n".join(f"  {name:<{width}}{about}" for name, about in SECTIONS.items())
    parser.description = f"Serve synthetic models, time this worker beside its peers, judge it. Sections:\n{lines}"
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--only", metavar="SECTION", choices=SECTIONS, action="append", help="one of the above; repeatable")
    add("--rounds", metavar="N", type=_rounds, help="in which each peer has its turn (default: 7)")
    add("--all-networks", action="store_true", help="every ranking network, not DeepFM and DIN alone")
    add("--quick", action="store_true", help="a look at whether all of it runs, on sizes that no goal is about")
    add("--json", metavar="FILE", help="write the summary there; '-' is stdout, and the tables then go to stderr")


@interruptible
def run(args: argparse.Namespace) -> int:
    """Measure, report, judge. Returns the exit status, which `--help` explains."""
    from port_worker.bench.serving.pipe import NoAnswerError
    from port_worker.host import HostError

    try:
        check_writable(args.json)
    except OSError as error:
        return _refuse(UNUSABLE, str(error))
    try:
        summary = _measured(args)
    except (NoAnswerError, HostError, OSError) as error:
        return _refuse(FAILED, str(error))
    except KeyboardInterrupt:
        return _refuse(INTERRUPTED, "interrupted")
    return MET if summary["goals_met"] else BREACHED


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    from port_worker.bench.serving.plan import Plan
    from port_worker.bench.serving.progress import telling
    from port_worker.bench.serving.report import show
    from port_worker.bench.serving.sections import SECTIONS as ALL
    from port_worker.bench.serving.summary import summarize

    plan = Plan(args.quick, args.rounds or (2 if args.quick else 7), args.all_networks)
    wanted = {name: section for name, section in ALL.items() if name in (args.only or ALL)}
    with telling(sum(section.steps(plan) for section in wanted.values())) as tell:
        summary = summarize(wanted, plan, tell)
    show(summary, ALL, sys.stderr if args.json == "-" else sys.stdout)
    write_json(summary, args.json)
    return summary


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"port-worker bench serving: {why}\n")
    return status
