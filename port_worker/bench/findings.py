"""What a scenario alone finds out, as facts and grids. Names say their units, so a new finding needs nothing here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from port_worker.bench.figures import named, plain
from port_worker.bench.grids import PERCENTILES, Grid

_LABELS = {
    "knee_rate": "knee, the highest rate that meets every objective",
    "hanging": "calls that hang",
    "rss_slope_bytes_per_hour": "slope of resident memory",
    "seconds": "took",
}

_ELSEWHERE = {"evaluation", "args"}
"""What is in the JSON and not shown: `bin/models report` has a training's evaluation, the options its arguments."""


def facts(findings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Single values by what they are called, with their units."""
    return [row for name, value in findings.items() for row in _facts(name, value)]


def _facts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if name in _ELSEWHERE or _is_list_of_mappings(value) or _is_distribution(name, value):
        return
    label, unit, factor = named(name)
    label = _LABELS.get(name, label)
    if isinstance(value, Mapping):
        yield from ((f"{label}, {inner}", text) for key, one in value.items() for inner, text in _facts(key, one))
    else:
        yield label, _text(value, unit, factor)


def _text(value: Any, unit: str, factor: float) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(plain(one, factor) for one in value) or "none"
    if not unit or not _is_number(value):
        return plain(value, factor)
    return f"{plain(value, factor)}{'' if unit in ('%', '/s') else ' '}{unit}"


def tables(findings: Mapping[str, Any]) -> Iterator[Grid]:
    """A grid for each list of like things, such as the steps of a ramp, and one for the distributions of a unit."""
    for name, value in findings.items():
        if _is_list_of_mappings(value):
            yield _things(name, value)
    distributions = {name: value for name, value in findings.items() if _is_distribution(name, value)}
    for shape in dict.fromkeys((named(name)[1], tuple(value)) for name, value in distributions.items()):
        alike = {name: one for name, one in distributions.items() if (named(name)[1], tuple(one)) == shape}
        yield _distributions(shape[0], alike)


def _things(name: str, things: Sequence[Mapping[str, Any]]) -> Grid:
    columns = list(dict.fromkeys(key for thing in things for key in thing))
    known = [named(column) for column in columns]
    heads = [f"{label}{', ' if unit else ''}{unit}" for label, unit, _ in known]
    rows = [
        [str(place), *(_cell(thing.get(key), factor) for key, (_, _, factor) in zip(columns, known, strict=True))]
        for place, thing in enumerate(things, 1)
    ]
    return Grid((named(name)[0], *heads), rows)


def _distributions(unit: str, alike: Mapping[str, Mapping[str, float]]) -> Grid:
    """Rows of `ready_ms: {"count": 10, "p50": 412.0}`; all have the same columns."""
    columns = list(next(iter(alike.values())))
    rows = []
    for name, values in alike.items():
        label, _, factor = named(name)
        rows.append([label, *(plain(values[key], 1.0 if key == "count" else factor) for key in columns)])
    return Grid((unit, *(PERCENTILES.get(column, column) for column in columns)), rows)


def _cell(value: Any, factor: float) -> str:
    if isinstance(value, list):
        return ", ".join(plain(one, factor) for one in value)
    return f"{len(value)} entries" if isinstance(value, Mapping) else plain(value, factor)


def _is_list_of_mappings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _is_distribution(name: str, value: Any) -> bool:
    return bool(named(name)[1]) and isinstance(value, Mapping) and bool(value) and all(map(_is_number, value.values()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
