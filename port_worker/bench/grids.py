"""A scenario of a report as grids of text: what the terminal and the page both show, each in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from port_worker.bench.figures import count, megabytes, milliseconds, number, percent, rate, share

PERCENTILES = {
    **{"p50": "p50", "p75": "p75", "p90": "p90", "p95": "p95", "p99": "p99"},
    **{"p999": "p99.9", "p9999": "p99.99", "max": "max"},
}
"""As a report calls them, and as people do."""


@dataclass(frozen=True)
class Grid:
    """Rows of text under heads of the same number; all columns but the first are numbers."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def load(scenario: Mapping[str, Any]) -> Grid:
    """What was offered and what came of it, a row a phase, and the total where there are several."""
    heads = ("load", "offered/s", "achieved/s", "offered", "not sent", "ok", "errors", "error rate")
    return Grid(heads, [_load_row(phase) for phase in phases(scenario)])


def _load_row(phase: Mapping[str, Any]) -> list[str]:
    rates = (rate(phase["rate_offered"]), rate(phase["rate_achieved"]))
    counts = (count(phase[name]) for name in ("offered", "not_sent", "ok", "errors"))
    return [phase["name"], *rates, *counts, share(phase["error_rate"])]


def phases(scenario: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """All of them and the total; the total alone where there is one phase, which is the same."""
    several = len(scenario["phases"]) > 1
    return [*scenario["phases"], scenario["total"]] if several else scenario["phases"] or [scenario["total"]]


def latency(scenario: Mapping[str, Any]) -> Grid:
    """Percentiles, two rows a phase: corrected, from the due time, and uncorrected, from the send."""
    shown = phases(scenario)
    rows = [
        [f"{phase['name']}, {kind}" if len(shown) > 1 else kind, *_percentiles(phase[field])]
        for phase in shown
        for kind, field in (("corrected", "latency_ms"), ("uncorrected", "uncorrected_ms"))
    ]
    return Grid(("latency, ms", *PERCENTILES.values()), rows)


def _percentiles(found: Mapping[str, float] | None, names: Sequence[str] = tuple(PERCENTILES)) -> list[str]:
    return [milliseconds(None if found is None else found[name]) for name in names]


def by_op(scenario: Mapping[str, Any]) -> Grid:
    """The same by operation, shorter; no row where there is one operation."""
    names = ("p50", "p99", "p999", "max")
    rows = [
        [op, count(found["offered"]), count(found["errors"]), *_percentiles(found["latency_ms"], names)]
        for op, found in scenario["by_op"].items()
    ]
    return Grid(("operation", "offered", "errors", *(f"{PERCENTILES[name]}, ms" for name in names)), rows)


def errors(scenario: Mapping[str, Any]) -> Grid:
    """By code, the most frequent first."""
    total = scenario["total"]
    codes = sorted(total["errors_by_code"].items(), key=lambda one: (-one[1], one[0]))
    return Grid(
        ("error", "calls", "of those offered"),
        [[code, count(calls), share(calls / total["offered"] if total["offered"] else None)] for code, calls in codes],
    )


def workers(scenario: Mapping[str, Any]) -> Grid:
    """What each took, and where a call's time went in it."""
    heads = ("worker", "CPU", "RSS, MB", "peak", "batch", "largest", "queue, ms", "longest", "service, ms", "longest")
    return Grid(heads, [_worker_row(place, worker) for place, worker in enumerate(scenario["workers"])])


def _worker_row(place: int, worker: Mapping[str, Any]) -> list[str]:
    memory = (megabytes(worker["rss_bytes"]), megabytes(worker["rss_peak_bytes"]))
    batch = (number(worker["batch_mean"]), number(worker["batch_max"], 0))
    times = (milliseconds(worker[f"{of}_ms_{how}"]) for of in ("queue", "service") for how in ("mean", "max"))
    name = str(place) if worker["pid"] is None else f"{place}, pid {worker['pid']}"
    return [name, percent(worker["cpu"]), *memory, *batch, *times]


def scenario_grids(scenario: Mapping[str, Any]) -> Iterator[Grid]:
    """Those with rows, in the order in which one reads them; nothing of calls where none was due."""
    of_calls = (load, latency, by_op, errors) if scenario["total"]["offered"] else ()
    for make in (*of_calls, workers):
        grid = make(scenario)
        if grid.rows:
            yield grid


def overview(report: Mapping[str, Any]) -> Grid:
    """A row a scenario: what a suite came to, of a ramp at its knee."""
    heads = ("scenario", "achieved/s", "errors", "p50, ms", "p99", "p99.9", "max", "verdict")
    return Grid(heads, [_overview_row(report, scenario) for scenario in report["scenarios"]])


def judged_phase(scenario: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a scenario is about: all of it, but of a ramp the step at its knee, above which it is meant to break."""
    knee = scenario["findings"].get("knee_rate")
    offered = {phase["rate_offered"]: phase for phase in scenario["phases"] if phase["rate_offered"]}
    found: Mapping[str, Any] = scenario["total"]
    if isinstance(knee, int | float) and offered:
        found = offered[min(offered, key=lambda rate: abs(rate - knee))]
    return found


def _overview_row(report: Mapping[str, Any], scenario: Mapping[str, Any]) -> list[str]:
    total = judged_phase(scenario)
    figures = _percentiles(total["latency_ms"], ("p50", "p99", "p999", "max"))
    verdict = {True: "met", False: "breached", None: "not judged"}[is_met(report, scenario)]
    return [scenario["name"], rate(total["rate_achieved"]), share(total["error_rate"]), *figures, verdict]


def is_met(report: Mapping[str, Any], scenario: Mapping[str, Any]) -> bool | None:
    """Whether a scenario met its objectives and goals; None where it has none that were judged."""
    found = [verdict["met"] for verdict in report["slo"] if verdict["scenario"] == scenario["name"]]
    found += [goal["met"] for goal in scenario["goals"] if goal["met"] is not None]
    return all(found) if found else None
