"""Interactive calls while a bulk call runs: what they wait, and what the bulk call gets done."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from port_worker.bench.goals import Goal, at_most
from port_worker.bench.latency import Latencies, latencies
from port_worker.bench.load import Load
from port_worker.bench.schedule import Schedule
from port_worker.bench.serving.embedding import world_and_worker
from port_worker.bench.serving.pipe import NoAnswerError, TimedWorker
from port_worker.bench.serving.plan import Plan, Tell
from port_worker.bench.serving.tables import milliseconds, ratio, table
from port_worker.bench.serving.world import Size, World
from port_worker.bench.workload import recommendations
from protocol.columns import id_column
from protocol.messages import ErrorReply, Ok

_SIZE, _QUICK = Size(100_000, 16, users=100_000), Size(4_000, 16, users=2000)
_RATE = 200.0
_WARMUP_S = 0.5
_LONGEST_S = 600.0
_TIMES = 2.0
_N = 10
_KNOWN = 1000


class BesideBulk:
    """A host for `Load` at which a bulk call is always running: when one ends, the next begins.

    Args:
        worker: where all of it goes.
        args: of `recommend_many`.
    """

    def __init__(self, worker: TimedWorker, args: dict[str, Any]) -> None:
        self._worker = worker
        self._args = args
        self._bulk = worker.send_call("recommend_many", args)

    @property
    def unsent_bytes(self) -> int:
        """As `Host`."""
        return self._worker.unsent_bytes

    def send_call(self, op: str, args: dict[str, Any], deadline_ms: int | None = None) -> int:
        """As `Host`."""
        return self._worker.send_call(op, args, deadline_ms)

    def poll(self, timeout: float) -> Sequence[object]:
        """As `Host`, without the answers to the bulk calls. Raises NoAnswerError if one of them is an error."""
        messages = self._worker.poll(timeout)
        if any(self._is_bulk(message) for message in messages):
            self._bulk = self._worker.send_call("recommend_many", self._args)
        return messages

    def stop(self) -> None:
        """Cancel the bulk call, and wait until the worker has ended it."""
        self._worker.cancel(self._bulk)
        until = time.monotonic() + _LONGEST_S
        while time.monotonic() < until:
            for message in self._worker.poll(1.0):
                if isinstance(message, (Ok, ErrorReply)) and message.id == self._bulk:
                    return
        raise NoAnswerError("the worker did not end a bulk call that was cancelled")

    def _is_bulk(self, message: object) -> bool:
        if not isinstance(message, (Ok, ErrorReply)) or message.id != self._bulk:
            return False
        if isinstance(message, ErrorReply):
            raise NoAnswerError(f"recommend_many: {message.code}: {message.message}")
        return True


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
        "p99_times": statistics.median(beside.p99 / alone.p99 for alone, beside in rounds),
    }


def _seconds_of_bulk(worker: TimedWorker, args: dict[str, Any]) -> float:
    began = time.perf_counter()
    worker.call("recommend_many", args, timeout=_LONGEST_S)
    return time.perf_counter() - began


def _round(world: World, worker: TimedWorker, args: dict[str, Any], plan: Plan) -> tuple[Latencies, Latencies]:
    alone = _interactive(world, worker, plan)
    bulk = BesideBulk(worker, args)
    beside = _interactive(world, bulk, plan)
    bulk.stop()
    return alone, beside


def _interactive(world: World, host: TimedWorker | BesideBulk, plan: Plan) -> Latencies:
    schedule = Schedule(_RATE, _WARMUP_S, 0.5 if plan.quick else 5.0)
    users = world.users(range(min(_KNOWN, len(world.user_ids))))
    run = Load(host, schedule, recommendations(users, n=_N, cold=0.0, seed=7)).run()
    found = latencies(run.calls.latencies(None))
    if found is None:
        raise NoAnswerError(f"no call was answered: {dict(run.calls.counts(None))}")
    return found


def _medians(rounds: Sequence[Latencies]) -> dict[str, float]:
    return {name: statistics.median(getattr(one, name) for one in rounds) for name in ("p50", "p99", "max")}


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
