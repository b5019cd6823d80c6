"""Grids and facts as tables and lists of a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from port_worker.bench.figures import NONE, count, megabytes, milliseconds, number, percent
from port_worker.bench.grids import Grid
from port_worker.bench.html.elements import element

_MOST_ROWS = 120
_VERDICT_WORDS = ("met", "breached")


def table(grid: Grid, links: Sequence[str] = ()) -> Element:
    """A table that scrolls by itself where the screen is narrow; `links` are where the rows' names lead."""
    heads = element("tr", *(element("th", head, scope="col") for head in grid.heads))
    rows = [_row(row, links[place] if links else None) for place, row in enumerate(grid.rows)]
    inner = element("table", element("thead", heads), element("tbody", *rows))
    return element("div", inner, class_="scroll", tabindex="0", role="region", aria_label=grid.heads[0])


def _row(cells: Sequence[str], link: str | None) -> Element:
    name = cells[0] if link is None else element("a", cells[0], href=link)
    return element("tr", element("th", name, scope="row"), *map(_cell, cells[1:]))


def _cell(text: str) -> Element:
    return element("td", text, class_=text) if text in _VERDICT_WORDS else element("td", text)


def facts(rows: Iterable[tuple[str, str]]) -> Element | None:
    """Terms and what is said of them; None for none."""
    pairs = [part for name, value in rows for part in (element("dt", name), element("dd", value or NONE))]
    return element("dl", *pairs) if pairs else None


def each_second(series: Mapping[str, Any]) -> Grid:
    """The charts over time in figures; of a long run, rows that are some seconds apart."""
    step = max(1, math.ceil(len(series["at_s"]) / _MOST_ROWS))
    heads = ("at, s", "offered", "ok", "errors", "p50, ms", "p99", "max", "RSS, MB", "CPU")
    return Grid(heads, [_second(series, place) for place in range(0, len(series["at_s"]), step)])


def _second(series: Mapping[str, Any], place: int) -> list[str]:
    counts = [count(series[name][place]) for name in ("offered", "ok", "errors")]
    times = [milliseconds(series[name][place]) for name in ("p50_ms", "p99_ms", "max_ms")]
    used = [_summed(series[name], place) for name in ("rss_bytes", "cpu")]
    return [number(series["at_s"][place]), *counts, *times, megabytes(used[0]), percent(used[1])]


def _summed(samples: Sequence[Sequence[float | None]], place: int) -> float | None:
    """Of all workers that were there."""
    known = [value for value in (samples[place] if place < len(samples) else ()) if value is not None]
    return sum(known) if known else None
