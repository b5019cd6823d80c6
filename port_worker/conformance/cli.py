"""`port-worker conformance -- COMMAND ...`: drive a worker through SPEC.md's rules, and say which it keeps."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from port_worker.conformance.runner import Tick
    from port_worker.conformance.verdicts import Clause, Verdict

KEPT, BROKEN, UNUSABLE, NO_WORKER, INTERRUPTED = 0, 1, 2, 3, 130

_EPILOG = """Exit status: 0 no clause fails; 1 some do; 2 unusable arguments; 3 the command cannot be started, or says
no hello. The kit speaks External Term Format, not msgpack. A skipped clause could not be judged with this worker; why
is in the table. Each worker that is started gets a session of its own, and is killed with all of it in the end."""


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"expected seconds, above 0 and at most 3600, got {text!r}")
    return value


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = "Drive any worker command through the rules of protocol/SPEC.md, clause by clause."
    parser.epilog = _EPILOG
    parser.usage = "port-worker conformance [options] -- COMMAND ..."
    add = parser.add_argument
    add("command", metavar="COMMAND", nargs="*", help="the worker's command line, after --")
    add("--only", metavar="CLAUSE", action="append", help="judge this clause; repeatable (default: all)")
    add("--list", action="store_true", help="show the clauses and judge nothing")
    add("--retrain", action="store_true", help="judge what makes the worker train, too; each retrain is given up early")
    add(
        "--write",
        action="store_true",
        help="judge what feeds the worker, hides items and activates versions, too: its home keeps some of it",
    )
    add("--timeout", metavar="S", type=_seconds, default=10.0, help="seconds that one answer may take (default: 10)")
    add("--hello-timeout", metavar="S", type=_seconds, default=30.0, help="seconds until hello (default: 30)")
    add("--json", metavar="FILE", help="write the verdicts there; '-' is stdout, and the table then goes to stderr")


def run(args: argparse.Namespace) -> int:
    """Judge and report. Returns the exit status, which `--help` explains."""
    try:
        clauses = _chosen(args.only)
        if args.list:
            return _list(clauses)
        if not args.command:
            raise ValueError("command: expected one after --, got none")
        _check_writable(args.json)
    except (ValueError, OSError) as error:
        return _refuse(UNUSABLE, str(error))
    try:
        return _judge(args, clauses)
    except KeyboardInterrupt:
        return _refuse(INTERRUPTED, "interrupted")


def _judge(args: argparse.Namespace, clauses: Sequence[Clause]) -> int:
    from port_worker.conformance import runner
    from port_worker.conformance.peer import NoHelloError
    from port_worker.conformance.process import StartError, WorkerProcess
    from port_worker.conformance.world import Options

    options = Options(args.timeout, args.hello_timeout, args.retrain, args.write)
    try:
        verdicts = runner.run(partial(WorkerProcess.start, args.command), clauses, options, _tick(len(clauses)))
    except StartError as error:
        return _refuse(NO_WORKER, str(error))
    except NoHelloError as error:
        _report(args, runner.without_hello(clauses, str(error)))
        return _refuse(NO_WORKER, f"no hello: {error}")
    finally:
        _clear_line()
    _report(args, verdicts)
    return BROKEN if any(verdict.outcome == "FAIL" for verdict in verdicts) else KEPT


def _chosen(names: Sequence[str] | None) -> Sequence[Clause]:
    """The clauses of those names, in their order; all without names. Raises ValueError."""
    from port_worker.conformance.clauses import CLAUSES

    known = [clause.name for clause in CLAUSES]
    for name in names or ():
        if name not in known:
            raise ValueError(f"--only: expected a clause, as --list shows them, got {name!r}")
    return [clause for clause in CLAUSES if not names or clause.name in names]


def _list(clauses: Sequence[Clause]) -> int:
    from port_worker.conformance.report import show_clauses

    show_clauses(clauses, sys.stdout)
    return KEPT


def _check_writable(path: str | None) -> None:
    """Find out before the run that its result has nowhere to go."""
    if path is not None and path != "-":
        with Path(path).open("a", encoding="utf-8"):
            pass


def _report(args: argparse.Namespace, verdicts: Sequence[Verdict]) -> None:
    from port_worker.conformance.report import as_data, show

    show(verdicts, sys.stderr if args.json == "-" else sys.stdout)
    if args.json is None:
        return
    text = json.dumps(as_data(args.command, verdicts), indent=2) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        Path(args.json).write_text(text, encoding="utf-8")


def _tick(count: int) -> Tick:
    """A line on a terminal that overwrites itself."""
    if not sys.stderr.isatty():
        return lambda _done, _clause: None

    def show(done: int, clause: Clause) -> None:
        sys.stderr.write(f"\r{f'conformance: {done} of {count}, {clause.name}':<78}")
        sys.stderr.flush()

    return show


def _clear_line() -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{'':<78}\r")


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"port-worker conformance: {why}\n")
    return status
