"""`port-worker worker`: the long-lived process that a Port spawns."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from port_worker.stdio import Pipes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from port_worker.config import Settings
    from port_worker.recording import Recorder

_UNUSABLE = 2
_IO_ERROR = 74
"""EX_IOERR of sysexits.h: the home cannot be read or written."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = "Answer calls in {packet, 4} frames of External Term Format on stdin and stdout."
    parser.epilog = "To try it by hand, run `repl`; protocol/SPEC.md describes the frames."
    parser.add_argument("--home", metavar="DIR", type=Path, help="where data and models live (default: one per user)")
    known = "a source's name in the configuration, sqlite:, csv: or parquet:PATH, or a path"
    parser.add_argument("--source", metavar="SPEC", help=f"what retrain reads: {known}")
    parser.add_argument("--config", metavar="FILE", type=Path, help="TOML (default: the home's port_worker.toml)")
    parser.add_argument("--algorithm", metavar="NAME", help="what retrain trains when a call names none (default: ALS)")
    parser.add_argument("--codec", metavar="NAME", help="etf (default), or msgpack for hosts that are not on the BEAM")
    parser.add_argument(
        "--limit",
        metavar="NAME=N",
        action="append",
        default=[],
        help="lower one of the limits that hello shows, such as max_terms=1000; repeatable",
    )
    parser.add_argument("--record", metavar="FILE", type=Path, help="write every frame there, for `inspect` to print")
    parser.add_argument("--fixture", action="store_true", help="write the seeded world into the home if it has no data")


def run(args: argparse.Namespace) -> int:
    """Serve until the host closes stdin. Exit status: 0; 2 for unusable arguments; 65 for a broken stream; 74 for a
    home that cannot be used."""
    pipes: Pipes = args.pipes
    if os.isatty(pipes.incoming):
        return _refuse("stdin is a terminal, and frames are not for typing: run `repl` instead")
    threads = os.environ.get("PORT_WORKER_THREADS") or "1"  # of BLAS, which reads this when it is loaded
    os.environ.setdefault("OPENBLAS_NUM_THREADS", threads)
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    import sqlite3

    from port_worker.allocator import keep_large_blocks
    from port_worker.config import settings
    from port_worker.loop import Loop

    try:
        chosen = settings(
            args.home,
            args.source,
            args.algorithm,
            codec=args.codec,
            limits=args.limit,
            record=args.record,
            config=args.config,
        )
        chosen.home.mkdir(parents=True, exist_ok=True)
        if args.fixture:
            _write_fixture(chosen.home)
    except (ValueError, OSError, sqlite3.Error) as error:
        return _refuse(str(error))
    keep_large_blocks()
    try:
        with _recorder(chosen) as recorder:
            return Loop(chosen, pipes, recorder).run()
    except OSError as error:
        return _refuse(str(error), _IO_ERROR)


def _recorder(chosen: Settings) -> AbstractContextManager[Recorder | None]:
    """Raises OSError when there is nowhere to record to."""
    from contextlib import closing, nullcontext

    if chosen.record is None:
        return nullcontext()
    from port_worker.recording import Recorder

    return closing(Recorder(chosen.record, chosen.codec))


def _write_fixture(home: Path) -> None:
    from port_worker.config import WORLD_FILE
    from port_worker.fixture.database import write_world

    world = home / WORLD_FILE
    if not world.exists():
        sys.stderr.write(f"port_worker: writing the seeded world to {world}\n")
        write_world(world)


def _refuse(why: str, status: int = _UNUSABLE) -> int:
    sys.stderr.write(f"port_worker: {why}\n")
    return status
