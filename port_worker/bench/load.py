"""The load itself: one thread that sends when a call is due, and reads answers while it waits.

Calls are sent at their due times whatever the workers do, and a latency runs from the time that its call was *due*. A
stall is so paid by every call that would have been sent in it. Beside it stands, "uncorrected", what a client would
have recorded that sends no call before it has the answer to the one before: from the actual send, and of those calls
alone that were due while it waited for none. A stall is one slow call to it ("coordinated omission").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from port_worker.bench.arrivals import Pacing
from port_worker.bench.flights import Flights
from port_worker.bench.incidents import Incident
from port_worker.bench.recording import Cell, Recorder, Second
from port_worker.bench.stages import NEVER, NS, Timeline
from port_worker.bench.wire import Answer, Prepared
from port_worker.host import WorkerGone
from protocol.messages import Outbound

UNSENT_LIMIT_BYTES = 1 << 20
"""A worker that leaves so many bytes of calls unread is not sent more: those calls count as not sent."""

ANSWER_GRACE_NS = NS
"""How much longer than its deadline a call may take, in which the worker says that the deadline has passed."""

_SPIN_S = 0.0002
"""The last part of a wait is spent polling: a process that sleeps wakes up some 0.1 ms late."""

_LONGEST_WAIT_S = 0.25
_LEAST_GRACE_NS = 5 * NS
_TOGETHER = 32
"""Calls that are sent before answers are read again, where many are due."""

_QUIET_NS = 500_000
_PATIENCE_NS = 100_000_000
"""A patient incident waits for a gap of the one between two calls, and no longer than the other."""


class Workers(Protocol):
    """What is driven, by its places 0, 1, ..."""

    def ready(self) -> Sequence[int]:
        """Those that take calls now."""

    def unsent_bytes(self, worker: int) -> int:
        """Bytes that it has not taken yet."""

    def send(self, worker: int, *payloads: bytes) -> None:
        """Send frames without blocking."""

    def wait(self, timeout: float) -> Sequence[int]:
        """Those from which there is something to read, after at most so many seconds."""

    def receive(self, worker: int) -> Sequence[bytes]:
        """The payloads that are there. Raises WorkerGone, once, when it has ended."""

    def comes_back(self) -> bool:
        """Whether one that has ended is being started again."""

    def new_id(self) -> int:
        """Of a call, below 2^31, and of no other call to the same worker that may still be in flight."""


class Reader(Protocol):
    """What the payloads mean: `wire.AnswerReader` of those of workers."""

    def read(self, payload: bytes) -> Answer | Outbound:
        """The facts of an answer; any other message as it is."""


class Load:
    """Drives workers once.

    A call goes to the worker with the fewest in flight, in turn where several have as few.

    Args:
        workers: who is driven.
        pacing: when calls are due.
        calls: without end.
        reader: of the workers' messages.
        deadline_ms: that the calls carry; one that has no end a second later counts as never answered.
        incidents: what happens beside.
        clock: monotonic nanoseconds.
    """

    def __init__(
        self,
        workers: Workers,
        pacing: Pacing,
        calls: Iterator[tuple[str, Prepared]],
        reader: Reader,
        *,
        deadline_ms: int | None = None,
        incidents: Sequence[Incident] = (),
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._workers = workers
        self._pacing = pacing
        self._calls = calls
        self._reader = reader
        limit_ns = NEVER if deadline_ms is None else deadline_ms * 1_000_000 + ANSWER_GRACE_NS
        self._flights = Flights(pacing, limit_ns)
        self._grace_ns = _LEAST_GRACE_NS if deadline_ms is None else max(_LEAST_GRACE_NS, limit_ns)
        self._incidents = incidents
        self._clock = clock
        self._turn = 0
        self._origin_ns = self._idle_ns = 0
        self.recorder = Recorder()
        self.marks: list[tuple[int, str]] = []
        """Nanoseconds from the start, and what happened."""
        self.busy = 0.0
        """The share of the run, 0..1, that the driver did something other than wait."""

    def run(self) -> None:
        """Send all that is due, then wait for answers no longer than the greater of 5 s and the deadline."""
        self._origin_ns = self._clock()
        while not self._is_over(began_ns := self._now()):
            sent = self._send_due(began_ns)
            self._act(self._now())
            heard = self._hear(sent)
            if not sent and not heard:
                self._idle_ns += self._now() - began_ns
        ended_ns = self._now()
        for incident in self._incidents:
            incident.abandoned(ended_ns)
        self._flights.give_up(ended_ns)
        self.busy = 1.0 - self._idle_ns / max(ended_ns, 1)

    @property
    def timeline(self) -> Timeline:
        """As `Running`."""
        return self._pacing.timeline

    def new_id(self) -> int:
        """As `Running`."""
        return self._workers.new_id()

    def send(self, worker: int, *payloads: bytes) -> None:
        """As `Running`."""
        self._workers.send(worker, *payloads)

    def mark(self, at_ns: int, text: str) -> None:
        """As `Running`."""
        self.marks.append((at_ns, text))

    @property
    def sent(self) -> int:
        """As `Running`."""
        return self._flights.sent

    @property
    def answered(self) -> int:
        """As `Running`."""
        return self._flights.answered

    @property
    def errors(self) -> int:
        """As `Running`."""
        return self._flights.errors

    @property
    def in_flight(self) -> int:
        """As `Running`."""
        return len(self._flights)

    def _now(self) -> int:
        return self._clock() - self._origin_ns

    def _is_over(self, now_ns: int) -> bool:
        timeline = self.timeline
        if self._pacing.due_ns == NEVER:
            timeline.reach(now_ns)
        if not timeline.is_over:
            if self._workers.ready() or self._workers.comes_back():
                return False
            self._offer_to_nobody(now_ns)
        waited_ns = now_ns - timeline.ended_ns[-1]
        if waited_ns > self._grace_ns:
            return True
        return not self._flights and waited_ns >= 0 and all(incident.over(now_ns) for incident in self._incidents)

    def _offer_to_nobody(self, now_ns: int) -> None:
        """All workers have ended: what would have been due is counted, and nothing is waited for."""
        pacing, timeline = self._pacing, self.timeline
        timeline.end_open_stages(now_ns)
        while not pacing.waits and (due_ns := pacing.due_ns) < NEVER:
            self._flights.not_sent(*self._recorded(due_ns, next(self._calls)[0]))
            pacing.advance()
        timeline.reach(NEVER)

    # Sending

    def _send_due(self, now_ns: int) -> int:
        """Send the calls that are due, but not more than go together; returns how many."""
        batches: dict[int, list[bytes]] = {}
        count = 0
        while (due_ns := self._pacing.due_ns) <= now_ns and count < _TOGETHER:
            op, call = next(self._calls)
            worker = self._least_busy()
            if worker is not None:
                batches.setdefault(worker, []).append(self._sending(worker, due_ns, op, call))
            elif self._pacing.waits:
                break
            else:
                self._flights.not_sent(*self._recorded(due_ns, op))
            self._pacing.advance()
            count += 1
        for worker, payloads in batches.items():
            self._workers.send(worker, *payloads)
        return count

    def _least_busy(self) -> int | None:
        ready = [one for one in self._workers.ready() if self._workers.unsent_bytes(one) <= UNSENT_LIMIT_BYTES]
        if len(ready) < 2:
            return ready[0] if ready else None
        self._turn += 1
        turn = self._turn % len(ready)
        return min(ready[turn:] + ready[:turn], key=self._flights.of)

    def _sending(self, worker: int, due_ns: int, op: str, call: Prepared) -> bytes:
        call_id = self._workers.new_id()
        cell, second = self._recorded(due_ns, op)
        sent_ns = self._now()
        self._flights.begin(worker, call_id, due_ns, sent_ns, cell, second)
        if cell is not None:
            self.recorder.sent((sent_ns - due_ns) // 1000)
        return call.payload(call_id)

    def _recorded(self, due_ns: int, op: str) -> tuple[Cell | None, Second | None]:
        """Where a call that is due now counts, as one that was offered."""
        timeline = self.timeline
        stage = timeline.stage
        if stage is None or not stage.measured:
            return None, None
        cell = self.recorder.cell(timeline.place, op)
        second = self.recorder.second((due_ns - timeline.measured_from_ns) // NS)
        cell.offered += 1
        second.offered += 1
        return cell, second

    # Waiting and reading

    def _wait_s(self, now_ns: int) -> float:
        """Seconds that may be slept before something is due."""
        timeline = self.timeline
        due_ns = self._pacing.due_ns
        if timeline.is_over and timeline.ended_ns[-1] > now_ns:
            due_ns = timeline.ended_ns[-1]
        ahead_s = (due_ns - now_ns) / NS - _SPIN_S
        for incident in self._incidents:
            ahead_s = min(ahead_s, (incident.due_ns() - now_ns) / NS)
        return min(max(ahead_s, 0.0), _LONGEST_WAIT_S)

    def _hear(self, sent: int) -> bool:
        """Wait until a call is due, unless some are already, and read what there is by then."""
        before_ns = self._now()
        readable = self._workers.wait(0.0 if sent == _TOGETHER else self._wait_s(before_ns))
        if sent or readable:
            self._idle_ns += self._now() - before_ns
        for worker in readable:
            self._read(worker)
        self._flights.expire(self._now())
        return bool(readable)

    def _read(self, worker: int) -> None:
        try:
            payloads = self._workers.receive(worker)
        except WorkerGone:
            now_ns = self._now()
            lost = self._flights.lose(worker, now_ns)
            for incident in self._incidents:
                incident.lost(self, worker, lost, now_ns)
            return
        now_ns = self._now()
        for payload in payloads:
            self._take(worker, payload, now_ns)

    def _take(self, worker: int, payload: bytes, now_ns: int) -> None:
        message = self._reader.read(payload)
        if isinstance(message, Answer) and self._flights.take(worker, message, now_ns):
            self._tell_of_an_answer(worker, message, now_ns)
            return
        for incident in self._incidents:
            if incident.heard(self, worker, message, payload, now_ns):
                return

    def _tell_of_an_answer(self, worker: int, answer: Answer, now_ns: int) -> None:
        for incident in self._incidents:
            if incident.listens:
                incident.answered(self, worker, answer, now_ns)

    # Incidents

    def _act(self, now_ns: int) -> None:
        for incident in self._incidents:
            due_ns = incident.due_ns()
            if due_ns > now_ns:
                continue
            if incident.patient and self._pacing.due_ns - now_ns < _QUIET_NS and now_ns - due_ns < _PATIENCE_NS:
                continue
            incident.act(self, now_ns)
