"""`port-worker bench peers`: the same requests to this worker and to what else could answer them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from port_worker.bench.interruptible import interruptible
from port_worker.bench.output import check_writable, write_json

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from port_worker.bench.peers.turns import Plan
    from port_worker.bench.serving.world import World

ALIKE, UNUSABLE, NO_ANSWER, WRONG, INTERRUPTED = 0, 2, 3, 99, 130
SCHEMA = "port_worker.bench.peers/1"

_NEEDED = ("libreco", "erlang")
_SERVER = Path("libserving", "sanic_serving", "embed_deploy.py")

_EPILOG = """Exit status: 0 whoever was measured answers rightly; 99 somebody does not, and its row says so; 2 unusable
arguments, or LibRecommender is not installed; 3 the worker or a peer does not answer. A request is encoded before its
clock starts and an answer is read after it has stopped. All have one thread in each process; take two idle
processors."""


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most:,}, got {text!r}")
        return int(text)

    return read


def _checkout(text: str) -> Path:
    if not (Path(text) / _SERVER).is_file():
        raise argparse.ArgumentTypeError(f"expected a checkout of LibRecommender, with {_SERVER}, got {text!r}")
    return Path(text)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the sub-program's options; imports nothing but the standard library."""
    parser.description = (
        "Ask this worker, LibRecommender's recommend_user, a worker built the usual way (erlang-py, one request at a "
        "time), LibRecommender's own libserving, and faiss the same, in turns: one table, the worker being 1. The "
        "model is ALS trained on the fixture's world."
    )
    parser.epilog = _EPILOG
    add = parser.add_argument
    add("--items", metavar="N", type=_whole(1000, 10_000_000), help="also a synthetic catalogue of so many, d = 16")
    add("--in-flight", metavar="K", type=_whole(1, 512), default=32, help="beside 1 (default: 32)")
    add("--calls", metavar="N", type=_whole(1, 1_000_000), default=1000, help="of each in a round (default: 1000)")
    add("--rounds", metavar="N", type=_whole(1, 1000), default=5, help="in which each has its turn (default: 5)")
    add(
        "--libserving",
        metavar="DIR",
        type=_checkout,
        help="a checkout of LibRecommender's repository; it needs redis-server, and sanic, pydantic, redis, ujson, "
        "numpy and faiss in the Python below (default: libserving is not measured)",
    )
    add("--libserving-python", metavar="FILE", default=sys.executable, help="runs libserving (default: this Python)")
    add("--json", metavar="FILE", help="write the summary there; '-' is stdout, and the table then goes to stderr")


@interruptible
def run(args: argparse.Namespace) -> int:
    """Compare and report. Returns the exit status, which `--help` explains."""
    from port_worker.bench.serving.pipe import NoAnswerError
    from port_worker.host import HostError

    try:
        _check_installed()
        check_writable(args.json)
    except (ImportError, OSError) as error:
        return _refuse(UNUSABLE, str(error))
    try:
        summary = _compared(args)
    except (NoAnswerError, HostError, OSError) as error:
        return _refuse(NO_ANSWER, str(error))
    except KeyboardInterrupt:
        return _refuse(INTERRUPTED, "interrupted")
    return ALIKE if summary["right"] else WRONG


def _check_installed() -> None:
    """Raises ImportError for what nothing can be compared without."""
    from importlib.util import find_spec

    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if lacking:
        raise ImportError(f"it needs {' and '.join(lacking)}: install the extra, port-worker[train]")


def _compared(args: argparse.Namespace) -> dict[str, Any]:
    from port_worker.bench.peers.report import show
    from port_worker.bench.peers.turns import Plan

    summary = _summary(args, Plan(args.rounds, args.calls, args.in_flight))
    show(summary, sys.stderr if args.json == "-" else sys.stdout)
    write_json(summary, args.json)
    return summary


def _summary(args: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    from dataclasses import asdict

    from port_worker.bench.serving.machine import described

    catalogues = [_catalogue(name, world, args, plan) for name, world in _worlds(args.items).items()]
    right = all(share == 1.0 for found in catalogues for share in found["right"].values())
    return {"schema": SCHEMA, "machine": described(), **asdict(plan), "catalogues": catalogues, "right": right}


def _worlds(items: int | None) -> Mapping[str, AbstractContextManager[World]]:
    from port_worker.bench.peers import catalogues

    return {"fixture": catalogues.fixture()} | ({} if items is None else {"synthetic": catalogues.synthetic(items)})


def _catalogue(
    name: str, prepared: AbstractContextManager[World], args: argparse.Namespace, plan: Plan
) -> dict[str, Any]:
    from port_worker.bench.peers.catalogues import factors
    from port_worker.bench.peers.comparison import Wanted, compare
    from port_worker.bench.progress import say

    with prepared as world:
        wanted = Wanted(plan, args.libserving, args.libserving_python)
        found = compare(world, wanted, lambda text: say(f"{name}: {text}"))
        return {"name": name, "items": len(world.item_ids), "factors": factors(world), **found}


def _refuse(status: int, why: str) -> int:
    sys.stderr.write(f"port-worker bench peers: {why}\n")
    return status
