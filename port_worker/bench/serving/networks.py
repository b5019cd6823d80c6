"""Ranking networks over a whole catalogue, and behind a retriever: this worker beside LibRecommender."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.table import Table

from port_worker.bench.goals import Goal, at_least, at_most
from port_worker.bench.serving.agreement import share_found
from port_worker.bench.serving.embedding import WORKER
from port_worker.bench.serving.memory import peak, resident
from port_worker.bench.serving.network_peer import CANDIDATES, FULL, Spec, two_stage
from port_worker.bench.serving.peer_process import PeerProcess
from port_worker.bench.serving.peers import LIBRECOMMENDER, N
from port_worker.bench.serving.pipe import NoAnswerError, TimedWorker, recommend_calls, timed_worker
from port_worker.bench.serving.plan import Plan, Tell
from port_worker.bench.serving.rounds import Draw, interleaved, medians, of_peer, of_worker, times
from port_worker.bench.serving.tables import megabytes, milliseconds, ratio, share, table
from port_worker.config import settings
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.models import ModelStore

CHOSEN = ("DeepFM", "DIN")
ALL = ("NCF", "FM", "WideDeep", "DeepFM", "AutoInt", "DIN", "YouTubeRanking", "Transformer", "SIM")
_ITEMS, _USERS = 100_000, 5000
_QUICK_ITEMS, _QUICK_USERS = 2000, 200
_TWO_STAGE_TIMES = 20.0
_MEMORY_BYTES = 1e9
_MEMORY_OF = "DIN"
_WAITING = 64
_TRIED, _AGREEMENT_USERS = 100, 8
_AGREE = 0.95
"""Of the items that two find: TensorFlow and numpy add in different orders, and many scores are nearly the same."""


def steps(plan: Plan) -> int:
    """How many times `measure` tells of itself."""
    return 2 * len(ALL if plan.all_networks else CHOSEN)


def measure(plan: Plan, tell: Tell) -> dict[str, Any]:
    """`networks`: what was found of each; `missing`: what LibRecommender lacks, if it does, and then nothing else."""
    found: list[dict[str, Any]] = []
    for name in ALL if plan.all_networks else CHOSEN:
        spec = Spec(name, _QUICK_ITEMS, _QUICK_USERS) if plan.quick else Spec(name, _ITEMS, _USERS)
        with PeerProcess(spec.text(), "port_worker.bench.serving.network_peer") as peer:
            if peer.missing is not None:
                return {"networks": found, "missing": peer.missing}
            found.append(_network(spec, peer, plan, tell))
    return {"networks": found, "missing": None}


def _network(spec: Spec, peer: PeerProcess, plan: Plan, tell: Tell) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as folder, ExitStack() as stack:
        home = Path(folder)
        tell(f"training {spec.network} on {spec.items:,} items")
        peer.open(home)
        tell(f"{spec.network} beside LibRecommender")
        users, items = _ids(home / FULL)
        names = (FULL, *map(two_stage, CANDIDATES))
        workers = {name: stack.enter_context(timed_worker(home / name)) for name in names}
        rows = range(min(_TRIED, spec.users))
        full = workers[FULL].recommended([users[row] for row in rows], N)
        samples = {
            LIBRECOMMENDER: of_peer(peer),
            WORKER: of_worker(workers[FULL], users, N),
            **{name: of_worker(workers[name], users, N) for name in names[1:]},
        }
        measured = interleaved(samples, 1, Draw(len(users)), plan)
        return {
            "network": spec.network,
            "items": spec.items,
            "agreement": _checked_agreement(spec, full, peer.ranked(rows[:_AGREEMENT_USERS]), items),
            "ms": medians(measured),
            "librecommender_to_worker": times(measured, LIBRECOMMENDER, WORKER),
            "two_stage": [
                _two_stage(count, workers[two_stage(count)], measured, full, [users[row] for row in rows])
                for count in CANDIDATES
            ],
            "memory": _memory(workers[FULL], users, home / "empty"),
        }


def _ids(home: Path) -> tuple[list[str], list[str]]:
    store = ModelStore(settings(home).models)
    active = store.active()
    assert active is not None
    arrays = CatalogueArrays.open(store.folder(active))
    users, items = ([one.decode() for one in ids.tolist()] for ids in (arrays.user_ids, arrays.item_ids))
    return users, items


def _checked_agreement(
    spec: Spec, ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[int]], items: Sequence[str]
) -> float:
    """Raises NoAnswerError where the worker finds other items: what differs need not be compared in speed."""
    found = share_found([[items[row] for row in rows] for rows in theirs], ours[: len(theirs)])
    if found < _AGREE:
        raise NoAnswerError(f"LibRecommender's {spec.network} and the worker agree in {found:.0%} of the items only")
    return found


def _two_stage(
    candidates: int,
    worker: TimedWorker,
    measured: Mapping[str, Sequence[float]],
    full: Sequence[Sequence[str]],
    users: Sequence[str],
) -> dict[str, Any]:
    name = two_stage(candidates)
    return {
        "candidates": candidates,
        "full_to_two_stage": times(measured, WORKER, name),
        "librecommender_to_two_stage": times(measured, LIBRECOMMENDER, name),
        "recall": share_found(full, worker.recommended(users, N)),
    }


def _memory(worker: TimedWorker, users: Sequence[str], empty: Path) -> int | None:
    """Bytes at most, while 64 calls wait, above a worker that has no model."""
    calls = worker.encoded("recommend", recommend_calls(users[:_WAITING], N))
    worker.closed_loop(calls, len(calls))
    with timed_worker(empty) as base:
        most, least = peak(worker.pid), resident(base.pid)
    return None if most is None else most - least


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """What is asked of each; on a smaller catalogue it was not measured."""
    return [goal for one in found["networks"] for goal in _of_network(one, large=one["items"] == _ITEMS)]


def _of_network(one: Mapping[str, Any], *, large: bool) -> list[Goal]:
    name = f"{one['network']}, {_ITEMS:,} items"
    stages = [
        at_least(
            f"{name}: {stage['candidates']} candidates at least {_TWO_STAGE_TIMES:g} times as fast as full ranking",
            stage["full_to_two_stage"] if large else None,
            _TWO_STAGE_TIMES,
        )
        for stage in one["two_stage"]
    ]
    slow = one["librecommender_to_worker"] if large else None
    found = [at_least(f"{name}: full ranking no slower than LibRecommender", slow, 1.0), *stages]
    if one["network"] == _MEMORY_OF:
        memory = one["memory"] / 1e6 if large and one["memory"] is not None else None
        text = f"{name}: {_WAITING} waiting calls take less than {_MEMORY_BYTES / 1e6:,.0f} MB above a worker's base"
        found.append(at_most(text, memory, _MEMORY_BYTES / 1e6, "{:.0f} MB"))
    return found


def tables(found: Mapping[str, Any]) -> list[Table | str]:
    """For people."""
    shown = table("network", "items", "LibRec. ms", "worker ms", "LibRec./worker", "agreement", "MB above base")
    stages = table("two stages", "candidates", "ms", "full/two-stage", "LibRec. full/two-stage", f"recall@{N}")
    for one in found["networks"]:
        shown.add_row(
            one["network"],
            f"{one['items']:,}",
            *(milliseconds(one["ms"][name]) for name in (LIBRECOMMENDER, WORKER)),
            ratio(one["librecommender_to_worker"]),
            share(one["agreement"]),
            megabytes(one["memory"]),
        )
        for stage in one["two_stage"]:
            stages.add_row(
                one["network"],
                str(stage["candidates"]),
                milliseconds(one["ms"][two_stage(stage["candidates"])]),
                *(ratio(stage[name]) for name in ("full_to_two_stage", "librecommender_to_two_stage")),
                share(stage["recall"]),
            )
    missing = [] if found["missing"] is None else [f"{LIBRECOMMENDER} is not there: {found['missing']}"]
    return [shown, stages, *missing]
