"""`port-worker bench compare A.json B.json`: what is different, and whether that is more than noise."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from port_worker.bench.output import check_writable, write_json

COMPARED, UNUSABLE = 0, 2

_EPILOG = """Exit status: 0 compared; 2 files that cannot be. Figures of a second are compared over batches of seconds,
whose differences within a run are the noise; with several runs of each side, joined by commas, over the runs. Options
and machines that differ are listed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-program's options; imports nothing but the standard library."""
    parser.description = "Compare two reports of bench --json: ratios, their noise, and which are larger than that."
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("a", metavar="A.json", help="a report, or repetitions of one run: A1.json,A2.json,A3.json")
    add("b", metavar="B.json", help="what it is compared with, in the same form")
    add("--json", metavar="FILE", help="write the comparison there; '-' is stdout, and the tables then go to stderr")


def run(args: argparse.Namespace) -> int:
    """Compare and show. Returns the exit status, which `--help` explains."""
    from port_worker.bench.comparison import compare
    from port_worker.bench.comparison_report import show

    try:
        check_writable(args.json)
        comparison = compare(_side(args.a), _side(args.b))
        show(comparison, sys.stderr if args.json == "-" else sys.stdout)
        write_json(comparison, args.json)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"port-worker bench compare: {error}\n")
        return UNUSABLE
    return COMPARED


def _side(text: str) -> list[dict[str, Any]]:
    """The reports of one side. A file whose name has a comma is meant where there is one."""
    from port_worker.bench.report_file import read_report

    whole = Path(text)
    return [read_report(path) for path in ([whole] if whole.exists() else map(Path, text.split(",")))]
