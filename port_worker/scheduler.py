"""What to do next: calls that wait, in order, with their deadlines, in four lanes.

Sans-IO: it is handed calls and a clock, and hands back work. The pipe is the queue, so what waits here is what one read
brought, or what arrived between two slices of longer work; a lone call waits for nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

from protocol.limits import Limits


class Lane(IntEnum):
    """How soon a call's turn comes, and with whom."""

    AT_ONCE = 0
    """Done in microseconds, between any two slices of other work."""

    BATCH = 1
    """All that waits, up to a batch, is one model call."""

    SINGLE = 2
    """A model call of its own, as urgent as a batch."""

    BULK = 3
    """In slices, while nothing else wants to be done."""


class Work(NamedTuple):
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
        self._max_batch = max_batch
        self._queues: list[deque[Work]] = [deque() for _ in Lane]

    def add(self, work: Work) -> None:
        """Queue a call."""
        self._queues[work.lane].append(work)

    def cancel(self, call_id: int) -> bool:
        """Forget a call that waits; False when none of that id does."""
        return any(_forget(queue, call_id) for queue in self._queues)

    def take(self, *lanes: Lane) -> tuple[list[Work], list[Work]]:
        """The next work of the first of these lanes that has any, and what expired before it could be done."""
        due: list[Work] = []
        expired: list[Work] = []
        for lane in lanes:
            if self._queues[lane]:
                break
        else:
            return due, expired
        queue, most = self._queues[lane], self._max_batch if lane is Lane.BATCH else 1
        now = self._clock()
        while queue and len(due) < most:
            work = queue.popleft()
            (expired if work.expires_at <= now else due).append(work)
        return due, expired

    def expired(self, lane: Lane) -> list[Work]:
        """Take out what waits in the lane past its deadline: for one where few calls wait for long."""
        now = self._clock()
        late = [work for work in self._queues[lane] if work.expires_at <= now]
        for work in late:
            self._queues[lane].remove(work)
        return late

    def waiting(self, lane: Lane) -> int:
        """How many calls wait in the lane."""
        return len(self._queues[lane])

    def __bool__(self) -> bool:
        """Whether a call waits."""
        return any(self._queues)

    def __len__(self) -> int:
        return sum(map(len, self._queues))


def _forget(queue: deque[Work], call_id: int) -> bool:
    for work in queue:
        if work.call_id == call_id:
            queue.remove(work)
            return True
    return False
