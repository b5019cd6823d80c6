"""The report as tables, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rich.console import Console
from rich.table import Table

_COLUMNS = ("p50", "p90", "p99", "p999", "max")
_HEADS = ("p50", "p90", "p99", "p99.9", "max")
_MARKS = {True: "[green]met[/green]", False: "[red]breached[/red]", None: "not judged"}


def show(report: Mapping[str, Any], stream: IO[str]) -> None:
    """Write the tables of a report to a stream."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    for scenario in report["scenarios"]:
        console.print(_load(scenario))
        for line in _remarks(scenario):
            console.print(line, markup=False)
        for goal in scenario["goals"]:
            console.print(f"goal {goal['text']}: {goal['observed']}, {_MARKS[goal['met']]}")
    for verdict in report["slo"]:
        console.print(f"slo {verdict['scenario']} {verdict['expression']}: {_MARKS[verdict['met']]}")


def _load(scenario: Mapping[str, Any]) -> Table:
    heads = (f"{name}, ms" for name in _HEADS)
    table = Table(scenario["name"], "offered/s", "achieved/s", "ok", "errors", *heads, "p99.9 uncorrected")
    for column in table.columns[1:]:
        column.justify = "right"
    for phase in (*scenario["phases"], *scenario["by_op"].values(), scenario["total"]):
        table.add_row(
            phase["name"],
            "-" if phase["rate_offered"] is None else f"{phase['rate_offered']:,.1f}",
            f"{phase['rate_achieved']:,.1f}",
            f"{phase['ok']:,}",
            f"{phase['errors']:,}",
            *_cells(phase["latency_ms"], _COLUMNS),
            *_cells(phase["uncorrected_ms"], ("p999",)),
        )
    return table


def _cells(latency_ms: Mapping[str, float] | None, names: tuple[str, ...]) -> list[str]:
    return ["-"] * len(names) if latency_ms is None else [f"{latency_ms[name]:.2f}" for name in names]


def _remarks(scenario: Mapping[str, Any]) -> list[str]:
    lines = [f"error {code}: {count:,}" for code, count in scenario["total"]["errors_by_code"].items()]
    held = [worker for worker in scenario["workers"] if worker["rss_bytes"]]
    lines += [f"worker {worker['pid']}: {worker['rss_bytes'] / 1e6:.0f} MB resident" for worker in held]
    driver = scenario["driver_load"]
    if driver["limited"]:
        lines.append(f"the driver was a limit: {driver['why']}; latencies include that")
    lines += [f"{name}: {value}" for name, value in scenario["findings"].items()]
    return lines
