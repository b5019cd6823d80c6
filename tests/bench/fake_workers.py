"""Workers of a load without a process, and a clock that stands still until the load waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from port_worker.bench.arrivals import ClosedLoop, OpenLoop, Pacing
from port_worker.bench.incidents import Incident
from port_worker.bench.load import Load
from port_worker.bench.recording import Cell, summed
from port_worker.bench.stages import NS, Stage, Timeline
from port_worker.bench.wire import AnswerReader, CallWriter
from port_worker.host import WorkerGone
from protocol.atoms import Atom
from protocol.messages import Call, ErrorReply, Message, Ok, atom_keys, parse_inbound, to_payload

MS = 1_000_000
RESULT = atom_keys(items=[], source=Atom("model"))

Service = Callable[[int, int], "int | None"]
"""Nanoseconds that the call of this number takes which came at this time; None for no answer."""


class FakeWorkers:
    """Answers call number k after `service(k, now)`; the clock moves only while the load waits."""

    def __init__(self, service: Service, count: int = 1) -> None:
        self.now = 0
        self.service = service
        self.sent: list[tuple[int, int, Call]] = []
        """When, to which worker, and what."""
        self.coming: list[tuple[int, int, int, bytes]] = []
        self.unsent = [0] * count
        self.alive = set(range(count))
        self.dies_at: dict[int, int] = {}
        self.returns_at: dict[int, int] = {}
        self.failing: dict[int, str] = {}
        self.own: dict[str, Callable[[Call], Message | None]] = {}
        """Operations besides those that `service` is about."""
        self._last_id = 0

    def clock(self) -> int:
        return self.now

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def ready(self) -> Sequence[int]:
        return sorted(self.alive)

    def comes_back(self) -> bool:
        return any(at > self.now for at in self.returns_at.values())

    def unsent_bytes(self, worker: int) -> int:
        return self.unsent[worker]

    def send(self, worker: int, *payloads: bytes) -> None:
        for payload in payloads:
            call = parse_inbound(payload)
            assert isinstance(call, Call)
            if call.op in self.own:
                message = self.own[call.op](call)
                if message is not None:
                    self.say(worker, self.now, message)
                continue
            takes = self.service(len(self.sent), self.now)
            if takes is not None:
                self.say(worker, self.now + takes, self._answer(len(self.sent), call.id))
            self.sent.append((self.now, worker, call))

    def say(self, worker: int, at_ns: int, message: Message) -> None:
        heapq.heappush(self.coming, (at_ns, len(self.coming), worker, to_payload(message)))

    def wait(self, timeout: float) -> Sequence[int]:
        until = self.now + max(round(timeout * NS), 10_000)
        events = [one[0] for one in self.coming[:1]]
        events += [at for at in (*self.dies_at.values(), *self.returns_at.values()) if at > self.now]
        self.now = max(self.now, min([until, *events]))
        for worker, at in list(self.returns_at.items()):
            if at <= self.now:
                self.alive.add(worker)
                del self.returns_at[worker]
        dying = {worker for worker, at in self.dies_at.items() if at <= self.now}
        return sorted(dying | {worker for at, _, worker, _ in self.coming if at <= self.now})

    def receive(self, worker: int) -> Sequence[bytes]:
        if self.dies_at.get(worker, self.now + 1) <= self.now:
            del self.dies_at[worker]
            self.alive.discard(worker)
            self.coming = [one for one in self.coming if one[2] != worker]
            raise WorkerGone("the worker ended with status 3", 3)
        there = sorted(one for one in self.coming if one[2] == worker and one[0] <= self.now)
        self.coming = [one for one in self.coming if one not in there]
        heapq.heapify(self.coming)
        return [payload for _, _, _, payload in there]

    def _answer(self, number: int, call_id: int) -> Message:
        code = self.failing.get(number)
        if code is None:
            return Ok(call_id, RESULT)
        return ErrorReply(call_id, code, "as told", retryable=False, details={})


def open_loop(*stages: Stage, seed: int | None = None) -> OpenLoop:
    return OpenLoop(Timeline(stages), seed)


def steady(rate: float, duration_s: float, warmup_s: float = 0.0) -> OpenLoop:
    warm_up = [Stage("warm-up", rate, warmup_s, measured=False)] if warmup_s else []
    return open_loop(*warm_up, Stage("measured", rate, duration_s))


def closed_loop(in_flight: int, duration_s: float) -> ClosedLoop:
    return ClosedLoop(Timeline([Stage("measured", None, duration_s)]), in_flight)


def drive(workers: FakeWorkers, pacing: Pacing, incidents: Sequence[Incident] = (), **options: Any) -> Load:
    call = CallWriter(deadline_ms=options.get("deadline_ms")).prepare("recommend", {"user": 1, "n": 10})
    calls = repeat(("recommend", call))
    load = Load(workers, pacing, calls, AnswerReader(), incidents=incidents, clock=workers.clock, **options)
    load.run()
    return load


def total(load: Load) -> Cell:
    return summed(load.recorder.cells.values())


def of_stage(load: Load, place: int) -> Cell:
    return load.recorder.cell(place, "recommend")


def milliseconds(counts: dict[int, int]) -> list[float]:
    """Every latency, ascending."""
    return [us / 1e3 for us in sorted(counts) for _ in range(counts[us])]


def outcomes_of(load: Load) -> dict[str, int]:
    """Calls by what became of them."""
    cell = total(load)
    return {"ok": cell.ok, **cell.errors}
