"""Approximate ranking of a large catalogue: what it finds of the exact best, and in what part of the time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.table import Table

from port_worker.bench.goals import Goal, at_least
from port_worker.bench.serving.agreement import share_found
from port_worker.bench.serving.embedding import APPROXIMATELY, EXACTLY
from port_worker.bench.serving.peer_process import PeerProcess
from port_worker.bench.serving.peers import APPROXIMATE, ARITHMETIC, N
from port_worker.bench.serving.pipe import timed_worker
from port_worker.bench.serving.plan import Plan, Tell
from port_worker.bench.serving.rounds import Draw, interleaved, medians, of_peer, of_worker, times
from port_worker.bench.serving.tables import milliseconds, ratio, share, table
from port_worker.bench.serving.world import Size, synthesise

_SIZE, _QUICK = Size(1_000_000, 64), Size(200_000, 16, users=500)
_IN_FLIGHT = (1, 64)
_RECALL = 0.95
_TIMES = 10.0
_TRIED = 1000
_AT_ONCE = 50
_EXACT_WORKER, _APPROXIMATE_WORKER = "worker, exact", "worker, approximate"


def steps(_plan: Plan) -> int:
    """How many times `measure` tells of itself."""
    return 1


def measure(plan: Plan, tell: Tell) -> dict[str, Any]:
    """`recall`: of the 10 best, 0..1. `rows`: milliseconds, and how many times longer exact ranking takes."""
    size = _QUICK if plan.quick else _SIZE
    tell(f"{size.items:,} items, d = {size.factors}, and their index")
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as folder, ExitStack() as stack:
        world = synthesise(Path(folder), size, indexed=True)
        exact, approximate = (stack.enter_context(PeerProcess(name)) for name in (ARITHMETIC, APPROXIMATE))
        for peer in (exact, approximate):
            peer.open(world.folder)
        users = world.users(slice(None))
        samples = {
            ARITHMETIC: of_peer(exact),
            APPROXIMATE: of_peer(approximate),
            _EXACT_WORKER: of_worker(stack.enter_context(timed_worker(world.home, EXACTLY)), users, N),
            _APPROXIMATE_WORKER: of_worker(stack.enter_context(timed_worker(world.home, APPROXIMATELY)), users, N),
        }
        draw = Draw(size.users)
        return {
            "items": size.items,
            "factors": size.factors,
            "recall": _recall(exact, approximate, min(_TRIED, size.users)),
            "rows": [_row(in_flight, interleaved(samples, in_flight, draw, plan)) for in_flight in _IN_FLIGHT],
        }


def _recall(exact: PeerProcess, approximate: PeerProcess, users: int) -> float:
    batches = [range(start, min(start + _AT_ONCE, users)) for start in range(0, users, _AT_ONCE)]
    return share_found([r for rows in batches for r in exact.ranked(rows)], [
        r for rows in batches for r in approximate.ranked(rows)
    ])  # fmt: skip


def _row(in_flight: int, samples: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return {
        "in_flight": in_flight,
        "ms": medians(samples),
        "arithmetic_times": times(samples, ARITHMETIC, APPROXIMATE),
        "worker_times": times(samples, _EXACT_WORKER, _APPROXIMATE_WORKER),
    }


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """What is asked of it; with fewer items it was not measured."""
    large = found["items"] == _SIZE.items
    name = f"approximate, {_SIZE.items:,} items, d = {_SIZE.factors}"
    return [
        at_least(f"{name}: recall@{N} at least {_RECALL}", found["recall"] if large else None, _RECALL, "{:.3f}"),
        at_least(
            f"{name}: at most a tenth of the time of exact ranking",
            found["rows"][0]["arithmetic_times"] if large else None,
            _TIMES,
            "1/{:.1f}",
        ),
    ]


def tables(found: Mapping[str, Any]) -> list[Table | str]:
    """For people."""
    shown = table(
        "items", "d", "in flight", "exact ms", "approx. ms", "times",
        "worker exact", "worker approx.", "times", "recall@10",
    )  # fmt: skip
    for row in found["rows"]:
        shown.add_row(
            f"{found['items']:,}",
            str(found["factors"]),
            str(row["in_flight"]),
            *(milliseconds(row["ms"][name]) for name in (ARITHMETIC, APPROXIMATE)),
            ratio(row["arithmetic_times"]),
            *(milliseconds(row["ms"][name]) for name in (_EXACT_WORKER, _APPROXIMATE_WORKER)),
            ratio(row["worker_times"]),
            share(found["recall"]),
        )
    return [shown]
