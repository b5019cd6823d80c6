"""Everybody on one catalogue: who is there, whether they answer rightly, and how long they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from port_worker.bench.peers import libserving
from port_worker.bench.peers.contender import Contender, InProcess, PipedWorker
from port_worker.bench.peers.truth import Truth
from port_worker.bench.peers.turns import Plan, figures, ratios, turns
from port_worker.bench.peers.usual import UsualWorker
from port_worker.bench.serving.child import ONE_THREAD
from port_worker.bench.serving.closed_loop import Flow
from port_worker.bench.serving.embedding import EXACTLY
from port_worker.bench.serving.peer_process import PeerProcess
from port_worker.bench.serving.peers import FAISS, LIBRECOMMENDER
from port_worker.bench.serving.pipe import timed_worker
from port_worker.bench.serving.rounds import Draw
from port_worker.bench.serving.world import World

WORKER, USUAL, LIBSERVING = "worker", "usual worker", "libserving"
NAMES = (WORKER, LIBRECOMMENDER, USUAL, LIBSERVING, FAISS)
_CHECKED_USERS = 64


@dataclass(frozen=True)
class Wanted:
    """What a run is to compare. checkout: LibRecommender's repository; python: what libserving runs in."""

    plan: Plan
    checkout: Path | None
    python: str


@dataclass(frozen=True)
class Present:
    """Who can be measured, and why others cannot, by name."""

    contenders: Mapping[str, Contender]
    missing: Mapping[str, str]


def compare(world: World, wanted: Wanted, tell: Callable[[str], None]) -> dict[str, Any]:
    """`right`: by name the share of users, 0..1, whose answer is right. `missing`: by name why it was not measured.

    `rows`: for each contender, with 1 and with K in flight, its figures, and those as ratios to the worker's.

    Raises NoAnswerError, HostError.
    """
    with ExitStack() as stack:
        tell("starting everybody")
        present = gather(stack, world, wanted)
        right = shares_right(present.contenders, world)
        draw = Draw(len(world.user_ids))
        levels = dict.fromkeys((1, wanted.plan.in_flight))
        rows = [
            row
            for in_flight in levels
            for row in as_rows(in_flight, turns(present.contenders, in_flight, draw, wanted.plan, tell))
        ]
    return {"users": len(world.user_ids), "right": right, "missing": dict(present.missing), "rows": rows}


def gather(stack: ExitStack, world: World, wanted: Wanted) -> Present:
    """Start whoever is there, until the stack ends. Raises NoAnswerError, HostError."""
    worker = stack.enter_context(timed_worker(world.home, {**ONE_THREAD, **EXACTLY}))
    found: dict[str, Contender] = {WORKER: PipedWorker(worker, world)}
    missing: dict[str, str] = {}
    found[USUAL] = stack.enter_context(UsualWorker(world))  # it loads its libraries while others load theirs
    for name in (LIBRECOMMENDER, FAISS):
        peer = stack.enter_context(PeerProcess(name))
        if peer.missing is not None:
            missing[name] = peer.missing
            continue
        peer.open(world.folder)
        found[name] = InProcess(peer, leaves_out_met=name != FAISS)
    if LIBRECOMMENDER in missing:
        del found[USUAL]
        missing[USUAL] = missing[LIBRECOMMENDER]
    _gather_libserving(stack, world, wanted, found, missing)
    return Present({name: found[name] for name in NAMES if name in found}, missing)


def _gather_libserving(
    stack: ExitStack, world: World, wanted: Wanted, found: dict[str, Contender], missing: dict[str, str]
) -> None:
    why = libserving.missing(wanted.checkout, wanted.python)
    if why is None:
        assert wanted.checkout is not None
        server = libserving.served(wanted.checkout, wanted.python, world, wanted.plan.in_flight)
        try:
            found[LIBSERVING] = stack.enter_context(server)
        except libserving.NotStartedError as error:
            why = str(error)
    if why is not None:
        missing[LIBSERVING] = why


def shares_right(contenders: Mapping[str, Contender], world: World) -> dict[str, float]:
    """By name the share of users, 0..1, whose answer is right."""
    truth = Truth(world.folder)
    rows = range(min(_CHECKED_USERS, len(world.user_ids)))
    return {
        name: truth.share_right(rows, contender.ranked(rows), leaves_out_met=contender.leaves_out_met)
        for name, contender in contenders.items()
    }


def as_rows(in_flight: int, measured: Mapping[str, Sequence[Flow]]) -> list[dict[str, Any]]:
    """The figures of each contender, and their ratios to the worker's."""
    ours = measured[WORKER]
    return [
        {"name": name, "in_flight": in_flight, **asdict(figures(flows)), "ratios": asdict(ratios(flows, ours))}
        for name, flows in measured.items()
    ]
