"""What became of the calls of a run: counts by outcome, latencies as counts of microseconds, and what each second was.

Counts of whole microseconds are small (there are not many distinct ones), can be added up, become an HdrHistogram
without a loss, and are what any other driver can hand over too.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

NOT_SENT = "not_sent"  # the worker did not take it, or there was none when it was due
NO_ANSWER = "no_answer"  # sent, and silence for longer than its deadline, or than the end of the run could wait
WORKER_GONE = "worker_gone"  # in flight when the worker ended

Counts: TypeAlias = dict[int, int]
"""Microseconds to how often."""

_MOST_US = 0xFFFF_FFFF


@dataclass
class Cell:
    """The calls of one phase and one operation.

    `corrected` from when a call was due to its good answer; `uncorrected` from when it was sent, of those that a client
    would have sent which waits for each answer before its next call. `sources` counts the
    good answers by what they were made from. `last_ns` is when the last answer to one of them came, from the start of
    the run.
    """

    offered: int = 0
    not_sent: int = 0
    ok: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    corrected: Counts = field(default_factory=dict)
    uncorrected: Counts = field(default_factory=dict)
    last_ns: int = 0

    def answered(self, corrected_us: int, uncorrected_us: int | None, source: str | None) -> None:
        """A good answer came; `uncorrected_us` is None where a client that waits would not have sent the call."""
        self.ok += 1
        counts = self.corrected
        counts[corrected_us] = counts.get(corrected_us, 0) + 1
        if uncorrected_us is not None:
            counts = self.uncorrected
            counts[uncorrected_us] = counts.get(uncorrected_us, 0) + 1
        if source is not None:
            self.sources[source] += 1

    def add(self, other: Cell) -> None:
        """Count another's calls too."""
        self.offered += other.offered
        self.not_sent += other.not_sent
        self.ok += other.ok
        self.errors.update(other.errors)
        self.sources.update(other.sources)
        add_counts(self.corrected, other.corrected)
        add_counts(self.uncorrected, other.uncorrected)
        self.last_ns = max(self.last_ns, other.last_ns)

    @property
    def failed(self) -> int:
        """Calls that were due and have no good answer, those that could not be sent among them."""
        return self.offered - self.ok


class Second:
    """The calls that were due in one second: how many, and microseconds (corrected) of the good answers to them."""

    __slots__ = ("errors", "latencies", "offered")

    def __init__(self) -> None:
        self.offered = self.errors = 0
        self.latencies: array[int] = array("I")

    def answered(self, corrected_us: int) -> None:
        """A good answer came."""
        self.latencies.append(min(corrected_us, _MOST_US))

    @property
    def ok(self) -> int:
        """Good answers."""
        return len(self.latencies)


class Recorder:
    """Cells by stage and operation, and seconds, of a run's measured stages."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, str], Cell] = {}
        self.seconds: list[Second] = []
        self.lags: Counts = {}

    def cell(self, stage: int, op: str) -> Cell:
        """That of the stage at this place."""
        found = self.cells.get((stage, op))
        if found is None:
            found = self.cells[stage, op] = Cell()
        return found

    def second(self, index: int) -> Second:
        """The second that began `index` seconds after the first measured stage."""
        while index >= len(self.seconds):
            self.seconds.append(Second())
        return self.seconds[index]

    def sent(self, lag_us: int) -> None:
        """A call was sent so many microseconds after it was due."""
        self.lags[lag_us] = self.lags.get(lag_us, 0) + 1


def add_counts(counts: Counts, more: Counts) -> None:
    """Add `more` to `counts`."""
    for value, count in more.items():
        counts[value] = counts.get(value, 0) + count


def summed(cells: Iterable[Cell]) -> Cell:
    """All of them in one."""
    total = Cell()
    for cell in cells:
        total.add(cell)
    return total
