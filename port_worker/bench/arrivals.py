"""When calls are due.

In an open loop that is fixed beforehand, whatever the worker does: at equal distances, or as a Poisson process, which
is how calls of many users who know nothing of each other arrive. In a closed loop a call is due when an answer has
freed its slot: that measures throughput, and hides what a stall would have cost others.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from itertools import count, repeat
from typing import Protocol

from port_worker.bench.stages import NEVER, NS, Timeline

CONSTANT, POISSON, CLOSED = "constant", "poisson", "closed"


class Pacing(Protocol):
    """What the load asks about due times, in nanoseconds from the start of the run.

    `waits`: whether a call that is due waits for a worker; else it counts as not sent where there is none.
    """

    waits: bool

    @property
    def timeline(self) -> Timeline:
        """The stages; the current one is that of the next call."""

    @property
    def due_ns(self) -> int:
        """When the next call is due; NEVER while none is known to be."""

    def advance(self) -> None:
        """That call was sent, or could not be."""

    def freed(self, at_ns: int) -> None:
        """A call that was sent has ended."""


class OpenLoop:
    """Due times of a rate. `seed` None puts calls at equal distances, else the gaps are exponential."""

    waits = False

    def __init__(self, timeline: Timeline, seed: int | None = None) -> None:
        self._timeline = timeline
        self._gaps = None if seed is None else random.Random(seed)  # noqa: S311 (a load, not a secret)
        self._times = self._every_due_time()
        self._due_ns = next(self._times)

    @property
    def timeline(self) -> Timeline:
        """As `Pacing`."""
        return self._timeline

    @property
    def due_ns(self) -> int:
        """As `Pacing`. A stage that was ended meanwhile takes the calls along that would have followed in it."""
        if self._timeline.ends_ns <= self._due_ns < NEVER:
            self._due_ns = next(self._times)
        return self._due_ns

    def advance(self) -> None:
        """As `Pacing`."""
        self._due_ns = next(self._times)

    def freed(self, _at_ns: int) -> None:
        """As `Pacing`: an open loop does not care."""

    def _every_due_time(self) -> Iterator[int]:
        timeline = self._timeline
        while (stage := timeline.stage) is not None:
            began_ns = timeline.began_ns[-1]
            assert stage.rate is not None, "a stage of an open loop has a rate"
            for offset_ns in self._offsets(stage.rate):
                if began_ns + offset_ns >= timeline.ends_ns:
                    break
                yield began_ns + offset_ns
            timeline.reach(timeline.ends_ns)
        yield from repeat(NEVER)

    def _offsets(self, rate: float) -> Iterator[int]:
        """From the start of a stage, without end."""
        if self._gaps is None:  # from the number of the call, so that no rounding accumulates over a long run
            yield from (round(k * NS / rate) for k in count())
            return
        offset_s = 0.0
        while True:
            offset_s += self._gaps.expovariate(rate)
            yield round(offset_s * NS)


class ClosedLoop:
    """`in_flight` calls at a time: what ends lets the next one go."""

    waits = True

    def __init__(self, timeline: Timeline, in_flight: int) -> None:
        self._timeline = timeline
        self._free: deque[int] = deque([0] * in_flight)

    @property
    def timeline(self) -> Timeline:
        """As `Pacing`."""
        return self._timeline

    @property
    def due_ns(self) -> int:
        """As `Pacing`: when the slot that is free for the longest was freed."""
        if not self._free:
            return NEVER
        self._timeline.reach(self._free[0])
        return NEVER if self._timeline.is_over else self._free[0]

    def advance(self) -> None:
        """As `Pacing`."""
        self._free.popleft()

    def freed(self, at_ns: int) -> None:
        """As `Pacing`."""
        self._free.append(at_ns)
