"""The calls that have no end yet, by worker, and how each ends: answered, refused, lost, or given up."""

from __future__ import annotations

from typing import NamedTuple

from port_worker.bench.arrivals import Pacing
from port_worker.bench.recording import NO_ANSWER, NOT_SENT, WORKER_GONE, Cell, Second
from port_worker.bench.wire import Answer


class Flight(NamedTuple):
    """A call without an answer.

    `cell` and `second` are None for one that is not measured; `waits`: whether a client that waits would have sent it.
    """

    due_ns: int
    sent_ns: int
    cell: Cell | None
    second: Second | None
    waits: bool


class Flights:
    """Knows what is in flight, and records what becomes of it.

    Args:
        pacing: is told of each end.
        limit_ns: how long a call may go without one.
    """

    def __init__(self, pacing: Pacing, limit_ns: int) -> None:
        self._pacing = pacing
        self._limit_ns = limit_ns
        self._flights: dict[int, dict[int, Flight]] = {}
        self._waiting: set[int] = set()  # workers whose client, were it one that waits, would be waiting
        self.sent = self.answered = self.errors = 0
        """So far, of measured calls and others."""

    def __len__(self) -> int:
        return sum(map(len, self._flights.values()))

    def of(self, worker: int) -> int:
        """How many that worker has."""
        return len(self._flights.get(worker, ()))

    def begin(
        self, worker: int, call_id: int, due_ns: int, sent_ns: int, cell: Cell | None, second: Second | None
    ) -> None:
        """A call is sent."""
        waits = self._pacing.waits or worker not in self._waiting
        self._waiting.add(worker)
        self._flights.setdefault(worker, {})[call_id] = Flight(due_ns, sent_ns, cell, second, waits)
        self.sent += 1

    def not_sent(self, cell: Cell | None, second: Second | None) -> None:
        """A call could not be sent."""
        if cell is not None:
            cell.not_sent += 1
        self._count_error(cell, second, NOT_SENT)

    def take(self, worker: int, answer: Answer, now_ns: int) -> bool:
        """An answer came; returns whether it ends one of these calls."""
        flight = self._flights.get(worker, {}).pop(answer.id, None) if answer.id is not None else None
        if flight is None:
            return False
        self.answered += 1
        if answer.code is not None:
            self._fail(worker, flight, answer.code, now_ns)
            return True
        self._end(worker, flight, now_ns)
        if flight.cell is not None and flight.second is not None:
            corrected_us = (now_ns - flight.due_ns) // 1000
            uncorrected_us = (now_ns - flight.sent_ns) // 1000 if flight.waits else None
            flight.cell.answered(corrected_us, uncorrected_us, answer.source)
            flight.second.answered(corrected_us)
        return True

    def lose(self, worker: int, now_ns: int) -> int:
        """The worker has ended; returns how many calls it took with it."""
        lost = self._flights.pop(worker, {})
        for flight in lost.values():
            self._fail(worker, flight, WORKER_GONE, now_ns)
        return len(lost)

    def expire(self, now_ns: int) -> None:
        """Give up those that had no end within the limit. They are in the order in which they were sent."""
        for worker, flights in self._flights.items():
            while flights:
                call_id, flight = next(iter(flights.items()))
                if now_ns - flight.sent_ns <= self._limit_ns:
                    break
                del flights[call_id]
                self._fail(worker, flight, NO_ANSWER, now_ns)

    def give_up(self, now_ns: int) -> None:
        """Wait for none of them any longer."""
        for worker, flights in self._flights.items():
            for flight in flights.values():
                self._fail(worker, flight, NO_ANSWER, now_ns)
            flights.clear()

    def _fail(self, worker: int, flight: Flight, code: str, now_ns: int) -> None:
        self._count_error(flight.cell, flight.second, code)
        self._end(worker, flight, now_ns)

    def _end(self, worker: int, flight: Flight, now_ns: int) -> None:
        if flight.waits:
            self._waiting.discard(worker)
        if flight.cell is not None:
            flight.cell.last_ns = now_ns
        self._pacing.freed(now_ns)

    def _count_error(self, cell: Cell | None, second: Second | None, code: str) -> None:
        self.errors += 1
        if cell is not None and second is not None:
            cell.errors[code] += 1
            second.errors += 1
