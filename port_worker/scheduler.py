"""What to do next: calls that wait, in order, with their deadlines, in four lanes.

Sans-IO: it is handed calls and a clock, and hands back work. The pipe is the queue, so what waits here is what one read
brought, or what arrived between two slices of longer work; a lone call waits for nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from protocol.limits import Limits


class Lane(Enum):
    """How soon a call's turn comes, and with whom."""

    AT_ONCE = "at_once"
    """Done in microseconds, between any two slices of other work."""

    BATCH = "batch"
    """All that waits, up to a batch, is one model call."""

    SINGLE = "single"
    """A model call of its own, as urgent as a batch."""

    BULK = "bulk"
    """In slices, while nothing else wants to be done."""


@dataclass(frozen=True)
class Work:
    """A call that was admitted. Times are on the scheduler's clock, in seconds; `expires_at` may be infinite."""

    call_id: int
    op: str
    arguments: Any
    lane: Lane = Lane.AT_ONCE
    expires_at: float = float("inf")
    admitted_at: float = 0.0


class Scheduler:
    """The lanes' queues, each first in, first out."""

    def __init__(self, clock: Callable[[], float], max_batch: int = Limits.max_batch) -> None:
        self._clock = clock
        self._most = {Lane.AT_ONCE: 1, Lane.BATCH: max_batch, Lane.SINGLE: 1, Lane.BULK: 1}
        self._queues: dict[Lane, deque[Work]] = {lane: deque() for lane in Lane}

    def add(self, work: Work) -> None:
        """Queue a call."""
        self._queues[work.lane].append(work)

    def cancel(self, call_id: int) -> bool:
        """Forget a call that waits; False when none of that id does."""
        return any(_forget(queue, call_id) for queue in self._queues.values())

    def take(self, *lanes: Lane) -> tuple[list[Work], list[Work]]:
        """The next work of the first of these lanes that has any, and what expired before it could be done."""
        lane = next((lane for lane in lanes if self._queues[lane]), lanes[0])
        queue, most = self._queues[lane], self._most[lane]
        due: list[Work] = []
        expired: list[Work] = []
        now = self._clock()
        while queue and len(due) < most:
            work = queue.popleft()
            (expired if work.expires_at <= now else due).append(work)
        return due, expired

    def waiting(self, *lanes: Lane) -> int:
        """How many calls wait in these lanes."""
        return sum(len(self._queues[lane]) for lane in lanes)

    def __len__(self) -> int:
        return self.waiting(*Lane)


def _forget(queue: deque[Work], call_id: int) -> bool:
    for work in queue:
        if work.call_id == call_id:
            queue.remove(work)
            return True
    return False
