"""A report as aligned tables, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from port_worker.bench import findings, remarks
from port_worker.bench.grids import Grid, overview, scenario_grids

_WIDTH = 120
_VERDICTS = {True: ("met", "green"), False: ("breached", "bold red"), None: ("not measured", "yellow")}

_MOST_MARKS = 8
"""More of them are steps or kills, of which there is a table; the page shows where each is."""


def show(report: Mapping[str, Any], stream: IO[str]) -> None:
    """Write the tables of every scenario, then the verdicts. `stream` may be a terminal, a pipe or a file."""
    # A table that is wider than its stream wraps its cells, which nobody can read: only a terminal narrows it.
    console = Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else _WIDTH)
    for part in _parts(report):
        console.print(part)


def _parts(report: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text(f"{remarks.worker(report)}; {remarks.machine(report)}")
    for scenario in report["scenarios"]:
        yield from _scenario(scenario)
    if len(report["scenarios"]) > 1:
        yield table(overview(report))
    yield from _verdicts(report)


def _scenario(scenario: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text.assemble("\n", (scenario["name"], "bold"), f": {remarks.options(scenario)}")
    for grid in (*scenario_grids(scenario), *findings.tables(scenario["findings"])):
        yield table(grid)
    yield ""
    for label, value in findings.facts(scenario["findings"]):
        yield Text(f"{label}: {value}")
    for mark in scenario["marks"] if len(scenario["marks"]) <= _MOST_MARKS else ():
        yield Text(f"at {mark['at_s']:.1f} s: {mark['text']}")
    for line in (remarks.sources(scenario), remarks.driver(scenario)):
        if line is not None:
            yield Text(line)
    warning = remarks.limit(scenario)
    if warning is not None:
        yield Text(f"WARNING: {warning}", style="bold yellow")


def table(grid: Grid) -> Group:
    """A grid with an empty line before it."""
    found = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for place, head in enumerate(grid.heads):
        found.add_column(head, justify="right" if place else "left", no_wrap=True)
    for row in grid.rows:
        found.add_row(*map(Text, row))
    return Group("", found)


def _verdicts(report: Mapping[str, Any]) -> Iterator[Text]:
    several = len(report["scenarios"]) > 1
    for scenario in report["scenarios"]:
        name = f"{scenario['name']}: " if several else ""
        for goal in scenario["goals"]:
            yield _verdict(f"{name}goal, {goal['text']}", goal["observed"], goal["met"])
    for verdict in report["slo"]:
        name = f"{verdict['scenario']}: " if several else ""
        yield _verdict(f"{name}slo {verdict['expression']}", remarks.observed(verdict), verdict["met"])


def _verdict(asked: str, observed: str, met: bool | None) -> Text:
    word, style = _VERDICTS[met]
    return Text.assemble(f"{asked}: ", *([] if met is None else [f"{observed}, "]), (word, style))
