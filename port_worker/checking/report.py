"""Tables of sources and of what one holds. Names come from the user's data: they are never read as markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from port_worker.checking.finding import Feature, Finding
from port_worker.sources.base import Progress
from port_worker.sources.definition import SourceDefinition

_UNBOUNDED = 100_000  # columns where nobody looks through a window


def show_list(sources: Mapping[str, SourceDefinition], default: str, stream: TextIO) -> None:
    """One line for each source; the default one is marked."""
    table = _table("name", "location", "")
    for name, definition in sources.items():
        table.add_row(Text(name), Text(definition.shown_location), "default" if name == default else "")
    _print(table, stream)


def show_finding(found: Finding, stream: TextIO) -> None:
    """What was found, a fact a line."""
    table = _table("", "")
    table.show_header = False
    for fact, value in _facts(found):
        table.add_row(fact, Text(value))
    _print(table, stream)


def _facts(found: Finding) -> Iterator[tuple[str, str]]:
    low, mean, high = found.weights
    fewest, median, most = found.rows_per_user
    skipped = f", {found.skipped:,} malformed ones skipped" if found.skipped else ""
    yield "source", f"{found.name}, {found.location}"
    yield "interactions", f"{found.rows:,}{skipped}"
    yield "users", f"{found.users:,}, with {fewest:,} to {most:,} interactions, half of them at most {median:,g}"
    yield "items", f"{found.items:,}{_kinds(found.item_kinds)}"
    yield "time", f"{_date(found.first)} to {_date(found.last)}"
    yield "weights", f"{low:g} to {high:g}, {mean:.3g} on average"
    yield "features of users", _features(found.user_features)
    yield "features of items", _features(found.item_features)
    yield "read in", f"{found.seconds:.1f} s"
    if not found.enough:
        yield "too little", "a training needs two users and two items with a weight above 0"


def _kinds(kinds: Mapping[str, int]) -> str:
    return "".join(f", {count:,} {name or 'of no kind'}" for name, count in kinds.items()).replace(", ", ": ", 1)


def _features(features: Mapping[str, Feature]) -> str:
    return ", ".join(f"{name} ({each.kind}, {each.known:.0%} known)" for name, each in features.items()) or "none"


def _date(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # past the end of the calendar
        return str(seconds)


@contextmanager
def reading(name: str, stream: TextIO) -> Iterator[Progress]:
    """What takes the number of rows read so far: a counter on a terminal; elsewhere nothing is said."""
    if not stream.isatty():
        yield lambda _rows: None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("reading {task.fields[source]}"), BarColumn(), TextColumn("{task.completed:,.0f} rows")
    with Bar(*columns, TimeElapsedColumn(), console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("", total=None, source=name)
        yield lambda rows: bar.update(task, completed=rows)


def _table(*columns: str) -> Table:
    return Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)


def _print(table: Table, stream: TextIO) -> None:
    if stream.isatty():
        Console(file=stream, highlight=False).print(table)
        return
    console = Console(file=stream, highlight=False, width=_UNBOUNDED, color_system=None)
    with console.capture() as captured:
        console.print(table)
    stream.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines() if line.strip())
