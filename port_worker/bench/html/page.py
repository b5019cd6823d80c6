"""The page: the verdict first, then for each scenario its figures, what happened when, and the tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from port_worker.bench import findings, remarks
from port_worker.bench.figures import count, megabytes, milliseconds, number, rate, share
from port_worker.bench.grids import is_met, judged_phase, overview, scenario_grids
from port_worker.bench.html import charts, tables
from port_worker.bench.html.elements import document, element
from port_worker.bench.html.svg import NARROW, WIDE, Chart, Size, drawn
from port_worker.bench.slo import observed

_WORDS = {True: ("met", "✓ met"), False: ("breached", "✗ breached"), None: ("unjudged", "○ not judged")}
_READING = (
    "Corrected latency runs from the time when a call was due, so a stall is paid by every call that was due in it; "
    "uncorrected latency runs from the time when it was sent, as a client that waits for one answer before it asks "
    "again would see it. Where the two part, the worker, or the driver, made calls wait to be sent. "
    "Percentiles are HdrHistogram's, with three significant digits."
)


def write(report: Mapping[str, Any], path: Path | str) -> None:
    """Write the page of a report. Raises OSError."""
    Path(path).write_text(page(report), encoding="utf-8", errors="replace")  # a lone surrogate is in no encoding


def page(report: Mapping[str, Any]) -> str:
    """The text of the file."""
    names = ", ".join(scenario["name"] for scenario in report["scenarios"])
    title = f"Bench: {names}" if len(report["scenarios"]) <= 3 else f"Bench: {len(report['scenarios'])} scenarios"
    style = files("port_worker.bench.html").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    sections = [_scenario(report, scenario, place) for place, scenario in enumerate(report["scenarios"], 1)]
    body = element("body", _header(report, title), element("main", *sections), _footer())
    return document(element("html", head, body, lang="en"))


def _header(report: Mapping[str, Any], title: str) -> Element:
    several = len(report["scenarios"]) > 1
    links = [f"#scenario-{place}" for place in range(1, len(report["scenarios"]) + 1)]
    return element(
        "header",
        element("div", element("h1", title), _badge(report["met"]), class_="titled"),
        element("p", f"{remarks.worker(report)}; {report['began']}", class_="soft"),
        element("p", remarks.machine(report), class_="soft"),
        element("p", element("code", shlex.join(report["command"])), class_="soft"),
        _verdicts(report),
        tables.table(overview(report), links) if several else None,
    )


def _badge(met: bool | None) -> Element:
    class_, words = _WORDS[met]
    return element("span", words, class_=f"badge {class_}")


def _verdicts(report: Mapping[str, Any]) -> Element | None:
    """Objectives and goals, the breached ones first."""
    several = len(report["scenarios"]) > 1
    found = [
        (verdict["scenario"], verdict["expression"], remarks.observed(verdict), verdict["met"])
        for verdict in report["slo"]
    ]
    found += [
        (scenario["name"], goal["text"], goal["observed"], goal["met"])
        for scenario in report["scenarios"]
        for goal in scenario["goals"]
    ]
    found.sort(key=lambda one: one[3] is not False)
    rows = [_verdict(f"{name}: {asked}" if several else asked, said, met) for name, asked, said, met in found]
    return element("ul", *rows, class_="verdicts") if rows else None


def _verdict(asked: str, found: str, met: bool | None) -> Element:
    class_, words = _WORDS[met]
    return element(
        "li",
        element("span", words, class_="word"),
        element("span", asked, class_="asked"),
        element("span", found, class_="found"),
        class_=class_,
    )


def _scenario(report: Mapping[str, Any], scenario: Mapping[str, Any], place: int) -> Element:
    several = len(report["scenarios"]) > 1
    warning = remarks.limit(scenario)
    titled = element("div", element("h2", scenario["name"]), _badge(is_met(report, scenario)), class_="titled")
    return element(
        "section",
        titled if several else element("h2", scenario["name"]),
        element("p", remarks.options(scenario), class_="soft"),
        None if warning is None else element("p", f"⚠ {warning}", class_="warning", role="note"),
        _tiles(scenario),
        *_charts(report, scenario),
        tables.facts(findings.facts(scenario["findings"])),
        *map(tables.table, findings.tables(scenario["findings"])),
        *map(tables.table, scenario_grids(scenario)),
        *_said(scenario),
        _each_second(scenario),
        id=f"scenario-{place}",
    )


def _tiles(scenario: Mapping[str, Any]) -> Element | None:
    """The figures that one asks for first, of a ramp at its knee; None where nothing was due."""
    total = judged_phase(scenario)
    if not total["offered"]:
        return None
    corrected, uncorrected = total["latency_ms"] or {}, total["uncorrected_ms"] or {}
    latencies = [
        (words, milliseconds(corrected.get(name)), "ms", f"uncorrected {milliseconds(uncorrected.get(name))}")
        for name, words in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max"))
    ]
    rss = observed(scenario).rss_bytes
    offered = "closed loop" if total["rate_offered"] is None else f"of {rate(total['rate_offered'])} offered"
    others = [
        ("answered", rate(total["rate_achieved"]), "/s", offered),
        ("errors", share(total["error_rate"]), "", f"{count(total['errors'])} of {count(total['offered'])}"),
        ("memory", megabytes(rss), "MB", "a worker's highest"),
    ]
    return element("ul", *(_tile(*tile) for tile in (*_knee(scenario), *latencies, *others)), class_="tiles")


def _knee(scenario: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What a ramp is run for."""
    if "knee_rate" in scenario["findings"]:
        yield "knee", number(scenario["findings"]["knee_rate"]), "/s", "all here is at it"


def _tile(name: str, value: str, unit: str, note: str) -> Element:
    return element(
        "li",
        element("span", name, class_="name"),
        element("span", f"{value} ", element("span", unit, class_="unit"), class_="value"),
        element("span", note, class_="note"),
    )


def _charts(report: Mapping[str, Any], scenario: Mapping[str, Any]) -> Iterator[Element | None]:
    """Two large ones in a row and three small ones below; an odd number of large ones takes the others among them."""
    large, small = list(charts.large(report, scenario)), list(charts.small(scenario))
    if len(large) % 2:
        large, small = [*large, *small], []
    yield _figures("large", large, (WIDE, NARROW))
    yield _marks(scenario["marks"])
    yield _figures("small", small, (NARROW,))


def _figures(class_: str, found: Sequence[Chart], sizes: Sequence[Size]) -> Element | None:
    return element("div", *(_figure(chart, sizes) for chart in found), class_=f"charts {class_}") if found else None


def _figure(chart: Chart, sizes: Sequence[Size]) -> Element:
    legend = element("ul", *(_key(line.label, line.colour, line.dashed) for line in chart.lines), class_="legend")
    return element("figure", element("figcaption", chart.title), legend, *(drawn(chart, size) for size in sizes))


def _key(label: str, colour: int, dashed: bool) -> Element:
    stroke = element("path", d="M1,5 H21", class_=f"line c{colour}{' dashed' if dashed else ''}")
    return element("li", element("svg", stroke, viewBox="0 0 22 10", aria_hidden="true"), label)


def _marks(marks: Sequence[Mapping[str, Any]]) -> Element | None:
    """What the numbers in the charts over time stand for."""
    rows = [
        element(
            "li",
            element("span", str(place), class_="flag"),
            element("span", f"{number(mark['at_s'])} s", class_="at"),
            mark["text"],
        )
        for place, mark in enumerate(marks, 1)
    ]
    return element("ol", *rows, class_="marks") if rows else None


def _said(scenario: Mapping[str, Any]) -> Iterator[Element]:
    for line in (remarks.sources(scenario), remarks.driver(scenario)):
        if line is not None:
            yield element("p", line, class_="soft")


def _each_second(scenario: Mapping[str, Any]) -> Element | None:
    grid = tables.each_second(scenario["series"])
    return element("details", element("summary", "Figures over time"), tables.table(grid)) if grid.rows else None


def _footer() -> Element:
    return element("footer", element("p", _READING, class_="soft"))
