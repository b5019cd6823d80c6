"""What a driver found in one run: the seam between those who make a load and those who report it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from port_worker.bench.percentile import counted_percentile, percentile
from port_worker.bench.recording import Cell, Counts, Second, summed

_LATE_MS = 2.0
_BUSY = 0.7
"""A driver that sends later than this at its 99th percentile, or works more of the time, measures itself too."""


@dataclass(frozen=True)
class MeasuredPhase:
    """The calls that were due in one phase.

    `scheduled_s`: how long calls were due; `duration_s`: that, or until the last answer to one of them, if later.
    `cells` by operation of the mix.
    """

    name: str
    scheduled_s: float
    duration_s: float
    cells: dict[str, Cell]

    @property
    def total(self) -> Cell:
        """Of all operations."""
        return summed(self.cells.values())


@dataclass(frozen=True)
class Row:
    """One second: calls that were due in it, milliseconds of their answers (None without), what each worker held.

    `rss_bytes` and `cpu` (0..1 of a core) by worker, None of one that was not there.
    """

    offered: int
    ok: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    rss_bytes: list[int | None] = field(default_factory=list)
    cpu: list[float | None] = field(default_factory=list)

    @classmethod
    def of(cls, second: Second, rss_bytes: list[int | None], cpu: list[float | None]) -> Row:
        """The figures of what was recorded in a second."""
        ascending = sorted(second.latencies)
        p50, p99, most = (percentile(ascending, q) / 1e3 if ascending else None for q in (50.0, 99.0, 100.0))
        return cls(second.offered, second.ok, second.errors, p50, p99, most, rss_bytes, cpu)


@dataclass(frozen=True)
class Mark:
    """Something that happened, seconds after the start of what was measured."""

    at_s: float
    text: str


@dataclass(frozen=True)
class DriverLoad:
    """How the driver itself fared: microseconds by which calls were sent late, and the share of time it worked."""

    lags: Counts
    busy: float

    @property
    def saturated(self) -> bool:
        """Whether it could hardly have made more calls: not late because others had the processor, but busy."""
        return self.busy > _BUSY

    def facts(self) -> dict[str, Any]:
        """As a report has them: `limited` where the driver measured itself too, and `why`."""
        if not self.lags:
            return {"send_lag_ms": None, "busy": self.busy, "limited": False, "why": None}
        p50, p99 = (counted_percentile(self.lags, q) / 1e3 for q in (50.0, 99.0))
        lag = {"p50": p50, "p99": p99, "max": max(self.lags) / 1e3}
        why = []
        if p99 > _LATE_MS:
            why.append(f"sends were {p99:.1f} ms late at p99 (more than {_LATE_MS:g})")
        if self.saturated:
            why.append(f"it was busy {self.busy:.0%} of the time (more than {_BUSY:.0%})")
        return {"send_lag_ms": lag, "busy": self.busy, "limited": bool(why), "why": ", ".join(why) or None}


@dataclass
class Measured:
    """All of one run. `began_s` is when its measured part began, by the monotonic clock; rows are by second from then.

    `workers`: what is known of each, as a report has it. `findings`: what this driver alone knows.
    """

    began_s: float
    phases: list[MeasuredPhase]
    rows: list[Row]
    marks: list[Mark]
    driver: DriverLoad
    workers: list[dict[str, Any]]
    findings: dict[str, Any] = field(default_factory=dict)

    @property
    def limited(self) -> bool:
        """Whether the driver was the limit, and not the workers."""
        return bool(self.driver.facts()["limited"])


def joined(runs: Sequence[Measured]) -> Measured:
    """Runs that followed each other on the same workers, as one; the busier driver counts."""
    first = runs[0]
    rows: list[Row] = []
    marks: list[Mark] = []
    for run in runs:
        offset_s = run.began_s - first.began_s
        nothing = Row(0, 0, 0, None, None, None)
        rows += [nothing] * (round(offset_s) - len(rows))
        rows = rows[: round(offset_s)] + run.rows
        marks += [Mark(mark.at_s + offset_s, mark.text) for mark in run.marks]
    lags = summed(Cell(corrected=run.driver.lags) for run in runs).corrected
    driver = DriverLoad(lags, max(run.driver.busy for run in runs))
    phases = [phase for run in runs for phase in run.phases]
    return Measured(first.began_s, phases, rows, marks, driver, _workers(runs), runs[-1].findings)


def _workers(runs: Sequence[Measured]) -> list[dict[str, Any]]:
    """Those of the last run, with the highest peak of all."""
    found = []
    for place, last in enumerate(runs[-1].workers):
        peaks = [run.workers[place]["rss_peak_bytes"] for run in runs if place < len(run.workers)]
        found.append(last | {"rss_peak_bytes": max((peak for peak in peaks if peak is not None), default=None)})
    return found
