"""The load itself: one thread that sends when a call is due, and reads answers while it waits.

Open loop: calls are sent at their due times whatever the worker does, and a latency runs from the time that its call
was *due*. A stall is so paid by every call that would have been sent in it ("coordinated omission" hides them).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from port_worker.bench.calls import Calls, Phase
from port_worker.bench.retraining import LIMIT_S, Retraining
from port_worker.bench.schedule import NS, Schedule
from port_worker.host import WorkerGone
from protocol.messages import ErrorReply, Ok

UNSENT_LIMIT_BYTES = 1 << 20
"""A worker that leaves so many bytes of calls unread is not sent more: those calls count as not sent."""

_SPIN_S = 0.0002
"""The last part of a wait is spent polling: a process that sleeps wakes up some 0.1 ms late."""

_LONGEST_WAIT_S = 0.25
_TICK_NS = NS
_LEAST_GRACE_NS = 5 * NS


class Host(Protocol):
    """What the load needs of a `WorkerHost`."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the worker has not taken yet."""

    def send_call(self, op: str, args: dict[str, Any], deadline_ms: int | None = None) -> int:
        """Send without blocking; returns the call's id."""

    def poll(self, timeout: float) -> Sequence[object]:
        """Messages that come within `timeout` seconds; raises WorkerGone when none will."""


@dataclass(frozen=True)
class Tick:
    """How far a run is."""

    elapsed_s: float
    sent: int
    answered: int
    errors: int
    retraining: bool


@dataclass
class Run:
    """What one run found. `window_s`: from the end of the warm-up to the end of the schedule, or a later last answer.

    `sources` counts the answers by what they were made from (model, popular); `driver_busy` is the share of the whole
    run, 0..1, that this process computed, reading large answers above all.
    """

    calls: Calls = field(default_factory=Calls)
    window_s: float = 0.0
    driver_busy: float = 0.0
    sources: Counter[str] = field(default_factory=Counter)


class Load:
    """Drives one worker once.

    With a retrain, the first half of the duration passes, then the retrain runs for as long as it takes, then the
    second half passes, at the same rate throughout.

    Args:
        host: the worker.
        schedule: when calls are due.
        workload: arguments of `recommend`, without end.
        deadline_ms: sent with each call; None for no deadline.
        retraining: in the middle, or None.
        clock: monotonic nanoseconds.
        tick: told about once a second how far it is; has to be quick.
    """

    def __init__(
        self,
        host: Host,
        schedule: Schedule,
        workload: Iterator[dict[str, Any]],
        *,
        deadline_ms: int | None = None,
        retraining: Retraining | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
        tick: Callable[[Tick], None] = lambda _tick: None,
    ) -> None:
        self._host = host
        self._schedule = schedule
        self._workload = workload
        self._deadline_ms = deadline_ms
        self._retraining = retraining
        self._clock = clock
        self._tick = tick
        self._run = Run()
        self._in_flight: dict[int, int] = {}  # the call's id: its number in the schedule
        self._next = 0
        self._end = schedule.calls
        self._answered = self._errors = 0
        self._last_answer_ns = self._next_tick_ns = self._start_ns = 0

    def run(self) -> Run:
        """Send all that is due, then wait for answers no longer than the greater of 5 s and the deadline."""
        self._start_ns, cpu_from_ns = self._clock(), time.process_time_ns()
        try:
            while not self._is_over():
                self._send_due()
                self._retrain_if_due()
                self._hear(self._wait_s())
                self._say_how_far()
        except WorkerGone:
            self._settle_without_worker()
        self._run.driver_busy = (time.process_time_ns() - cpu_from_ns) / max(self._elapsed_ns(), 1)
        end_ns = max(self._schedule.due_ns(self._end), self._last_answer_ns)
        self._run.window_s = (end_ns - self._schedule.due_ns(self._schedule.warmup_calls)) / NS
        return self._run

    def _elapsed_ns(self) -> int:
        return self._clock() - self._start_ns

    @property
    def _phase(self) -> Phase:
        return Phase.BEFORE if self._retraining is None else self._retraining.phase

    @property
    def _is_open_ended(self) -> bool:
        """Whether the schedule goes on until a retrain has ended."""
        return self._retraining is not None and self._retraining.phase != Phase.AFTER

    def _is_over(self) -> bool:
        if self._is_open_ended or self._next < self._end:
            return False
        grace_ns = max((self._deadline_ms or 0) * 1_000_000, _LEAST_GRACE_NS)
        return not self._in_flight or self._elapsed_ns() > self._schedule.due_ns(self._end) + grace_ns

    def _send_due(self) -> None:
        due = self._schedule.due_by(self._elapsed_ns())
        for k in range(self._next, due if self._is_open_ended else min(due, self._end)):
            self._send(k)
            self._next = k + 1

    def _send(self, k: int) -> None:
        measured = k >= self._schedule.warmup_calls
        args = next(self._workload)
        if self._host.unsent_bytes > UNSENT_LIMIT_BYTES:
            if measured:
                self._run.calls.not_sent(self._phase)
            return
        lag_ns = self._elapsed_ns() - self._schedule.due_ns(k)
        self._in_flight[self._host.send_call("recommend", args, self._deadline_ms)] = k
        if measured:
            self._run.calls.sent(lag_ns / 1e6, self._phase)

    def _wait_s(self) -> float:
        """Seconds that may be slept before the next call is due."""
        if self._next >= self._end and not self._is_open_ended:
            return _LONGEST_WAIT_S
        ahead_s = (self._schedule.due_ns(self._next) - self._elapsed_ns()) / NS
        return min(max(ahead_s - _SPIN_S, 0.0), _LONGEST_WAIT_S)

    def _hear(self, timeout: float) -> None:
        for message in self._host.poll(timeout):
            if isinstance(message, (Ok, ErrorReply)):
                self._take(message, self._elapsed_ns())

    def _take(self, answer: Ok | ErrorReply, now_ns: int) -> None:
        if self._retraining is not None and self._retraining.take(answer, now_ns):
            self._plan_second_half(now_ns)
            return
        k = None if answer.id is None else self._in_flight.pop(answer.id, None)
        if k is None:
            return
        self._answered += 1
        self._errors += isinstance(answer, ErrorReply)
        if k >= self._schedule.warmup_calls:
            self._record(k, answer, now_ns)

    def _record(self, k: int, answer: Ok | ErrorReply, now_ns: int) -> None:
        self._last_answer_ns = now_ns
        place = k - self._schedule.warmup_calls
        if isinstance(answer, ErrorReply):
            self._run.calls.failed(place, answer.code)
            return
        self._run.calls.answered(place, (now_ns - self._schedule.due_ns(k)) / 1e6)
        self._run.sources[str(answer.result["source"])] += 1

    def _retrain_if_due(self) -> None:
        retraining, now_ns = self._retraining, self._elapsed_ns()
        if retraining is None:
            return
        if retraining.is_due(now_ns):
            retraining.began(self._host.send_call("retrain", retraining.args, round(LIMIT_S * 1000)), now_ns)
        elif retraining.is_overdue(now_ns):
            retraining.give_up(now_ns)
            self._plan_second_half(now_ns)

    def _plan_second_half(self, now_ns: int) -> None:
        self._end = self._schedule.due_by(now_ns + round(self._schedule.duration_s / 2 * NS))

    def _settle_without_worker(self) -> None:
        if self._retraining is not None:
            self._retraining.give_up(self._elapsed_ns(), gone=True)
        self._run.calls.abandon()
        for _k in range(max(self._next, self._schedule.warmup_calls), self._end):
            self._run.calls.not_sent(self._phase)

    def _say_how_far(self) -> None:
        now_ns = self._elapsed_ns()
        if now_ns >= self._next_tick_ns:
            self._next_tick_ns = now_ns + _TICK_NS
            retraining = self._phase == Phase.DURING
            self._tick(Tick(now_ns / NS, self._next, self._answered, self._errors, retraining))
