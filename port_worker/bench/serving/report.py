"""The summary of the bench of serving as tables, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from port_worker.bench.serving.sections import Section

_WIDTH = 120
_MARKS = {True: "[green]met[/green]", False: "[red]breached[/red]", None: "[yellow]not measured[/yellow]"}


def show(summary: Mapping[str, Any], sections: Mapping[str, Section], stream: IO[str]) -> None:
    """Write the machine, the tables of the sections, and the goals."""
    console = Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else _WIDTH)
    console.print(machine_line(summary["machine"]), markup=False)
    for name, found in summary["sections"].items():
        for one in sections[name].tables(found):
            console.print(one if isinstance(one, Table) else escape(one))
    for goal in summary["goals"]:
        observed = "" if goal["met"] is None else f"{goal['observed']}, "
        console.print(f"{goal['text']}: {observed}{_MARKS[goal['met']]}")


def machine_line(machine: Mapping[str, Any]) -> str:
    """The machine in one line."""
    libraries = ", ".join(f"{name} {version or '(none)'}" for name, version in machine["libraries"].items())
    load = machine["load_average_1m"]
    busy = "" if load is None else f", load {load:.1f}"
    return (
        f"{machine['cpu']}, {machine['processors']} processors{busy}; Python {machine['python']}, {libraries}; "
        f"BLAS {machine['blas']}, one thread each"
    )
