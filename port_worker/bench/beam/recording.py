"""What a run found, in figures that any driver can hand over: counts of whole microseconds, by phase and operation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Counts: TypeAlias = dict[int, int]
"""Microseconds to how often."""


@dataclass
class Cell:
    """The calls of one phase and one operation.

    `corrected` from when a call was due to its good answer; `uncorrected` from when it was sent, of those that a client
    would have sent which waits for each answer before its next call. `errors` counts the others by code, those that
    were never sent among them; `sources` the good answers by what they were made from. `last_ns` is when the last
    answer to one of them came, from the start of the run.
    """

    offered: int = 0
    not_sent: int = 0
    ok: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    corrected: Counts = field(default_factory=dict)
    uncorrected: Counts = field(default_factory=dict)
    last_ns: int = 0


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


@dataclass(frozen=True)
class DriverLoad:
    """How the driver itself fared: microseconds by which calls were sent late, and the share of time it worked."""

    lags: Counts
    busy: float


@dataclass(frozen=True)
class Mark:
    """Something that happened, seconds after the start of what was measured."""

    at_s: float
    text: str


@dataclass
class Measured:
    """All of one run. `began_s` is when its measured part began, by the monotonic clock; rows are by second from then.

    `workers`: what is known of each, as a report has it.
    """

    began_s: float
    phases: list[MeasuredPhase]
    rows: list[Row]
    marks: list[Mark]
    driver: DriverLoad
    workers: list[dict[str, Any]]
