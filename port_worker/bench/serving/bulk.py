"""Interactive calls while a bulk call runs: what they wait, and what the bulk call gets done."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from rich.table import Table

from port_worker.bench.arrivals import OpenLoop
from port_worker.bench.fleet import Fleet
from port_worker.bench.goals import Goal, at_most
from port_worker.bench.histogram import histogram_of, latency_ms
from port_worker.bench.incidents import Incident, Running
from port_worker.bench.load import Load
from port_worker.bench.recording import summed
from port_worker.bench.serving.embedding import world_and_worker
from port_worker.bench.serving.pipe import NoAnswerError, TimedWorker
from port_worker.bench.serving.plan import Plan, Tell
from port_worker.bench.serving.tables import milliseconds, ratio, table
from port_worker.bench.serving.world import Size, World
from port_worker.bench.stages import NEVER, Stage, Timeline
from port_worker.bench.users import Users
from port_worker.bench.wire import Answer, AnswerReader, CallWriter, Prepared
from port_worker.bench.workload import Workload
from protocol.columns import id_column
from protocol.messages import ErrorReply, Ok, Outbound

Figures: TypeAlias = dict[str, float]
"""Milliseconds, as `latency_ms` names them."""

_SIZE, _QUICK = Size(100_000, 16, users=100_000), Size(4_000, 16, users=2000)
_RATE = 200.0
_WARMUP_S = 0.5
_LONGEST_S = 600.0
_TIMES = 2.0
_N = 10
_KNOWN = 1000


class BesideBulk(Incident):
    """A bulk call is always running: when one ends, the next begins.

    Args:
        worker: which is loaded.
        call: `recommend_many`.
    """

    def __init__(self, worker: TimedWorker, call: Prepared) -> None:
        self._worker = worker
        self._call = call
        self._bulk: int | None = None

    def due_ns(self) -> int:
        """As `Incident`: at once."""
        return 0 if self._bulk is None else NEVER

    def act(self, run: Running, _now_ns: int) -> None:
        """As `Incident`."""
        self._bulk = run.new_id()
        run.send(0, self._call.payload(self._bulk))

    def heard(self, run: Running, _worker: int, message: Answer | Outbound, _payload: bytes, now_ns: int) -> bool:
        """As `Incident`. Raises NoAnswerError if the bulk call is refused."""
        if not isinstance(message, Answer) or message.id != self._bulk:
            return False
        if message.code is not None:
            raise NoAnswerError(f"recommend_many: {message.code}")
        self.act(run, now_ns)
        return True

    def stop(self) -> None:
        """Cancel the bulk call, and wait until the worker has ended it."""
        if self._bulk is None:
            return
        self._worker.cancel(self._bulk)
        until = time.monotonic() + _LONGEST_S
        while time.monotonic() < until:
            for message in self._worker.poll(1.0):
                if isinstance(message, (Ok, ErrorReply)) and message.id == self._bulk:
                    return
        raise NoAnswerError("the worker did not end a bulk call that was cancelled")


def steps(_plan: Plan) -> int:
    """How many times `measure` tells of itself."""
    return 1


def measure(plan: Plan, tell: Tell) -> dict[str, Any]:
    """`alone`, `beside`: interactive latencies in milliseconds, medians of rounds; `p99_times`: median of ratios."""
    size = _QUICK if plan.quick else _SIZE
    tell(f"{size.users:,} users in one call, {_RATE:g} calls a second beside it")
    with world_and_worker(size) as (world, worker):
        args = {"users": id_column(world.user_ids), "n": _N}
        seconds = _seconds_of_bulk(worker, args)
        rounds = [_round(world, worker, args, plan) for _ in range(plan.rounds)]
    return {
        "items": size.items,
        "users": size.users,
        "users_per_s": size.users / seconds,
        "alone": _medians([alone for alone, _ in rounds]),
        "beside": _medians([beside for _, beside in rounds]),
        "p99_times": statistics.median(beside["p99"] / alone["p99"] for alone, beside in rounds),
    }


def _seconds_of_bulk(worker: TimedWorker, args: dict[str, Any]) -> float:
    began = time.perf_counter()
    worker.call("recommend_many", args, timeout=_LONGEST_S)
    return time.perf_counter() - began


def _round(world: World, worker: TimedWorker, args: dict[str, Any], plan: Plan) -> tuple[Figures, Figures]:
    alone = _interactive(world, worker, plan, [])
    bulk = BesideBulk(worker, CallWriter().prepare("recommend_many", args))
    beside = _interactive(world, worker, plan, [bulk])
    bulk.stop()
    return alone, beside


def _interactive(world: World, worker: TimedWorker, plan: Plan, incidents: Sequence[Incident]) -> Figures:
    duration_s = 0.5 if plan.quick else 5.0
    stages = (Stage("warm-up", _RATE, _WARMUP_S, measured=False), Stage("measured", _RATE, duration_s))
    pacing = OpenLoop(Timeline(stages))
    load = Load(Fleet([worker]), pacing, _calls(world), AnswerReader(), incidents=incidents)
    load.run()
    cell = summed(load.recorder.cells.values())
    found = latency_ms(histogram_of(cell.corrected), cell.corrected)
    if found is None:
        raise NoAnswerError(f"no call was answered: {dict(cell.errors)}")
    return found


def _calls(world: World) -> Iterator[tuple[str, Prepared]]:
    known = world.users(range(min(_KNOWN, len(world.user_ids))))
    users = Users(known, exponent=0.0, cold=0.0, seed=7)
    return iter(Workload(CallWriter(), users, (), mix={"recommend": 1.0}, n=_N, payload_bytes=(0,), seed=7))


def _medians(rounds: Sequence[Figures]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in rounds) for name in ("p50", "p99", "max")}


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """What is asked of it; with fewer users it was not measured."""
    text = f"interactive p99 while one call is for {_SIZE.users:,} users: at most {_TIMES:g} times that without"
    return [at_most(text, found["p99_times"] if found["users"] == _SIZE.users else None, _TIMES)]


def tables(found: Mapping[str, Any]) -> list[Table | str]:
    """For people."""
    shown = table("interactive calls", "p50 ms", "p99 ms", "max ms", "p99 to that alone")
    for name, times in (("alone", None), ("beside", found["p99_times"])):
        shown.add_row(
            f"{name} a bulk call" if times else name,
            *(milliseconds(found[name][one]) for one in ("p50", "p99", "max")),
            ratio(times),
        )
    asked = f"{found['users']:,} users, {found['items']:,} items, in one call"
    return [shown, f"{asked}: {found['users_per_s']:,.0f} users a second"]
