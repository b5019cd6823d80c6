"""From the spawn of a worker to its first answers, and what workers hold in memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from port_worker.bench import prepare
from port_worker.bench.goals import Goal, at_most
from port_worker.bench.serving.memory import Held, held
from port_worker.bench.serving.pipe import recommend_calls, timed_worker
from port_worker.bench.serving.plan import Plan, Tell
from port_worker.bench.serving.tables import megabytes, milliseconds, ratio, table
from port_worker.bench.serving.world import Size, World, synthesise
from port_worker.config import settings
from port_worker.store.models import ModelStore

WORKERS = 4
_READY_S = 0.5
_ALONE_BYTES = 120e6
_EACH_BYTES = 100e6
_FIRST_TIMES = 2.0
_N = 10
_LATER_CALLS = 50
_SETTLING_CALLS = 20
_SHARED, _SHARED_QUICK = Size(1_000_000, 64), Size(4_000, 16, users=500)


def steps(_plan: Plan) -> int:
    """How many times `measure` tells of itself."""
    return 3


def measure(plan: Plan, tell: Tell) -> dict[str, Any]:
    """`boot`: seconds to the hello, calls in milliseconds, memory, all of the fixture's ALS; `shared`: of workers."""
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as folder:
        home = Path(folder)
        tell("training ALS on the fixture")
        with prepare.start_worker(prepare.command(home, None, "etf")) as host:
            prepare.ensure_model(host, "ALS")
        users = [str(one) for one in prepare.known_users(home, None, _LATER_CALLS + 1)]
        tell(f"{plan.rounds} spawns")
        boots = [_boot(home, users) for _ in range(plan.rounds)]
    tell(f"{WORKERS} workers on one model")
    return {"boot": _medians(boots), "shared": _shared(_SHARED_QUICK if plan.quick else _SHARED)}


def _boot(home: Path, users: list[str]) -> dict[str, Any]:
    version = ModelStore(settings(home).models)
    active = version.active()
    assert active is not None
    python_s = _seconds_of_python()
    began = time.perf_counter()
    with timed_worker(home) as worker:
        ready_s = time.perf_counter() - began
        calls = worker.encoded("recommend", recommend_calls(users, _N))
        first, *later = (worker.closed_loop([call], 1).ms[0] for call in calls)
        memory = held([worker.pid], version.folder(active))
    later_ms = statistics.median(later)
    return {
        "python_s": python_s,
        "ready_s": ready_s,
        "first_ms": first,
        "later_ms": later_ms,
        "first_to_later": first / later_ms,
        "own_resident": None if memory is None else memory.own_resident,
    }


def _seconds_of_python() -> float:
    """The least that any worker could take: an interpreter and numpy."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return time.perf_counter() - began


def _medians(boots: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"spawns": len(boots)}
    for name in boots[0]:
        values = [boot[name] for boot in boots]
        found[name] = None if None in values else statistics.median(values)
    return found


def _shared(size: Size) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as folder, ExitStack() as stack:
        world = synthesise(Path(folder), size)
        workers = [stack.enter_context(timed_worker(world.home)) for _ in range(WORKERS)]
        for worker in workers:
            calls = worker.encoded("recommend", recommend_calls(world.users(range(_SETTLING_CALLS)), _N))
            worker.closed_loop(calls, len(calls))
        memory = held([worker.pid for worker in workers], world.folder)
        return {"items": size.items, "factors": size.factors, "files": _bytes_of(world)} | _facts(memory)


def _facts(memory: Held | None) -> dict[str, Any]:
    if memory is None:
        return {"held": None, "own_proportional": None}
    return {"held": asdict(memory), "own_proportional": memory.own_proportional}


def _bytes_of(world: World) -> int:
    return ModelStore(world.folder.parent).read(world.folder.name).total_size


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """What is asked of it; four workers on a smaller model were not measured."""
    boot, shared = found["boot"], found["shared"]
    own = shared["own_proportional"] if shared["items"] == _SHARED.items else None
    return [
        at_most(f"from spawn to hello: at most {_READY_S:g} s", boot["ready_s"], _READY_S, "{:.2f} s"),
        at_most(
            f"memory of a worker beside the arrays: at most {_ALONE_BYTES / 1e6:.0f} MB",
            _millions(boot["own_resident"]),
            _ALONE_BYTES / 1e6,
            "{:.0f} MB",
        ),
        at_most(
            f"the first call takes at most {_FIRST_TIMES:g} times as long as later ones",
            boot["first_to_later"],
            _FIRST_TIMES,
        ),
        at_most(
            f"{WORKERS} workers on one model of 1M x 64: proportional memory beside the arrays at most "
            f"{WORKERS} x {_EACH_BYTES / 1e6:.0f} MB",
            _millions(own),
            WORKERS * _EACH_BYTES / 1e6,
            "{:.0f} MB",
        ),
    ]


def _millions(value: float | None) -> float | None:
    return None if value is None else value / 1e6


def tables(found: Mapping[str, Any]) -> list[Table | str]:
    """For people."""
    boot, shared = found["boot"], found["shared"]
    one = table("a worker", "spawn to hello s", "python + numpy s", "first ms", "later ms", "first/later", "own MB")
    one.add_row(
        f"medians of {boot['spawns']}",
        *(ratio(boot[name]) for name in ("ready_s", "python_s")),
        *(milliseconds(boot[name]) for name in ("first_ms", "later_ms")),
        ratio(boot["first_to_later"]),
        megabytes(boot["own_resident"]),
    )
    many = table(f"{WORKERS} workers", "files MB", "proportional MB", "of it files", "own MB", "own each")
    memory = shared["held"] or {}
    own = shared["own_proportional"]
    many.add_row(
        f"{shared['items']:,} x {shared['factors']}",
        megabytes(shared["files"]),
        *(megabytes(memory.get(name)) for name in ("proportional", "files_proportional")),
        megabytes(own),
        megabytes(None if own is None else own / WORKERS),
    )
    return [one, many]
