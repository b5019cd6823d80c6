"""Phases as a report has them: numbers, and the histograms that they were read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from port_worker.bench.histogram import encoded, histogram_of, latency_ms
from port_worker.bench.measured import Measured, MeasuredPhase, Row
from port_worker.bench.recording import Cell, Counts, summed


def phase_facts(phase: MeasuredPhase, *, closed: bool = False) -> dict[str, Any]:
    """Counts, rates in calls a second, shares 0..1, and latencies, which are None where nothing was answered.

    A `closed` loop offers no rate. `errors` counts every call that was due and has no good answer, those that were
    never sent among them.
    """
    cell = phase.total
    corrected, uncorrected = _latencies(cell.corrected), _latencies(cell.uncorrected)
    return {
        "name": phase.name,
        "duration_s": phase.duration_s,
        "offered": cell.offered,
        "sent": cell.offered - cell.not_sent,
        "not_sent": cell.not_sent,
        "ok": cell.ok,
        "errors": cell.failed,
        "errors_by_code": dict(sorted(cell.errors.items())),
        "error_rate": cell.failed / cell.offered if cell.offered else 0.0,
        "rate_offered": None if closed else _rate(cell.offered, phase.scheduled_s),
        "rate_achieved": _rate(cell.ok, phase.duration_s),
        "latency_ms": corrected["latency_ms"],
        "uncorrected_ms": uncorrected["latency_ms"],
        "answers_by_source": dict(sorted(cell.sources.items())),
        "histogram": corrected["histogram"],
        "uncorrected_histogram": uncorrected["histogram"],
    }


def _rate(calls: int, seconds: float) -> float:
    return calls / seconds if seconds > 0 else 0.0


def _latencies(counts: Counts) -> dict[str, Any]:
    histogram = histogram_of(counts)
    return {"latency_ms": latency_ms(histogram, counts), "histogram": encoded(histogram)}


def total_phase(phases: Sequence[MeasuredPhase]) -> MeasuredPhase:
    """All of them as one, which lasted as long as they did together.

    Answers of one phase may come in the next, so only the last one's wait for its answers counts.
    """
    scheduled_s = sum(phase.scheduled_s for phase in phases)
    waited_s = phases[-1].duration_s - phases[-1].scheduled_s if phases else 0.0
    ops = sorted({op for phase in phases for op in phase.cells})
    cells = {op: summed(phase.cells.get(op, Cell()) for phase in phases) for op in ops}
    return MeasuredPhase("total", scheduled_s, scheduled_s + waited_s, cells)


def facts_by_op(total: MeasuredPhase, *, closed: bool = False) -> dict[str, Any]:
    """A phase for each operation, where there are several."""
    if len(total.cells) < 2:
        return {}
    return {
        op: phase_facts(MeasuredPhase(op, total.scheduled_s, total.duration_s, {op: cell}), closed=closed)
        for op, cell in total.cells.items()
    }


def series_facts(rows: Sequence[Row]) -> dict[str, Any]:
    """One entry a second of each figure."""
    names = ("offered", "ok", "errors", "p50_ms", "p99_ms", "max_ms", "rss_bytes", "cpu")
    columns: Mapping[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in names}
    return {"interval_s": 1.0, "at_s": [float(place) for place in range(len(rows))], **columns}


def measured_facts(measured: Measured, *, closed: bool = False) -> dict[str, Any]:
    """What a scenario's report has of its runs."""
    total = total_phase(measured.phases)
    return {
        "phases": [phase_facts(phase, closed=closed) for phase in measured.phases],
        "total": phase_facts(total, closed=closed),
        "by_op": facts_by_op(total, closed=closed),
        "series": series_facts(measured.rows),
        "marks": [{"at_s": mark.at_s, "text": mark.text} for mark in sorted(measured.marks, key=lambda one: one.at_s)],
        "driver_load": measured.driver.facts(),
        "workers": measured.workers,
    }
