"""What to do next: calls that wait, in order, with their deadlines, and recommendations in batches.

Sans-IO: it is handed calls and a clock, and hands back work. The pipe is the queue, so what waits here is what one read
brought; a lone call waits for nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.limits import Limits


@dataclass(frozen=True)
class Work:
    """A call that was admitted. `expires_at` is on the scheduler's clock, in seconds; infinite without a deadline."""

    call_id: int
    op: str
    arguments: Any
    expires_at: float = float("inf")


class Scheduler:
    """Two queues: `recommend` in batches, everything else (which is short) one by one and first."""

    def __init__(self, clock: Callable[[], float], max_batch: int = Limits.max_batch) -> None:
        self._clock = clock
        self._max_batch = max_batch
        self._batchable: deque[Work] = deque()
        self._single: deque[Work] = deque()

    def add(self, work: Work) -> None:
        """Queue a call."""
        queue = self._batchable if work.op == "recommend" else self._single
        queue.append(work)

    def cancel(self, call_id: int) -> bool:
        """Forget a call that waits; False when none of that id does."""
        return any(self._forget(queue, call_id) for queue in (self._batchable, self._single))

    def take(self) -> tuple[list[Work], list[Work]]:
        """The next work (one call, or a batch of `recommend`), and what expired before it could be done."""
        queue, most = (self._single, 1) if self._single else (self._batchable, self._max_batch)
        due: list[Work] = []
        expired: list[Work] = []
        now = self._clock()
        while queue and len(due) < most:
            work = queue.popleft()
            (expired if work.expires_at <= now else due).append(work)
        return due, expired

    def __len__(self) -> int:
        return len(self._batchable) + len(self._single)

    @staticmethod
    def _forget(queue: deque[Work], call_id: int) -> bool:
        for work in queue:
            if work.call_id == call_id:
                queue.remove(work)
                return True
        return False
