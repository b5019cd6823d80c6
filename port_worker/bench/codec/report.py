"""The summary of the codec's bench as tables, for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from port_worker.bench.codec.peers import ERLANG_PY, MSGPACK, OURS, PEERS
from port_worker.bench.codec.through_port import NO_ERLANG

_BAR = 24
_MARKS = {True: "[green]met[/green]", False: "[red]breached[/red]", None: "[yellow]not measured[/yellow]"}


def show(summary: Mapping[str, Any], stream: IO[str], *, sections: Sequence[str]) -> None:
    """Write the tables of the sections that were asked for, then the goals."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    if summary["times"] is not None:
        console.print(_times(summary["times"]))
        console.print(_ratios(summary["times"]))
    if summary["echo"] is not None:
        console.print(_echo(summary["echo"]))
    elif "echo" in sections:
        console.print(f"echo through a Port: {NO_ERLANG}", markup=False)
    if summary["hostile"] is not None:
        console.print(_hostile(summary["hostile"], summary["limits"]))
    for goal in summary["goals"]:
        console.print(f"{goal['text']}: {_found(goal)}{_MARKS[goal['met']]}")


def _found(goal: Mapping[str, Any]) -> str:
    return "" if goal["met"] is None else f"{goal['observed']}, "


def _times(times: Mapping[str, Any]) -> Table:
    table = _table("µs, medians", OURS, "±", *PEERS[1:])
    for name, row in times.items():
        ours, *others = (row["us"][peer] for peer in PEERS)
        noise = (ours["p75"] - ours["p25"]) / 2 / ours["median"]
        table.add_row(
            name,
            _microseconds(ours["median"]),
            f"{noise:.0%}",
            *(_microseconds(other["median"]) for other in others),
        )
    return table


def _ratios(times: Mapping[str, Any]) -> Table:
    table = _table("times our time", ERLANG_PY, MSGPACK, f"{ERLANG_PY}, logarithmic")
    table.columns[-1].justify = "left"
    longest = max(row["ratios"][ERLANG_PY] for row in times.values())
    for name, row in times.items():
        found = row["ratios"]
        cells = (f"{found[peer]:,.2f}" for peer in (ERLANG_PY, MSGPACK))
        table.add_row(name, *cells, _bar(found[ERLANG_PY], longest))
    return table


def _bar(ratio: float, longest: float) -> str:
    """As long as the ratio's logarithm: 3 and 300 have to be seen side by side."""
    return "█" * max(1, round(_BAR * math.log(max(ratio, 1.0)) / math.log(max(longest, 2.0))))


def _echo(echo: Mapping[str, Any]) -> Table:
    table = _table("echo through a Port", "in flight", "messages/s", "to erlang-py's", "p50 µs")
    for place in range(len(echo[ERLANG_PY])):
        for peer, flows in echo.items():
            flow = flows[place]
            rate, p50 = f"{flow['messages_per_s']:,.0f}", f"{flow['p50_us']:,.1f}"
            table.add_row(peer, str(flow["in_flight"]), rate, f"{flow['times']:.2f}", p50)
    return table


def _hostile(costs: Sequence[Mapping[str, Any]], limits: Mapping[str, Any]) -> Table:
    table = _table("hostile frames", "ms", "CPU ms", "RSS", "heap", "")
    table.caption = (
        f"at most {limits['hostile_ms']:.0f} ms, or {limits['permitted_ms']:.0f} ms where every limit is kept, "
        f"and {limits['hostile_bytes'] / 2**20:.0f} MiB"
    )
    table.columns[-1].justify = "left"
    for cost in costs:
        table.add_row(
            cost["name"],
            *(f"{value:.1f}" for value in (cost["wall_ms"], cost["cpu_ms"])),
            *(f"{value / 2**20:.1f}" for value in (cost["rss_bytes"], cost["traced_bytes"])),
            "[red]BREACHED[/red]" if cost["breaches"] else "[green]ok[/green]",
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(first, *others)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _microseconds(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
