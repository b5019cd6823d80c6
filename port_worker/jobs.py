"""Work that takes several steps: an urgent job and a bulk one at most, and which of them goes on next."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence

from port_worker.answering import Outcome
from port_worker.scheduler import Lane, Scheduler, Work
from port_worker.status import Counters
from protocol.errors import ProtocolError

BULK_WAITS_SECONDS = 0.1
"""A bulk job gets a slice after so long, however many urgent calls there are: it shall end some day."""

_TAKEN = (Lane.BATCH, Lane.SINGLE, Lane.BULK)

Start = Callable[[Sequence[Work]], Iterator[list[Outcome]]]


class Job:
    """A batch or a single call under way: its open calls, and the steps that end them."""

    def __init__(self, works: Sequence[Work], steps: Iterator[list[Outcome]], started_at: float) -> None:
        self.open = {work.call_id: work for work in works}
        self.started_at = started_at
        self._steps = steps

    def advance(self) -> list[Outcome] | None:
        """One step: the calls that it ended, but for those that were dropped; None when there is no more to do."""
        if not self.open:
            return None
        try:
            ended = next(self._steps, None)
        except Exception as error:  # noqa: BLE001 a defect costs its callers one answer each, never the worker
            said = _said(error)
            ended = [(work, said) for work in self.open.values()]
        if ended is None:
            return None
        return [(work, result) for work, result in ended if self.open.pop(work.call_id, None) is not None]


class Jobs:
    """Takes calls from the scheduler's lanes, but for those that are done at once.

    Args:
        scheduler: where they wait.
        start: what makes the steps of the calls of a batch, or of a single call.
        clock: monotonic seconds.
        counters: told when jobs begin, and when calls of them end.
    """

    def __init__(self, scheduler: Scheduler, start: Start, clock: Callable[[], float], counters: Counters) -> None:
        self._scheduler = scheduler
        self._start = start
        self._clock = clock
        self._counters = counters
        self._urgent: Job | None = None
        self._bulk: Job | None = None
        self._bulk_ran_at = clock()
        self._first = (Lane.SINGLE, Lane.BATCH)

    @property
    def busy(self) -> bool:
        """Whether a step would do something."""
        return bool(self._urgent or self._bulk) or any(map(self._scheduler.waiting, _TAKEN))

    def step(self) -> list[Outcome]:
        """Go on with one job by one step. Returns the calls that ended with it."""
        expired: list[Outcome] = []
        if self._urgent is None:
            self._urgent = self._next(expired, *self._first)
        if self._urgent is not None and not self._bulk_is_due:
            return expired + self._advance_urgent(self._urgent)
        return expired + self._advance_bulk()

    def drop(self, call_id: int) -> Work | None:
        """Forget a call of a job: nobody waits for its answer any more."""
        for job in self._running:
            if call_id in job.open:
                return job.open.pop(call_id)
        return None

    def expired(self) -> list[Outcome]:
        """The calls of jobs, and bulk calls that wait, whose deadline has passed; they are dropped."""
        if self._urgent is None and self._bulk is None and not self._scheduler.waiting(Lane.BULK):
            return []
        now = self._clock()
        late = self._scheduler.expired(Lane.BULK)
        for job in self._running:
            late += [job.open.pop(work.call_id) for work in [*job.open.values()] if work.expires_at <= now]
        return [(work, too_late(work)) for work in late]

    @property
    def _running(self) -> list[Job]:
        return [job for job in (self._urgent, self._bulk) if job is not None]

    @property
    def _bulk_is_due(self) -> bool:
        if self._bulk is None and not self._scheduler.waiting(Lane.BULK):
            return False
        return self._clock() - self._bulk_ran_at >= BULK_WAITS_SECONDS

    def _next(self, expired: list[Outcome], *lanes: Lane) -> Job | None:
        due, late = self._scheduler.take(*lanes)
        expired += [(work, too_late(work)) for work in late]
        if not due:
            return None
        if due[0].lane is self._first[0]:
            self._first = (self._first[1], self._first[0])  # neither lane keeps the other waiting
        now = self._clock()
        self._counters.begun(due, now)
        try:
            steps = self._start(due)
        except Exception as error:  # noqa: BLE001 as in a job's steps
            said = _said(error)
            expired += [(work, said) for work in due]
            return None
        return Job(due, steps, now)

    def _advance_urgent(self, job: Job) -> list[Outcome]:
        ended = job.advance()
        if ended is None or not job.open:
            self._urgent = None
        self._counters.ended([work for work, _ in ended or []], job.started_at, self._clock())
        return ended or []

    def _advance_bulk(self) -> list[Outcome]:
        expired: list[Outcome] = []
        self._bulk_ran_at = self._clock()
        if self._bulk is None:
            self._bulk = self._next(expired, Lane.BULK)
        ended = self._bulk.advance() if self._bulk is not None else None
        if self._bulk is not None and (ended is None or not self._bulk.open):
            self._bulk = None
        return expired + (ended or [])


def too_late(work: Work) -> ProtocolError:
    """The end of a call whose deadline has passed."""
    return ProtocolError("deadline_exceeded", f"{work.op}: its deadline passed before the answer was ready")


def _said(error: Exception) -> ProtocolError:
    """What the callers of work that raised this are told."""
    return error if isinstance(error, ProtocolError) else defect()


def defect() -> ProtocolError:
    """The answer for an exception that nobody expected; its traceback goes to the log."""
    traceback.print_exc(file=sys.stderr)
    return ProtocolError("internal", "worker: a defect, whose traceback is in the worker's log")
