"""Embedding models of several sizes: this worker through its pipe, LibRecommender, faiss, and the arithmetic alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from port_worker.bench.goals import Goal, at_least, at_most
from port_worker.bench.serving.agreement import share_found
from port_worker.bench.serving.peer_process import PeerProcess
from port_worker.bench.serving.peers import ARITHMETIC, FAISS, LIBRECOMMENDER, N
from port_worker.bench.serving.pipe import NoAnswerError, TimedWorker, timed_worker
from port_worker.bench.serving.plan import Plan, Tell
from port_worker.bench.serving.rounds import Draw, interleaved, medians, of_peer, of_worker, times
from port_worker.bench.serving.tables import milliseconds, ratio, table
from port_worker.bench.serving.world import Size, World, synthesise

WORKER = "worker"
IN_FLIGHT = (1, 64)
LIBSERVING_PER_S = 1300.0
"""What LibRecommender's own server was measured at on such a machine: 100,000 items, d = 16, 32 connections."""

EXACTLY, APPROXIMATELY = ({"PORT_WORKER_INDEX": index} for index in ("exact", "approximate"))
"""What the environment of a worker says of how it ranks."""

_RATE_IN_FLIGHT = 32
_RATE_TIMES = 5.0
_SIZES = tuple(Size(items, factors) for items in (4_000, 100_000, 1_000_000) for factors in (16, 64))
_QUICK = (Size(4_000, 16, users=500),)
_CHECKED_USERS = 64
_AGREE = 0.95
"""Of the items that two find: less than all, since faiss gives what a user has met too, and near ties change places."""


def steps(plan: Plan) -> int:
    """How many times `measure` tells of itself."""
    return len(_QUICK if plan.quick else _SIZES)


def measure(plan: Plan, tell: Tell) -> dict[str, Any]:
    """`worlds`: a list of what was found at each size. `missing`: by peer what it lacks, if it does."""
    with ExitStack() as stack:
        peers = [stack.enter_context(PeerProcess(name)) for name in (LIBRECOMMENDER, FAISS, ARITHMETIC)]
        there = [peer for peer in peers if peer.missing is None]
        worlds = [_world(size, there, plan, tell) for size in (_QUICK if plan.quick else _SIZES)]
    return {"worlds": worlds, "missing": {peer.name: peer.missing for peer in peers if peer.missing is not None}}


def _world(size: Size, peers: Sequence[PeerProcess], plan: Plan, tell: Tell) -> dict[str, Any]:
    tell(f"{size.items:,} items, d = {size.factors}")
    with world_and_worker(size) as (world, worker):
        users = world.users(slice(None))
        for peer in peers:
            peer.open(world.folder)
            check_agreement(world, worker, peer)
        samples = {WORKER: of_worker(worker, users, N), **{peer.name: of_peer(peer) for peer in peers}}
        draw = Draw(size.users)
        rows = [_row(in_flight, interleaved(samples, in_flight, draw, plan)) for in_flight in IN_FLIGHT]
        rate = _rate(worker, users, draw, plan) if (size.items, size.factors) in _rated(plan) else None
    return {"items": size.items, "factors": size.factors, "users": size.users, "rows": rows, "calls_per_s": rate}


def _rated(plan: Plan) -> set[tuple[int, int]]:
    return {(4_000, 16)} if plan.quick else {(100_000, 16)}


@contextmanager
def world_and_worker(size: Size) -> Iterator[tuple[World, TimedWorker]]:
    """A synthetic model in a temporary home, and a worker that serves it exactly."""
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as folder:
        world = synthesise(Path(folder), size)
        with timed_worker(world.home, EXACTLY) as worker:
            yield world, worker


def check_agreement(world: World, worker: TimedWorker, peer: PeerProcess) -> None:
    """Raises NoAnswerError unless both find the same items: what differs need not be compared in speed."""
    rows = list(range(min(_CHECKED_USERS, len(world.user_ids))))
    ours = worker.recommended(world.users(rows), N)
    theirs = [[world.item_ids[item].decode() for item in items] for items in peer.ranked(rows)]
    share = share_found(theirs, ours)
    if share < _AGREE:
        raise NoAnswerError(f"{peer.name} and the worker agree in {share:.0%} of the items only")


def _row(in_flight: int, samples: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return {
        "in_flight": in_flight,
        "ms": medians(samples),
        "worker_over_librecommender": times(samples, LIBRECOMMENDER, WORKER),
        "worker_to_faiss": times(samples, WORKER, FAISS),
        "arithmetic_to_faiss": times(samples, ARITHMETIC, FAISS),
    }


def _rate(worker: TimedWorker, users: Sequence[str], draw: Draw, plan: Plan) -> float:
    """Calls a second with 32 in flight."""
    samples = interleaved({WORKER: of_worker(worker, users, N)}, _RATE_IN_FLIGHT, draw, plan)
    return _RATE_IN_FLIGHT / medians(samples)[WORKER] * 1e3


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """What is asked of it; sizes that are not there were not measured."""
    worlds = {(one["items"], one["factors"]): one for one in found["worlds"]}
    rated = worlds.get((100_000, 16))
    return [
        *(goal for factors in (16, 64) for goal in _of_100k(worlds.get((100_000, factors)), factors)),
        *(_of_1m(worlds.get((1_000_000, factors)), factors) for factors in (16, 64)),
        at_least(
            f"100,000 items, d = 16, {_RATE_IN_FLIGHT} in flight: at least {_RATE_TIMES:g} times the "
            f"{LIBSERVING_PER_S:,.0f} calls a second of libserving on such a machine",
            rated and rated["calls_per_s"] / LIBSERVING_PER_S,
            _RATE_TIMES,
        ),
    ]


def _of_100k(world: Mapping[str, Any] | None, factors: int) -> list[Goal]:
    name = f"100,000 items, d = {factors}"
    one, many = _rows(world)
    return [
        at_least(
            f"{name}, 1 in flight: at least 2 times as fast as LibRecommender in-process",
            one["worker_over_librecommender"],
            2.0,
        ),
        at_least(
            f"{name}, 64 in flight: at least 5 times the throughput of LibRecommender",
            many["worker_over_librecommender"],
            5.0,
        ),
        at_most(f"{name}, 1 at once: arithmetic at most 1.3 times as long as faiss", one["arithmetic_to_faiss"], 1.3),
        at_most(f"{name}, 64 at once: arithmetic at most 1.3 times as long as faiss", many["arithmetic_to_faiss"], 1.3),
    ]


def _of_1m(world: Mapping[str, Any] | None, factors: int) -> Goal:
    text = f"1,000,000 items, d = {factors}, 1 in flight: p50 at most 1.3 times as long as faiss"
    return at_most(text, _rows(world)[0]["worker_to_faiss"], 1.3)


_NO_ROW = {"worker_over_librecommender": None, "worker_to_faiss": None, "arithmetic_to_faiss": None}


def _rows(world: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    return [_NO_ROW, _NO_ROW] if world is None else world["rows"]


def tables(found: Mapping[str, Any]) -> list[Table | str]:
    """For people."""
    shown = table(
        "items", "d", "in flight", "worker ms", "LibRec. ms", "faiss ms", "arithm. ms",
        "LibRec./worker", "worker/faiss", "arithm./faiss",
    )  # fmt: skip
    for world in found["worlds"]:
        for row in world["rows"]:
            shown.add_row(
                f"{world['items']:,}",
                str(world["factors"]),
                str(row["in_flight"]),
                *(milliseconds(row["ms"].get(name)) for name in (WORKER, LIBRECOMMENDER, FAISS, ARITHMETIC)),
                *(ratio(row[name]) for name in _NO_ROW),
            )
    rates = [
        f"{world['items']:,} items, d = {world['factors']}, {_RATE_IN_FLIGHT} in flight: "
        f"{world['calls_per_s']:,.0f} calls a second"
        for world in found["worlds"]
        if world["calls_per_s"] is not None
    ]
    return [shown, *rates, *(f"{name} is not there: {why}" for name, why in found["missing"].items())]
