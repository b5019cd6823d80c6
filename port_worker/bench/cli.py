"""`port-worker bench`: spawn workers, put a load on them, judge what they did."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from port_worker.bench import compare_cli
from port_worker.bench import option_types as types
from port_worker.bench.codec import cli as codec
from port_worker.bench.http import arguments as http
from port_worker.bench.interruptible import interruptible
from port_worker.bench.output import check_writable, write_json
from port_worker.bench.peers import cli as peers
from port_worker.bench.scenarios.catalogue import ALL, DEFAULTS, SCENARIOS
from port_worker.bench.serving import cli as serving
from port_worker.bench.slo import DEFAULTS as OBJECTIVES
from port_worker.bench.slo import METRICS
from port_worker.bench.sources import cli as sources

MET, UNUSABLE, NO_WORKER, BREACHED, INTERRUPTED = 0, 2, 3, 99, 130
DRIVERS = ("python", "elixir", http.HTTP)
_CALLER_CODES = ("unknown_algorithm", "invalid_hyperparameter", "algorithm_unavailable", "training_unavailable")
_OUTPUTS = ("json", "html", "hgrm")

_EPILOG = """Exit status: 0 every --slo, and every goal of a scenario, is met; 99 one is breached; 2 unusable
arguments or source; 3 no worker, or no app that answers; 130 interrupted. In an open loop calls are sent at their due
times whatever the worker does, and a latency runs from the due time to the answer; beside it stands, uncorrected,
what a client would have recorded that waits for each answer before its next call. The --slo are judged on all that is
measured, of a ramp at its knee; on kill, slow-reader and boot, which make faults or no load, only those that are
given."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = f"Spawn workers, put a load on them, judge the answers. Scenarios:\n{_scenarios()}"
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_load(parser)
    _add_calls(parser)
    http.configure(parser)
    _add_scenario(parser)
    _add_surroundings(parser)
    others = parser.add_subparsers(metavar="codec | compare | peers | serving | sources", title="other benches")
    codec_bench = others.add_parser(
        "codec", help="time the codec beside erlang-py and msgpack, and feed it hostile frames"
    )
    codec.configure(codec_bench)
    codec_bench.set_defaults(run=codec.run)
    compare_bench = others.add_parser("compare", help="which differences of two reports are larger than their noise")
    compare_cli.configure(compare_bench)
    compare_bench.set_defaults(run=compare_cli.run)
    peers_bench = others.add_parser("peers", help="ask this worker and what else could answer the same, in one table")
    peers.configure(peers_bench)
    peers_bench.set_defaults(run=peers.run)
    serving_bench = others.add_parser("serving", help="time a worker beside LibRecommender and faiss, and judge it")
    serving.configure(serving_bench)
    serving_bench.set_defaults(run=serving.run)
    sources_bench = others.add_parser("sources", help="time a source beside pandas and psycopg2 on a real PostgreSQL")
    sources.configure(sources_bench)
    sources_bench.set_defaults(run=sources.run)


def _scenarios() -> str:
    """Each with what it does and its own defaults, for `--help`."""
    import textwrap

    lines = []
    for name, entry in SCENARIOS.items():
        own = ", ".join(f"--{option} {_shown(value)}" for option, value in entry.defaults.items())
        about = f"{entry.about} ({own})" if own else entry.about
        lines += textwrap.wrap(about, 100, initial_indent=f"  {name:<13}", subsequent_indent=" " * 15)
    return "\n".join([*lines, f"  {ALL:<13}every one of them, shorter, as one report"])


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _default(option: str) -> str:
    value = DEFAULTS[option]
    return f"(default: {_shown(value)})"


def _add_load(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("load").add_argument
    add("--rate", metavar="R", type=types.number(0, 1e6, above=True), help=f"calls a second {_default('rate')}")
    arrivals = "at equal distances, or as users who know nothing of each other call (default: constant)"
    add("--arrivals", choices=("constant", "poisson"), help=arrivals)
    add("--closed", action="store_true", help="a closed loop instead: an answer lets the next call go")
    in_flight = f"calls at a time of --closed {_default('in_flight')}"
    add("--in-flight", metavar="K", type=types.integer(1, 4096), help=in_flight)
    duration = f"seconds measured {_default('duration')}"
    add("--duration", metavar="S", type=types.number(0, 604800, above=True), help=duration)
    warmup = f"seconds before, not measured {_default('warmup')}"
    add("--warmup", metavar="S", type=types.number(0, 3600), help=warmup)
    workers = "worker processes, driven by this one; a call goes to that with the fewest in flight (default: 1)"
    add("--workers", metavar="N", type=types.integer(1, 256), help=workers)
    driver = "what makes the load: python or elixir on workers that it spawns, http on --url (default: python)"
    add("--driver", choices=DRIVERS, default=DRIVERS[0], help=driver)


def _add_calls(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("calls").add_argument
    users = "whom of the known users: uniform, zipf:EXPONENT (the most active most often), or a file: one id a line"
    add("--users", metavar="HOW", type=types.users, help=f"{users}, or .jsonl {_default('users')}")
    known = f"the N most active users of the source {_default('known_users')}"
    add("--known-users", metavar="N", type=types.integer(1, 10_000_000), help=known)
    add("--cold", metavar="SHARE", type=types.share(), help="of calls about unknown users: 5%% or 0.05 (default: 0)")
    mix = f"of {', '.join(types.OPERATIONS)}; batch is recommend_many for 100 users (default: recommend=1)"
    add("--mix", metavar="OP=SHARE,...", type=types.mix, help=mix)
    add("--n", metavar="N", type=types.integer(1, 10_000), help=f"items to ask for {_default('n')}")
    add("--deadline", metavar="MS", type=types.integer(1, 86_400_000), help="sent with each call (default: none)")
    payload = "bytes of ids to exclude that each call but score carries, one of 0,1k,16k at random (default: 0)"
    add("--payload", metavar="SIZES", type=types.payload, help=payload)
    add("--seed", metavar="S", type=types.integer(0, 2**63 - 1), help=f"of all choices {_default('seed')}")
    add("--codec", choices=("etf", "msgpack"), help="how terms are written as bytes (default: etf)")


def _add_scenario(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("scenario").add_argument
    add("--scenario", choices=(*SCENARIOS, ALL), help="one of the above (default: steady)")
    add("--precision", metavar="SHARE", type=types.share(0.001), help="of ramp: how far below a breach its knee may be")
    add("--times", metavar="X", type=types.number(1, 1000, above=True), help="of burst: how many times the rate")
    add("--retrain", metavar="NAME", help="of retrain: what is trained")
    add("--activate", choices=("gated", "force", "never"), help="of retrain: whether it is to answer then")
    add("--count", metavar="N", type=types.integer(1, 10_000), help="of kill: kills; of boot: spawns")
    add("--pause", metavar="S", type=types.number(0, 3600, above=True), help="of slow-reader: seconds without reading")
    add("--garbage", metavar="SHARE", type=types.share(above=True), help="of garbage: malformed frames a good one")
    slo = f"an objective over {METRICS}; repeatable"
    defaults = ", ".join(OBJECTIVES).replace("%", "%%")
    add("--slo", metavar="EXPR", type=types.objective, action="append", help=f"{slo} (default: {defaults})")


def _add_surroundings(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("surroundings").add_argument
    add("--algorithm", metavar="NAME", help="train this first if another is active (default: the worker's)")
    command = "the command line of another worker that speaks the protocol, spawned in place of this project's"
    add("--command", metavar="'CMD ARG...'", type=types.command, help=command)
    add("--home", metavar="DIR", type=Path, help="where data and models live (default: one per user)")
    add("--source", metavar="SPEC", help="sqlite:, csv: or parquet:PATH, or a path (default: the seeded world)")
    add("--json", metavar="FILE", help="write the report there; '-' is stdout, and the tables then go to stderr")
    add("--html", metavar="FILE", help="write the report as one page")
    add("--hgrm", metavar="FILE", help="write the latencies as HdrHistogram's percentile distribution")


@interruptible
def run(args: argparse.Namespace) -> int:
    """Prepare, drive, report. Returns the exit status, which `--help` explains."""
    from port_worker.bench.http.probe import NoAppError
    from port_worker.bench.resolved import chosen
    from port_worker.config import settings
    from port_worker.host import HostError, WorkerError
    from port_worker.sources.errors import SourceError

    try:
        plans = chosen(args)
        home = settings(args.home, args.source).home
        home.mkdir(parents=True, exist_ok=True)
        for output in _OUTPUTS:
            check_writable(getattr(args, output), f"--{output}")
        report = _measured(args, home, plans)
        _write(report, args)
    except (ValueError, OSError, SourceError) as error:
        return _refuse(UNUSABLE, str(error))
    except WorkerError as error:
        caused_by_arguments = error.code in _CALLER_CODES or error.code.startswith("source_")
        return _refuse(UNUSABLE if caused_by_arguments else NO_WORKER, str(error))
    except HostError as error:
        return _refuse(NO_WORKER, f"no worker: {error}")
    except NoAppError as error:
        return _refuse(NO_WORKER, f"no app: {error}")
    except KeyboardInterrupt:
        return _refuse(INTERRUPTED, "interrupted")
    return MET if report["met"] else BREACHED


def _measured(args: argparse.Namespace, home: Path, plans: Any) -> dict[str, Any]:
    from port_worker.bench.http import suite
    from port_worker.bench.suite import Suite

    if args.driver == http.HTTP:
        return suite.run(args, home, sys.argv[1:], plans)
    return Suite(args, home, sys.argv[1:]).run(plans)


def _write(report: dict[str, Any], args: argparse.Namespace) -> None:
    from port_worker.bench.report import show

    show(report, sys.stderr if args.json == "-" else sys.stdout)
    write_json(report, args.json)
    for view in ("html", "hgrm"):
        if (path := getattr(args, view)) is not None:
            import_module(f"port_worker.bench.{view}").write(report, path)


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"port-worker bench: {why}\n")
    return status
