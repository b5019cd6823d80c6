"""Two sides, each of one report or of several repetitions, compared scenario by scenario."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from port_worker.bench.metrics import METRICS, Metric
from port_worker.bench.noise import CONFIDENCE, Interval, difference

SCHEMA = "port_worker.bench.comparison/1"
HIGHER, LOWER, WITHIN, UNKNOWN = "higher", "lower", "within noise", "unknown"

_ABOUT_MACHINE = ("system", "processors", "python")
_ABOUT_WORKER = ("version", "python", "model")

Report = Mapping[str, Any]


class NotComparableError(ValueError):
    """Reports that have nothing in common to compare."""


def compare(a: Sequence[Report], b: Sequence[Report]) -> dict[str, Any]:
    """The comparison, JSON-like. `ratio` is b to a, `low` and `high` its interval; of shares it is b less a.

    Raises NotComparableError where the sides have no scenario in common, or repetitions differ in theirs or in options.
    """
    for side in (a, b):
        _check_repetitions(side)
    names = [[scenario["name"] for scenario in side[0]["scenarios"]] for side in (a, b)]
    common = [name for name in names[0] if name in names[1]]
    if not common:
        theirs = " and ".join(", ".join(some) for some in names)
        raise NotComparableError(f"expected reports with a scenario in common, got {theirs}")
    return {
        "schema": SCHEMA,
        "confidence": CONFIDENCE,
        "runs": {"a": len(a), "b": len(b)},
        "noise": "between runs" if min(len(a), len(b)) > 1 else "within a run",
        "differing": list(_differing_surroundings(a[0], b[0])),
        "left_out": {side: [n for n in some if n not in common] for side, some in zip("ab", names, strict=True)},
        "scenarios": [_scenario(name, _of(name, a), _of(name, b)) for name in common],
    }


def _of(name: str, side: Sequence[Report]) -> list[Mapping[str, Any]]:
    return [scenario for report in side for scenario in report["scenarios"] if scenario["name"] == name]


def _check_repetitions(side: Sequence[Report]) -> None:
    """Repetitions are of the same scenarios, each once, with the same options but for the seed."""
    first = [scenario["name"] for scenario in side[0]["scenarios"]]
    if len(set(first)) < len(first):
        raise NotComparableError(f"expected each scenario once in a report, got {', '.join(first)}")
    for other in side[1:]:
        if [scenario["name"] for scenario in other["scenarios"]] != first:
            raise NotComparableError("expected repetitions of the same scenarios on one side")
        for one, same in zip(side[0]["scenarios"], other["scenarios"], strict=True):
            changed = [found["name"] for found in _differing_options(one, same) if found["name"] != "seed"]
            if changed:
                what = ", ".join(changed)
                raise NotComparableError(f"expected repetitions with the same options, {one['name']} differs in {what}")


def _differing_surroundings(a: Report, b: Report) -> Iterator[dict[str, Any]]:
    """Machine and worker, of the first report of each side."""
    for name, fields in (("machine", _ABOUT_MACHINE), ("worker", _ABOUT_WORKER)):
        mine, theirs = (report[name] or {} for report in (a, b))
        for field in fields:
            if mine.get(field) != theirs.get(field):
                yield {"name": f"{name} {field}", "a": mine.get(field), "b": theirs.get(field)}


def _differing_options(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if a["driver"] != b["driver"]:
        yield {"name": "driver", "a": a["driver"], "b": b["driver"]}
    for name in dict.fromkeys((*a["options"], *b["options"])):
        mine, theirs = a["options"].get(name), b["options"].get(name)
        if mine != theirs:
            yield {"name": name, "a": mine, "b": theirs}


def _scenario(name: str, a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = (_metric(metric, a, b) for metric in METRICS)
    return {
        "name": name,
        "differing": list(_differing_options(a[0], b[0])),
        "metrics": [metric for metric in found if metric is not None],
    }


def _metric(metric: Metric, a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """None where a side has nothing of it at all."""
    mine, theirs = ([value for one in side if (value := metric.of_run(one)) is not None] for side in (a, b))
    if not mine or not theirs:
        return None
    values = [math.fsum(side) / len(side) for side in (mine, theirs)]
    samples = (mine, theirs) if min(len(a), len(b)) > 1 else tuple(_batched(metric, side) for side in (a, b))
    interval = difference(*samples)
    return {
        "name": metric.name,
        "unit": metric.unit,
        "a": metric.shown(values[0]),
        "b": metric.shown(values[1]),
        **_change(metric, values, interval),
        "verdict": _verdict(interval),
    }


def _batched(metric: Metric, side: Sequence[Mapping[str, Any]]) -> list[float]:
    return [value for one in side for value in metric.of_batches(one)]


def _change(metric: Metric, values: Sequence[float], interval: Interval | None) -> dict[str, float | None]:
    """`ratio` or `difference`, with its ends."""
    mine, theirs = values
    ends = (None, None) if interval is None else (interval.low, interval.high)
    if metric.is_share:
        return {"ratio": None, "difference": theirs - mine, "low": ends[0], "high": ends[1]}
    if metric.is_log:
        low, high = (None if end is None else math.exp(end) for end in ends)
        return {"ratio": math.exp(theirs - mine), "difference": None, "low": low, "high": high}
    low, high = (None if end is None or mine <= 0 else 1 + end / mine for end in ends)
    return {"ratio": theirs / mine if mine > 0 else None, "difference": None, "low": low, "high": high}


def _verdict(interval: Interval | None) -> str:
    if interval is None:
        return UNKNOWN
    if not interval.is_beyond_noise:
        return WITHIN
    return HIGHER if interval.low > 0 else LOWER
