"""`port-worker bench`: spawn a worker, load it at a constant rate, judge what it did."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from port_worker.bench.codec import cli as codec
from port_worker.bench.output import check_writable, write_json
from port_worker.bench.peers import cli as peers
from port_worker.bench.scenario import MOST_TIMES, SCENARIOS, TRAINED
from port_worker.bench.serving import cli as serving
from port_worker.bench.slo import DEFAULTS, parse
from port_worker.bench.sources import cli as sources

if TYPE_CHECKING:
    from port_worker.bench.slo import Objective
    from port_worker.bench.workload import Id
    from port_worker.host import WorkerHost

MET, UNUSABLE, NO_WORKER, BREACHED, INTERRUPTED = 0, 2, 3, 99, 130
_CALLER_CODES = ("unknown_algorithm", "invalid_hyperparameter", "algorithm_unavailable", "training_unavailable")

_EPILOG = """Exit status: 0 every --slo is met; 99 one is breached, a goal of the --scenario is, or the retrain
failed; 2 unusable arguments or
source; 3 no worker. Calls are sent at their due times whatever the worker does, and a latency runs from the due time to
the answer."""


def _number(least: float, most: float, *, above: bool = False) -> Callable[[str], float]:
    """An option's type: a number in a range; `above` leaves the lower bound itself out."""
    expected = f"expected a number {'above' if above else 'from'} {least:g} {'and at most' if above else 'to'} {most:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most or (above and value == least):
            raise argparse.ArgumentTypeError(f"{expected}, got {text!r}")
        return value

    return read


def _integer(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, got {text!r}")
        return value

    return read


def _objective(text: str) -> Objective:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = "Spawn a worker, ask it for recommendations at a constant rate (open loop), judge the answers."
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--rate", metavar="R", type=_number(0, 1e6, above=True), default=200.0, help="calls a second (default: 200)")
    add(
        "--duration",
        metavar="S",
        type=_number(0, 86400, above=True),
        default=15.0,
        help="seconds measured (default 15)",
    )
    add("--warmup", metavar="S", type=_number(0, 3600), default=2.0, help="seconds before, not measured (default: 2)")
    add("--n", metavar="N", type=_integer(1, 10_000), default=10, help="items to ask for (default: 10)")
    add("--users", metavar="N", type=_integer(1, 10_000_000), default=1000, help="distinct known users (default: 1000)")
    add("--cold", metavar="SHARE", type=_number(0, 1), default=0.0, help="share of unknown users, 0 to 1 (default: 0)")
    add("--seed", metavar="S", type=_integer(0, 2**63 - 1), default=7, help="of the choice of users (default: 7)")
    add("--deadline", metavar="MS", type=_integer(1, 86_400_000), help="deadline sent with each call (default: none)")
    add(
        "--retrain",
        metavar="NAME",
        nargs="?",
        const="",
        help="train NAME in the middle (default: as --algorithm); the run is longer by the time that this takes",
    )
    add(
        "--scenario",
        choices=SCENARIOS,
        help=f"retrain: while the worker serves, {TRAINED} (or what --retrain names) is trained and only stored; "
        f"p99 may be {MOST_TIMES:g} times that before, and nothing may fail",
    )
    add("--algorithm", metavar="NAME", help="train this if another is active, and in --retrain (default: the worker's)")
    add("--home", metavar="DIR", type=Path, help="where data and models live (default: one per user)")
    add("--source", metavar="SPEC", help="sqlite:, csv: or parquet:PATH, or a path (default: the seeded world)")
    add("--codec", choices=("etf", "msgpack"), default="etf", help="how terms are written as bytes (default: etf)")
    add("--slo", metavar="EXPR", type=_objective, action="append",
        help=f"an objective over p50, p90, p99, p99.9, max, errors or rate; repeatable (default: {', '.join(DEFAULTS)})"
        .replace("%", "%%"))  # fmt: skip
    add("--json", metavar="FILE", help="write the summary there; '-' is stdout, and the tables then go to stderr")
    others = parser.add_subparsers(metavar="codec | peers | serving | sources", title="other benches")
    codec_bench = others.add_parser(
        "codec", help="time the codec beside erlang-py and msgpack, and feed it hostile frames"
    )
    codec.configure(codec_bench)
    codec_bench.set_defaults(run=codec.run)
    peers_bench = others.add_parser("peers", help="ask this worker and what else could answer the same, in one table")
    peers.configure(peers_bench)
    peers_bench.set_defaults(run=peers.run)
    serving_bench = others.add_parser("serving", help="time a worker beside LibRecommender and faiss, and judge it")
    serving.configure(serving_bench)
    serving_bench.set_defaults(run=serving.run)
    sources_bench = others.add_parser("sources", help="time a source beside pandas and psycopg2 on a real PostgreSQL")
    sources.configure(sources_bench)
    sources_bench.set_defaults(run=sources.run)


def run(args: argparse.Namespace) -> int:
    """Prepare, drive, report. Returns the exit status, which `--help` explains."""
    from port_worker.config import settings
    from port_worker.host import HostError, WorkerError
    from port_worker.sources.errors import SourceError

    try:
        home = settings(args.home, args.source).home
        home.mkdir(parents=True, exist_ok=True)
        check_writable(args.json)
        summary = _drive(args, home)
        _report(summary, args.json)
    except (ValueError, OSError, SourceError) as error:
        return _refuse(UNUSABLE, str(error))
    except WorkerError as error:
        caused_by_arguments = error.code in _CALLER_CODES or error.code.startswith("source_")
        return _refuse(UNUSABLE if caused_by_arguments else NO_WORKER, str(error))
    except HostError as error:
        return _refuse(NO_WORKER, f"no worker: {error}")
    except KeyboardInterrupt:
        return _refuse(INTERRUPTED, "interrupted")
    return MET if summary["slo_met"] and summary.get("goals_met", True) else BREACHED


def _drive(args: argparse.Namespace, home: Path) -> dict[str, Any]:
    from port_worker.bench import prepare

    with prepare.start_worker(home, args.source, args.codec) as host:
        users = prepare.known_users(home, args.source, args.users)
        prepare.ensure_model(host, args.algorithm)
        return _load(args, host, users)


def _load(args: argparse.Namespace, host: WorkerHost, users: list[Id]) -> dict[str, Any]:
    from port_worker.bench import progress
    from port_worker.bench.load import Load
    from port_worker.bench.retraining import Retraining
    from port_worker.bench.schedule import NS, Schedule
    from port_worker.bench.summary import summarize
    from port_worker.bench.workload import recommendations

    schedule = Schedule(args.rate, args.warmup, args.duration)
    half_ns = round((args.warmup + args.duration / 2) * NS)
    asked = _retrain_args(args)
    retraining = None if asked is None else Retraining(half_ns, asked)
    watched = sys.stderr.isatty()
    progress.say(f"{args.rate:g} calls a second for {args.duration:g} s, after a warm-up of {args.warmup:g} s")
    load = Load(
        host,
        schedule,
        recommendations(users, n=args.n, cold=args.cold, seed=args.seed),
        deadline_ms=args.deadline,
        retraining=retraining,
        tick=progress.run_line if watched else progress.nothing,
    )
    measured = load.run()
    if watched:
        progress.end_run_line()
    summary = summarize(measured, schedule, retraining, args.slo or [parse(text) for text in DEFAULTS])
    workload = {"users": len(users), "n": args.n, "cold": args.cold, "seed": args.seed, "deadline_ms": args.deadline}
    workload["codec"] = args.codec
    judged = {} if args.scenario is None else _judged(summary)
    return summary | judged | {"workload": workload, "worker": _worker(host)}


def _retrain_args(args: argparse.Namespace) -> dict[str, Any] | None:
    """Of the retrain in the middle; None for none."""
    from port_worker.bench.prepare import retrain_args

    if args.scenario is not None:
        return retrain_args(args.retrain or TRAINED, "never")
    return None if args.retrain is None else retrain_args(args.retrain or args.algorithm)


def _judged(summary: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from port_worker.bench.goals import are_met
    from port_worker.bench.scenario import goals

    found = goals(summary)
    return {"goals": [asdict(goal) for goal in found], "goals_met": are_met(found)}


def _worker(host: WorkerHost) -> dict[str, Any] | None:
    """What the worker says of itself after the run; None when it is not there to say it."""
    from port_worker.host import HostError

    try:
        status = host.call("status", timeout=10.0)
    except HostError:
        return None
    about = host.hello.get("worker", {})
    return {"version": about.get("version"), "python": about.get("python"), **status}


def _report(summary: dict[str, Any], path: str | None) -> None:
    from port_worker.bench.report import show

    show(summary, sys.stderr if path == "-" else sys.stdout)
    write_json(summary, path)


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"port-worker bench: {why}\n")
    return status
