"""Which charts a scenario has, and what is in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from port_worker.bench.distribution import curve, decoded, nines
from port_worker.bench.figures import number
from port_worker.bench.html.scales import Scale, linear, logarithmic, percentiles, span
from port_worker.bench.html.svg import Bound, Chart, Line
from port_worker.bench.slo import LATENCIES, parse

_MOST_POINTS = 300
_MOST_CURVES = 7
_BOTH_KINDS_UP_TO = 3
"""Phases of which the uncorrected latencies are drawn too; of more, nobody could tell the curves apart."""
_FAR = 100.0
"""Times the largest latency: a bound farther away would only press the curves together."""

Reduce = Callable[[Sequence[float]], float]


def large(report: Mapping[str, Any], scenario: Mapping[str, Any]) -> Iterator[Chart]:
    """Those that a reader looks at first: where the tail is, when it was, and for a ramp at what rate."""
    bounds = latency_bounds(report, scenario)
    if scenario["name"].startswith("ramp") and len(scenario["phases"]) > 1:
        yield _by_rate(scenario, bounds)
    by_percentile = _by_percentile(scenario, bounds)
    if by_percentile is not None:
        yield by_percentile
    if any(value is not None for value in scenario["series"]["max_ms"]):
        yield _over_time(scenario, bounds)


def small(scenario: Mapping[str, Any]) -> Iterator[Chart]:
    """Throughput, and what it took of the machine."""
    series = scenario["series"]
    if any(series["offered"]):
        yield _throughput(scenario)
    if _says(series["rss_bytes"]):
        yield _per_worker(scenario, "Memory", "rss_bytes", "MB resident", 1e-6)
    if _says(series["cpu"]):
        yield _per_worker(scenario, "CPU", "cpu", "% of a core", 100.0)


def latency_bounds(report: Mapping[str, Any], scenario: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Upper bounds among the objectives: as typed, the metric by its name in a report, milliseconds."""
    found = []
    for verdict in report["slo"]:
        try:
            objective = parse(verdict["expression"])
        except ValueError:  # of another version of the bench
            continue
        is_bound = objective.metric in LATENCIES.values() and objective.comparison in ("<", "<=")
        if verdict["scenario"] == scenario["name"] and is_bound and objective.bound > 0:
            found.append((verdict["expression"], objective.metric, objective.bound))
    return found


def _by_percentile(scenario: Mapping[str, Any], bounds: Sequence[tuple[str, str, float]]) -> Chart | None:
    curves = list(_curves(scenario))
    if not curves:
        return None
    most = max(math.log10(max(count, 10)) for _, count, *_ in curves)
    lines = [
        Line(label, [(nines(share, most), ms) for share, ms in points], colour, dashed)
        for label, _, points, colour, dashed in curves
    ]
    known = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "p9999": 0.9999, "max": 1.0}
    drawn = [Bound(words, ms, nines(known[metric], most)) for words, metric, ms in bounds if metric in known]
    y, within = _latency_scale(lines, drawn)
    return Chart("Latency by percentile", percentiles(most), y, "percentile", "ms, logarithmic", lines, within)


def _curves(scenario: Mapping[str, Any]) -> Iterator[tuple[str, int, list[tuple[float, float]], int, bool]]:
    """Label, calls, points, colour, and whether it is dashed, which the uncorrected ones are."""
    phases = _merged(scenario["phases"] or [scenario["total"]])
    both = len(phases) <= _BOTH_KINDS_UP_TO
    for colour, (name, kinds) in enumerate(_chosen(list(phases.items())), 1):
        prefix = f"{name}, " if len(phases) > 1 else ""
        for kind, histogram in kinds.items():
            if both or kind == "corrected":
                dashed = kind == "uncorrected"
                # A single curve has its other kind in another colour; of several, colour says which phase it is.
                shade = 2 if dashed and len(phases) == 1 else colour
                yield f"{prefix}{kind}", histogram.get_total_count(), curve(histogram), shade, dashed


def _merged(phases: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Histograms by the phase's name and their kind; bursts that have one name are one."""
    found: dict[str, dict[str, Any]] = {}
    for phase in phases:
        for kind, field in (("corrected", "histogram"), ("uncorrected", "uncorrected_histogram")):
            histogram = decoded(phase[field])
            if histogram is None:
                continue
            kinds = found.setdefault(phase["name"], {})
            if kind in kinds:
                kinds[kind].add(histogram)
            else:
                kinds[kind] = histogram
    return found


def _chosen(things: list[Any]) -> list[Any]:
    """All, or as many as can be told apart, evenly from the first to the last."""
    if len(things) <= _MOST_CURVES:
        return things
    return [things[round(place * (len(things) - 1) / (_MOST_CURVES - 1))] for place in range(_MOST_CURVES)]


def _latency_scale(lines: Sequence[Line], bounds: Sequence[Bound]) -> tuple[Scale, list[Bound]]:
    """A scale of all the values, and the bounds that are near enough to be on it."""
    values = [y for line in lines for _, y in line.points if y is not None and y > 0]
    most = max(values, default=1.0)
    within = [bound for bound in bounds if bound.y <= most * _FAR and bound.y >= min(values, default=1.0) / _FAR]
    return logarithmic([*values, *(bound.y for bound in within)]), within


def _over_time(scenario: Mapping[str, Any], bounds: Sequence[tuple[str, str, float]]) -> Chart:
    series = scenario["series"]
    ways: tuple[tuple[str, str, int, Reduce], ...] = (
        ("max", "max_ms", 3, max),
        ("p99", "p99_ms", 2, max),
        ("p50", "p50_ms", 1, median),
    )
    lines = [Line(name, _points(scenario, series[field], how), colour) for name, field, colour, how in ways]
    drawn = [Bound(words, ms) for words, metric, ms in bounds if metric in ("p50", "p99", "max")]
    y, within = _latency_scale(lines, drawn)
    marks = [mark["at_s"] for mark in scenario["marks"]]
    return Chart("Latency over time", _time(scenario), y, "seconds", "ms, logarithmic", lines, within, marks)


def _by_rate(scenario: Mapping[str, Any], bounds: Sequence[tuple[str, str, float]]) -> Chart:
    """A ramp's own: what each step's rate did to the latency."""
    steps = sorted(scenario["phases"], key=lambda one: one["rate_offered"] or 0.0)
    lines = [
        Line(name, [(step["rate_offered"] or 0.0, (step["latency_ms"] or {}).get(field)) for step in steps], colour)
        for name, field, colour in (("p99.9", "p999", 3), ("p99", "p99", 2), ("p50", "p50", 1))
    ]
    y, within = _latency_scale(lines, [Bound(words, ms) for words, _, ms in bounds])
    knee = scenario["findings"].get("knee_rate")
    rates = span(0.0, max(step["rate_offered"] or 0.0 for step in steps))
    named = (float(knee), f"knee {number(knee)}/s") if isinstance(knee, int | float) else None
    return Chart("Latency by rate", rates, y, "calls offered a second", "ms, logarithmic", lines, within, named=named)


def _throughput(scenario: Mapping[str, Any]) -> Chart:
    series = scenario["series"]
    per_second = 1 / (series["interval_s"] or 1.0)
    lines = [
        Line(name, _points(scenario, series[name], fmean, per_second), colour, area=name == "offered")
        for name, colour in (("offered", 0), ("ok", 1), ("errors", 8))
    ]
    y = linear(max(value or 0.0 for line in lines for _, value in line.points))
    marks = [mark["at_s"] for mark in scenario["marks"]]
    return Chart("Throughput", _time(scenario), y, "seconds", "calls a second", lines, (), marks)


def _per_worker(scenario: Mapping[str, Any], title: str, field: str, y_label: str, factor: float) -> Chart:
    samples = scenario["series"][field]
    workers = max(map(len, samples))
    columns = [[row[place] if place < len(row) else None for row in samples] for place in range(workers)]
    lines = [
        Line(f"worker {place}", _points(scenario, column, fmean, factor), 1 + place % _MOST_CURVES)
        for place, column in enumerate(columns)
    ]
    y = linear(max(value or 0.0 for line in lines for _, value in line.points))
    marks = [mark["at_s"] for mark in scenario["marks"]]
    return Chart(title, _time(scenario), y, "seconds", y_label, lines, (), marks)


def _time(scenario: Mapping[str, Any]) -> Scale:
    series = scenario["series"]
    ends = [at + series["interval_s"] for at in series["at_s"][-1:]]
    return span(min(0.0, *series["at_s"][:1], 0.0), max([*ends, *(mark["at_s"] for mark in scenario["marks"])]))


def _points(
    scenario: Mapping[str, Any], values: Sequence[float | None], how: Reduce, factor: float = 1.0
) -> list[tuple[float, float | None]]:
    """Each value in the middle of its interval; of a long run, many in one as `how` makes one of them."""
    series = scenario["series"]
    width = max(1, math.ceil(len(values) / _MOST_POINTS))
    points: list[tuple[float, float | None]] = []
    for first in range(0, len(values), width):
        known = [value * factor for value in values[first : first + width] if value is not None]
        at = series["at_s"][first] + series["interval_s"] * width / 2
        points.append((at, how(known) if known else None))
    return points


def _says(samples: Sequence[Sequence[float | None]]) -> bool:
    return any(value is not None for row in samples for value in row)
