"""Results as tables: with colour and in the window's width on a terminal, plain and uncut elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import singledispatch
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from port_worker.versions import commands

_UNBOUNDED = 100_000
_SHOWN_OTHERWISE = {"learnt_until", "evaluation", "losses", "rows_by_day"}
"""The facts that have lines of their own, or are curves, which `models report` draws."""
_NUMBERS = {"users", "items", "rows", "size"}


def show(result: commands.Result, stream: TextIO) -> None:
    """Print a result."""
    parts = list(_parts(result))
    if stream.isatty():
        console = Console(file=stream, highlight=False)
        for part in parts:
            console.print(part)
        return
    plain = io.StringIO()
    for part in parts:
        Console(file=plain, highlight=False, width=_UNBOUNDED, color_system=None).print(part)
    stream.writelines(f"{line.rstrip()}\n" for line in plain.getvalue().splitlines())


@singledispatch
def _parts(result: object) -> Iterator[Table | Text]:
    raise TypeError(f"no table for {type(result).__name__}")


@_parts.register
def _(result: commands.Listed) -> Iterator[Table | Text]:
    if not result.versions:
        yield Text("no models yet; a worker's `retrain` makes one")
        return
    columns = ["version", "", "algorithm", "kind", "users", "items", "rows", "size", "learnt until (UTC)"]
    yield _table(columns, [_row(line) for line in result.versions])
    if result.previous is not None:
        yield Text(f"`rollback` goes to {result.previous}")


def _row(line: commands.VersionLine) -> Sequence[object]:
    standing = "damaged" if line.damaged else "active" if line.active else "" if line.cached else "elsewhere"
    counts = (_count(line.users), _count(line.items), _count(line.rows), _size(line.bytes), _time(line.watermark))
    return (line.version, standing, line.algorithm, line.kind, *counts)


@_parts.register
def _(result: commands.Shown) -> Iterator[Table | Text]:
    manifest = result.manifest
    facts: list[tuple[str, str | None]] = [
        (name, _value(manifest[name])) for name in ("version", "algorithm", "kind", "source")
    ]
    facts += [("created (UTC)", _time(manifest["created_at"])), ("learnt until (UTC)", _time(result.watermark))]
    facts += [(name, _count(manifest[name])) for name in ("users", "items", "rows")]
    facts += [("active", "yes" if result.active else "no")]
    for part in ("params", "metrics", "libraries"):
        values = result.metrics if part == "metrics" else manifest[part]
        facts += [(f"{part}.{name}", _value(value)) for name, value in values.items()]
    others = {name: value for name, value in manifest["facts"].items() if name not in _SHOWN_OTHERWISE}
    facts += [(f"facts.{name}", _value(value)) for name, value in others.items()]
    yield _table(["manifest", "value"], facts)
    yield Text("")
    files: Mapping[str, Mapping[str, Any]] = manifest["files"]
    yield _table(
        ["file", "size", "sha256"], [(name, _size(file["size"]), file["sha256"]) for name, file in files.items()]
    )


@_parts.register
def _(result: commands.Switched) -> Iterator[Table | Text]:
    before = f"{result.previous} was before" if result.previous is not None else "none was before"
    yield Text(f"{result.version} is active; {before}")


@_parts.register
def _(result: commands.Verified) -> Iterator[Table | Text]:
    if not result.versions:
        yield Text("no version is active")
        return
    yield _table(["version", "", "why"], [_verdict(version, wrong) for version, wrong in result.versions.items()])


def _verdict(version: str, wrong: str | None) -> tuple[object, ...]:
    return version, "damaged" if wrong else "intact", wrong


@_parts.register
def _(result: commands.Pruned) -> Iterator[Table | Text]:
    yield Text(_removed(result.removed, "this machine"))
    if result.removed_remotely:
        yield Text(_removed(result.removed_remotely, "the remote store"))


def _removed(versions: Sequence[str], place: str) -> str:
    return f"removed from {place}: {', '.join(versions)}" if versions else "nothing to remove"


@_parts.register
def _(result: commands.Written) -> Iterator[Table | Text]:
    yield Text(f"{result.version} is described in {result.file}")


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        right = name in _NUMBERS
        table.add_column(name, justify="right" if right else "left", no_wrap=right or name in ("version", "file", ""))
    for row in rows:
        table.add_row(*(Text("-" if value is None else _printable(str(value))) for value in row))
    return table


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _size(number: int | None) -> str | None:
    if number is None:
        return None
    value = float(number)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def _time(seconds: int | None) -> str | None:
    try:
        return None if seconds is None else f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
