"""A comparison for people: one table for each catalogue, and what has to be known to read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from port_worker.bench.peers.comparison import LIBSERVING, NAMES, USUAL, WORKER
from port_worker.bench.serving.peers import FAISS, LIBRECOMMENDER, N
from port_worker.bench.serving.report import machine_line
from port_worker.bench.serving.tables import milliseconds, ratio, table

_WIDTH = 120
_NOTES = {
    WORKER: "through its pipe; all that waits there is one batch",
    LIBRECOMMENDER: "recommend_user in its own process, no pipe; with many in flight one call for all of them",
    USUAL: "erlang-py and recommend_user behind a pipe, one request at a time",
    LIBSERVING: "LibRecommender's own server: Sanic over HTTP on loopback, and Redis, a process more than others have",
    FAISS: "its IndexFlatIP in its own process: the product alone, no ids, no pipe, and what a user has met stays in",
}


def show(summary: Mapping[str, Any], stream: IO[str]) -> None:
    """Write the machine, the tables, and the notes."""
    console = Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else _WIDTH)
    console.print(machine_line(summary["machine"]), markup=False)
    for found in summary["catalogues"]:
        console.print(
            f"{found['name']}: {found['items']:,} items, d = {found['factors']}, {found['users']:,} users, "
            f"the {N} best, {summary['rounds']} rounds of {summary['calls']:,} calls",
            markup=False,
        )
        console.print(_table(found))
        for name in NAMES:
            if name in found["missing"]:
                console.print(f"{name}: not measured: {found['missing'][name]}", markup=False)
    console.print("x: times as much as the worker has, the median of the rounds; one thread in each process")
    for name, note in _NOTES.items():
        console.print(f"{name}: {note}", markup=False)


def _table(found: Mapping[str, Any]) -> Table:
    shown = table("in flight", "who", "p50 ms", "p99 ms", "calls/s", "p50 x", "p99 x", "calls/s x", "answers")
    shown.columns[1].justify = "left"
    last = None
    for row in found["rows"]:
        if last not in (None, row["in_flight"]):
            shown.add_section()
        last = row["in_flight"]
        share = found["right"][row["name"]]
        shown.add_row(
            str(row["in_flight"]),
            row["name"],
            *(milliseconds(row[name]) for name in ("p50_ms", "p99_ms")),
            f"{row['per_s']:,.0f}",
            *(ratio(row["ratios"][name]) for name in ("p50", "p99", "per_s")),
            "right" if share == 1.0 else f"[red]{1 - share:.1%} WRONG[/red]",
        )
    return shown
