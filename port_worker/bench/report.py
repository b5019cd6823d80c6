"""The summary as a table, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rich.console import Console
from rich.table import Table

_COLUMNS = ("p50", "p90", "p99", "p999", "max")
_HEADS = ("p50", "p90", "p99", "p99.9", "max")
_MARKS = {True: "[green]met[/green]", False: "[red]breached[/red]", None: "not judged"}


def show(summary: Mapping[str, Any], stream: IO[str]) -> None:
    """Write the tables of a summary to a stream."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    console.print(_load(summary))
    console.print(_latency(summary))
    for line in _remarks(summary):
        console.print(line, markup=False)
    for verdict in summary["slo"]:
        mark = "[green]met[/green]" if verdict["met"] else "[red]breached[/red]"
        console.print(f"slo {verdict['expression']}: {mark}")
    for goal in summary.get("goals", ()):
        console.print(f"goal {goal['text']}: {goal['observed']}, {_MARKS[goal['met']]}")


def _load(summary: Mapping[str, Any]) -> Table:
    table = Table("offered/s", "achieved/s", "sent", "ok", "errors", "error rate")
    for column in table.columns:
        column.justify = "right"
    table.add_row(
        f"{summary['rate_offered']:,.1f}",
        f"{summary['rate_achieved']:,.1f}",
        f"{summary['sent']:,}",
        f"{summary['ok']:,}",
        f"{summary['errors']:,}",
        f"{summary['error_rate']:.2%}",
    )
    return table


def _latency(summary: Mapping[str, Any]) -> Table:
    table = Table("latency, ms", *_HEADS)
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("all", *_cells(summary["latency_ms"]))
    for name, phase in summary.get("retrain", {}).get("phases", {}).items():
        table.add_row(f"{name} the retrain", *_cells(phase["latency_ms"]))
    return table


def _cells(latency_ms: Mapping[str, float] | None) -> list[str]:
    return ["-"] * len(_COLUMNS) if latency_ms is None else [f"{latency_ms[name]:.2f}" for name in _COLUMNS]


def _remarks(summary: Mapping[str, Any]) -> list[str]:
    lines = [f"error {code}: {count:,}" for code, count in summary["errors_by_code"].items()]
    retrain = summary.get("retrain")
    if retrain is not None:
        error = retrain["error"]
        how = "done" if error is None else f"failed, {error['code']}: {error['message']}"
        lines.append(f"retrain: {how} after {retrain['seconds']:.1f} s")
    worker = summary.get("worker") or {}
    if worker.get("rss_bytes"):
        lines.append(f"worker: {worker['rss_bytes'] / 1e6:.0f} MB resident")
    driver = summary["driver"]
    if driver["limited"]:
        late, busy = driver["send_lag_ms"]["p99"], driver["busy"]
        lines.append(
            f"the driver was a limit: sends {late:.1f} ms late at p99, busy {busy:.0%}; latencies include that"
        )
    return lines
