"""`port-worker repl`: its options and how a run ends. Nothing but the standard library is imported before `run`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from port_worker.repl.progress import Report
    from port_worker.repl.render import Show
    from port_worker.repl.session import Session

_FAILED = 1
_INTERRUPTED = 130  # 128 + SIGINT, as a shell has it


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = (
        "Try the worker: with no options, make a world of users and items, train a model if there is none, and prompt. "
        "Commands: recommend, many, similar, score, explain, feedback, hide, show, user, users, retrain, algorithms, "
        "models, status, ping, raw, help, quit."
    )
    parser.add_argument(
        "-c", metavar="CMD", dest="commands", action="append", help="run a command and exit (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for each command")
    parser.add_argument(
        "--data", metavar="FILE", help="your own interactions: .csv or .parquet with user,item,label,time"
    )
    parser.add_argument(
        "--algorithm", metavar="NAME", help="what to train when a model is needed; A+B for two stages (default: ALS)"
    )
    parser.add_argument(
        "--codec", choices=("etf", "msgpack"), default="etf", help="how terms are written as bytes (default: etf)"
    )
    parser.add_argument("--home", metavar="DIR", type=Path, help="where data and models live (default: one per user)")


def run(args: argparse.Namespace) -> int:
    """Run the commands, or prompt. Exit status 0, or 1 if a command failed."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a name that the terminal's encoding lacks is no reason to end
    try:
        return _run(args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has left; what is still buffered must not be flushed to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def _run(args: argparse.Namespace) -> int:
    from port_worker.repl.errors import EXPECTED, failure
    from port_worker.repl.execute import Outcome
    from port_worker.repl.progress import report_to
    from port_worker.repl.render import show_failure, show_json, show_tables

    show = show_json if args.json else show_tables
    try:
        session = _session(args, report_to(sys.stderr))
    except EXPECTED as error:
        failed = failure(error)
        if args.json and args.commands:
            for line in args.commands:
                show(Outcome(line, failed))
        else:
            show_failure(failed)
        return _FAILED
    with session:
        lines = _lines(args.commands, sys.stdin)
        return _converse(session, show) if lines is None else run_lines(session, lines, show)


def _session(args: argparse.Namespace, report: Report) -> Session:
    from port_worker.repl.session import Session
    from port_worker.repl.training import known_stages
    from port_worker.repl.world import choose_world, prepare
    from protocol.codec import codec

    algorithm = None if args.algorithm is None else known_stages(args.algorithm)
    world = choose_world(args.home, args.data)
    prepare(world, report)
    return Session(world, report, algorithm, codec=codec(args.codec))


def _lines(commands: list[str] | None, stdin: TextIO) -> Iterable[str] | None:
    """The commands to run: those of `-c`, or what is piped in; None where a person sits at the terminal."""
    if commands is not None:
        return commands
    return None if stdin.isatty() else _piped(stdin)


def _piped(stdin: TextIO) -> Iterator[str]:
    for line in stdin:
        if line.strip():
            yield line.strip()


def run_lines(session: Session, lines: Iterable[str], show: Show) -> int:
    """Run every line, also after one that failed, until `quit`. Returns 1 if any failed, else 0."""
    from port_worker.repl.execute import execute
    from port_worker.repl.results import Farewell

    failed = False
    for line in lines:
        outcome = execute(session, line)
        show(outcome)
        failed = failed or not outcome.ok
        if isinstance(outcome.result, Farewell):
            break
    return _FAILED if failed else 0


def _converse(session: Session, show: Show) -> int:
    from port_worker.repl.errors import EXPECTED, failure
    from port_worker.repl.prompt import converse, greet
    from port_worker.repl.render import show_failure

    try:
        session.need_model()
        greet(session)
    except KeyboardInterrupt:
        session.report.note("cancelled; `retrain` trains a model")
    except EXPECTED as error:
        show_failure(failure(error))  # the prompt is of use without a model: `retrain` with another algorithm, say
    converse(session, show)
    return 0
