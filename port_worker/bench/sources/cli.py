"""`port-worker bench sources`: extract interactions from a real PostgreSQL, beside two usual ways, and judge it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from port_worker.bench.interruptible import interruptible
from port_worker.bench.output import check_writable, write_json
from port_worker.bench.progress import say

if TYPE_CHECKING:
    from port_worker.bench.sources.extract import Extracted

MET, FAILED, UNUSABLE, BREACHED, INTERRUPTED = 0, 1, 2, 99, 130
_ROWS, _QUICK_ROWS = 10_000_000, 50_000
_MOST_ROWS = 1_000_000_000

_EPILOG = """Exit status: 0 every goal that was measured is met; 99 one is breached; 1 something could not be measured;
2 unusable arguments. PostgreSQL is that of the development package `pgserver`; it runs in a temporary folder, which
takes about 150 bytes for each row. Speed is judged from 1 million rows on, memory from 10 million."""


def _count(most: int) -> Any:
    def read(text: str) -> int:
        digits = text.replace("_", "")
        if not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {most}, got {text!r}")
        return int(digits)

    return read


def _algorithm(name: str) -> str:
    """One that can be trained here: found out before millions of rows are written."""
    from port_worker.training.catalogue import validate
    from port_worker.training.errors import TrainingError

    try:
        validate(name, {})
    except TrainingError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-program's options; imports nothing but the standard library."""
    parser.description = (
        "Write interactions of UUIDs into a PostgreSQL of its own, and extract them by the source, by pandas.read_sql "
        "and by psycopg2's fetchall, each in a process of its own; then train from it."
    )
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--rows", metavar="N", type=_count(_MOST_ROWS), help=f"interactions (default: {_ROWS:,})")
    add("--rounds", metavar="N", type=_count(100), default=1, help="how often each way extracts them (default: 1)")
    add("--seed", metavar="S", type=int, default=7, help="of users and items (default: 7)")
    add(
        "--retrain",
        metavar="NAME",
        type=_algorithm,
        action="append",
        default=[],
        help="have a worker train this from the database too, and show the time of each phase; repeatable",
    )
    add("--epochs", metavar="N", type=_count(10_000), help="of --retrain, for each fit (default: the algorithm's own)")
    add("--quick", action="store_true", help=f"a look at whether all of it runs: {_QUICK_ROWS:,} rows")
    add("--json", metavar="FILE", help="write the summary there; '-' is stdout, and the table then goes to stderr")


@interruptible
def run(args: argparse.Namespace) -> int:
    """Measure, report, judge. Returns the exit status, which `--help` explains."""
    from port_worker.host import HostError

    try:
        check_writable(args.json)
        rows = args.rows or (_QUICK_ROWS if args.quick else _ROWS)
        summary = _measured(rows, args.rounds, args.seed, args.retrain, args.epochs)
        _report(summary, args.json)
    except OSError as error:
        return _refuse(UNUSABLE, str(error))
    except (RuntimeError, HostError) as error:
        return _refuse(FAILED, str(error))
    except KeyboardInterrupt:
        return _refuse(INTERRUPTED, "interrupted")
    return MET if summary["goals_met"] else BREACHED


def _measured(rows: int, rounds: int, seed: int, algorithms: Sequence[str], epochs: int | None) -> dict[str, Any]:
    from port_worker.bench.postgresql import PostgresqlServer
    from port_worker.bench.sources import world
    from port_worker.bench.sources.extract import WAYS, extract
    from port_worker.bench.sources.retrains import retrains
    from port_worker.bench.sources.summary import summarize

    found: dict[str, list[Extracted]] = {way: [] for way in WAYS}
    with PostgresqlServer({"shared_buffers": "1GB", "max_wal_size": "4GB"}) as server:
        say(f"writing {rows:,} interactions")
        world.write(server, rows, seed, _written(rows))
        for _ in range(rounds):
            for way, runs in found.items():
                runs.append(extract(way, server.location()))
                say(f"{way}: {runs[-1].rows_per_s:,.0f} rows/s")
        trained = retrains(server.location(), algorithms, epochs) if algorithms else []
    return summarize(found, rows, trained)


def _written(rows: int) -> Any:
    from port_worker.bench.progress import nothing

    if not sys.stderr.isatty():
        return nothing

    def show(written: int) -> None:
        sys.stderr.write(f"\rbench: {min(written, rows):,} of {rows:,}{chr(10) if written >= rows else ''}")

    return show


def _report(summary: dict[str, Any], path: str | None) -> None:
    from port_worker.bench.sources.summary import show

    show(summary, sys.stderr if path == "-" else sys.stdout)
    write_json(summary, path)


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"port-worker bench sources: {why}\n")
    return status
