"""A run of the sources' bench as numbers and goals: what `--json` writes and the table shows."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from port_worker.bench.goals import Goal, are_met, at_least, at_most
from port_worker.bench.machine import machine
from port_worker.bench.sources.extract import OURS, Extracted
from port_worker.bench.sources.retrains import Retrain

ROWS_PER_S = 500_000
TIMES_THE_COLUMNS = 3.0
_LEAST_FOR_SPEED = 1_000_000  # below, the start of a connection counts
_LEAST_FOR_MEMORY = 10_000_000  # below, the interpreter and its libraries outweigh the columns
_MEMORY = f"peak memory below {TIMES_THE_COLUMNS:g} times the columns"
_MARKS = {True: "[green]met[/green]", False: "[red]breached[/red]", None: "[yellow]not measured[/yellow]"}


def summarize(found: Mapping[str, Sequence[Extracted]], rows: int, trained: Sequence[Retrain] = ()) -> dict[str, Any]:
    """The summary, JSON-like: for each way all its runs, and its median of rows a second; the retrains; the goals."""
    ours = found[OURS]
    speed = {way: statistics.median(run.rows_per_s for run in runs) for way, runs in found.items()}
    goals = [
        at_least(
            f"at least {ROWS_PER_S:,} rows a second",
            _judged(rows, _LEAST_FOR_SPEED, speed[OURS]),
            ROWS_PER_S,
            "{:,.0f}",
        ),
        at_most(_MEMORY, _judged(rows, _LEAST_FOR_MEMORY, _memory(ours)), TIMES_THE_COLUMNS),
        _all_rows(found, rows),
    ]
    return {
        "rows": rows,
        "ways": {
            way: {"rows_per_s": speed[way], "times": speed[OURS] / speed[way], "runs": [asdict(run) for run in runs]}
            for way, runs in found.items()
        },
        "retrains": [asdict(retrain) for retrain in trained],
        "goals": [asdict(goal) for goal in goals],
        "goals_met": are_met(goals),
        "machine": machine(),
    }


def show(summary: Mapping[str, Any], stream: IO[str]) -> None:
    """Write the table, then the goals."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    table = Table(f"{summary['rows']:,} rows", "rows/s", "ours to it", "seconds", "peak MB", "columns MB")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for way, found in summary["ways"].items():
        run = found["runs"][-1]
        table.add_row(
            way, f"{found['rows_per_s']:,.0f}", f"{found['times']:.2f}", f"{run['seconds']:.1f}",
            _megabytes(run["peak_bytes"]), _megabytes(run["columns_bytes"] or None),
        )  # fmt: skip
    console.print(table)
    if summary["retrains"]:
        console.print(_phases(summary["retrains"]))
    for goal in summary["goals"]:
        observed = "" if goal["met"] is None else f"{goal['observed']}, "
        console.print(f"{goal['text']}: {observed}{_MARKS[goal['met']]}")


def _phases(retrains: Sequence[Mapping[str, Any]]) -> Table:
    """A column for each retrain, a row for each phase that any of them had, in the order in which they were met."""
    table = Table("seconds of a retrain", *(retrain["algorithm"] for retrain in retrains))
    for column in table.columns[1:]:
        column.justify = "right"
    for name in dict.fromkeys(name for retrain in retrains for name in retrain["phases"]):
        cells = (retrain["phases"].get(name) for retrain in retrains)
        table.add_row(name.replace("_", " "), *("" if cell is None else f"{cell:,.1f}" for cell in cells))
    table.add_section()
    table.add_row("all", *(f"{retrain['seconds']:,.1f}" for retrain in retrains))
    table.add_row("trainer's peak MB", *(_megabytes(retrain["trainer_peak_bytes"]) for retrain in retrains))
    return table


def _judged(rows: int, least: int, value: float | None) -> float | None:
    return value if rows >= least else None


def _memory(runs: Sequence[Extracted]) -> float | None:
    """The whole process at its largest, its libraries included, over what it extracted."""
    peaks = [run.peak_bytes / run.columns_bytes for run in runs if run.peak_bytes is not None]
    return max(peaks, default=None)


def _all_rows(found: Mapping[str, Sequence[Extracted]], rows: int) -> Goal:
    read = {run.rows for runs in found.values() for run in runs}
    return Goal("every way reads every row", f"{', '.join(f'{count:,}' for count in sorted(read))}", read == {rows})


def _megabytes(octets: int | None) -> str:
    return "" if octets is None else f"{octets / 1e6:,.0f}"
