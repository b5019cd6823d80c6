"""The parts of a run, one after the other: how many calls a second each offers, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

NS = 1_000_000_000
NEVER = 1 << 62
"""Nanoseconds: later than any run ends."""


@dataclass(frozen=True)
class Stage:
    """One part of a run.

    `rate` in calls a second, None in a closed loop; `duration_s` None until something ends it (a retrain, whose length
    nobody knows); a stage that is not `measured` is a warm-up, or time in which a worker gets its breath back.
    """

    name: str
    rate: float | None
    duration_s: float | None
    measured: bool = True


class Timeline:
    """Where in its stages a run is. Times are nanoseconds from the start of the run."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        assert stages, "a run has at least one stage"
        self.stages = tuple(stages)
        self.place = 0
        """Of the current stage; the number of stages when all are over."""
        self.began_ns = [0]
        """Of every stage that has begun."""
        self.ended_ns: list[int] = []
        self.ends_ns = self._end_of(0, 0)
        """Of the current stage; NEVER while nobody knows."""

    @property
    def is_over(self) -> bool:
        """Whether the last stage has ended."""
        return self.place == len(self.stages)

    @property
    def stage(self) -> Stage | None:
        """The current one."""
        return None if self.is_over else self.stages[self.place]

    @property
    def measured_from_ns(self) -> int:
        """When the first measured stage began; NEVER before that."""
        for stage, began_ns in zip(self.stages, self.began_ns, strict=False):
            if stage.measured:
                return began_ns
        return NEVER

    def reach(self, at_ns: int) -> None:
        """It is so late: stages that have ended by then are over."""
        while not self.is_over and self.ends_ns <= at_ns:
            self._next()

    def end_stage(self, at_ns: int) -> None:
        """The current stage, whose end was not known, ends then."""
        self.ends_ns = min(self.ends_ns, at_ns)

    def end_open_stages(self, at_ns: int) -> None:
        """No stage that is to come will be ended by anything: those of unknown length have none."""
        self.stages = tuple(
            stage if stage.duration_s is not None else replace(stage, duration_s=0.0) for stage in self.stages
        )
        if self.ends_ns == NEVER:
            self.end_stage(at_ns)

    def _next(self) -> None:
        began_ns = self.ends_ns
        self.ended_ns.append(began_ns)
        self.place += 1
        if not self.is_over:
            self.began_ns.append(began_ns)
            self.ends_ns = self._end_of(self.place, began_ns)

    def _end_of(self, place: int, began_ns: int) -> int:
        duration_s = self.stages[place].duration_s
        return NEVER if duration_s is None else began_ns + round(duration_s * NS)
