"""Tables of results. Names come from the user's data: they are shown as they are, never read as markup."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import singledispatch
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from port_worker.repl import results
from port_worker.repl.render import printable

_UNBOUNDED = 100_000  # columns where nobody looks through a window: then nothing is wrapped or cut
_NUMBERS = {"rank", "score", "weight", "rows", "users", "items", "size"}
_WHOLE = _NUMBERS | {"time (UTC)", "how", "kind", "key", "algorithm"}


def write(result: results.Result, stream: TextIO) -> None:
    """Print a result: with colour and in the window's width on a terminal, plain and uncut elsewhere."""
    if stream.isatty():
        _print(result, Console(file=stream, highlight=False))
        return
    plain = io.StringIO()
    _print(result, Console(file=plain, highlight=False, width=_UNBOUNDED, color_system=None))
    stream.writelines(f"{line.rstrip()}\n" for line in plain.getvalue().splitlines())


def _print(result: results.Result, console: Console) -> None:
    for part in parts(result):
        console.print(part, soft_wrap=isinstance(part, Text))


@singledispatch
def parts(result: object) -> list[Table | Text]:
    """What to print of a result, from top to bottom."""
    raise TypeError(f"no table for {type(result).__name__}")


@parts.register
def _(result: results.Recommendations) -> list[Table | Text]:
    who = _called(result.user, result.name)
    title = f"for {who}" if result.source == "model" else f"popular items: {who} is unknown to the model"
    return [_ranking(result.items, title), _model_line(result.model, result.exhausted)]


@parts.register
def _(result: results.SimilarItems) -> list[Table | Text]:
    return [_ranking(result.items, f"like {_called(result.item, result.name)}"), _model_line(result.model, False)]


@parts.register
def _(result: results.Profile) -> list[Table | Text]:
    rows: list[tuple[object, ...]]
    if any(seen.name is not None for seen in result.visits):
        rows = [(moment(seen.time), seen.how, seen.name, seen.kind, seen.id) for seen in result.visits]
        columns = ["time (UTC)", "how", "name", "kind", "item"]
    else:  # a file of interactions, which has no names
        rows = [(moment(seen.time), f"{seen.weight:g}", seen.id) for seen in result.visits]
        columns = ["time (UTC)", "weight", "item"]
    heading = f"{_called(result.user, result.name)}: the last {len(result.visits)} of what they met"
    return [_table(columns, rows, heading)] if rows else [Text(f"{_called(result.user, result.name)}: no visits")]


@parts.register
def _(result: results.Users) -> list[Table | Text]:
    named = any(person.name is not None for person in result.users)
    rows = [(person.name, person.id) if named else (person.id,) for person in result.users]
    return [_table(["name", "id"] if named else ["id"], rows, "some users")]


@parts.register
def _(result: results.Trained) -> list[Table | Text]:
    learnt = f"{result.rows:,} rows, {result.users:,} users, {result.items:,} items"
    return [
        _text(f"trained {result.algorithm} in {duration(result.duration_ms / 1000)}: {learnt}; model {result.version}")
    ]


@parts.register
def _(result: results.Models) -> list[Table | Text]:
    if not result.versions:
        return [Text("no models yet; `retrain` makes one")]
    # When it was made is the first part of a version's name.
    rows = [(each["version"], _standing(each), each["algorithm"], *_counts(each)) for each in result.versions]
    columns = ["version", "", "algorithm", "rows", "users", "items", "size"]
    return [_table(columns, rows, "models, newest first")]


@parts.register
def _(result: results.Status) -> list[Table | Text]:
    return [_table(["status", "value"], list(_facts(result.status)), None)]


@parts.register
def _(result: results.Pong) -> list[Table | Text]:
    return [_text(f"pong after {result.milliseconds:.2f} ms")]


@parts.register
def _(result: results.Algorithms) -> list[Table | Text]:
    rows = [(each.name, each.extra, ", ".join(each.parameters)) for each in result.algorithms]
    hint = _text(f"`retrain` alone trains {result.default}; `algorithms NAME` shows what its keys may be")
    return [_table(["algorithm", "extra", "keys"], rows, None), hint]


@parts.register
def _(result: results.AlgorithmParameters) -> list[Table | Text]:
    rows = [(each.name, _written(each.default), each.expected) for each in result.parameters]
    return [_table(["key", "default", "expected"], rows, result.algorithm)]


@parts.register
def _(result: results.Exchange) -> list[Table | Text]:
    shown: list[Table | Text] = []
    for frame in result.frames:
        arrow = "->" if frame.direction == "out" else "<-"
        shown.append(_text(f"{arrow} {frame.bytes} bytes  {frame.hex}"))
        shown.append(_text(f"   {frame.term}"))
    if len(result.frames) == 1:
        shown.append(_text("   (nothing came back)"))
    return shown


@parts.register
def _(result: results.Help) -> list[Table | Text]:
    return [_table(["command", ""], [(each.usage, each.summary) for each in result.commands], None)]


@parts.register
def _(_result: results.Farewell) -> list[Table | Text]:
    return []


def moment(seconds: int) -> str:
    """Unix seconds as a date and a time in UTC; the bare number where no calendar reaches."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def size(octets: int) -> str:
    """Bytes in the unit that leaves one to three digits before the point."""
    amount, unit = float(octets), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def duration(seconds: float) -> str:
    """Seconds as `850 ms`, `12.3 s`, `4 min 05 s` or `3 h 20 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _ranking(items: list[results.RankedItem], title: str) -> Table:
    if any(item.name is not None for item in items):
        rows = [(rank, item.name, item.kind, f"{item.score:.4f}", item.id) for rank, item in enumerate(items, 1)]
        return _table(["rank", "name", "kind", "score", "id"], rows, title)
    bare = [(rank, f"{item.score:.4f}", item.id) for rank, item in enumerate(items, 1)]
    return _table(["rank", "score", "id"], bare, title)


def _model_line(version: str, exhausted: bool) -> Text:
    return _text(f"model {version}" + ("; exhausted: there are no more" if exhausted else ""), "dim")


def _table(columns: list[str], rows: Iterable[tuple[object, ...]], title: str | None) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=None if title is None else _text(title, "bold"),
        title_justify="left",
    )
    for name in columns:
        # In a narrow window names and what a user copies go on in the next line; nothing else is worth that.
        table.add_column(name, justify="right" if name in _NUMBERS else "left", overflow="fold", no_wrap=name in _WHOLE)
    for row in rows:
        table.add_row(*(_text(_value(cell)) for cell in row))
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def _called(identity: object, name: str | None) -> str:
    return str(identity) if name is None else f"{name} ({identity})"


def _value(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value)) or "none"
    return str(value)


def _written(value: object) -> str:
    """A hyper-parameter's value as the command line takes it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is None:
        return "nil"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _standing(model: dict[str, Any]) -> str:
    return "active" if model["active"] else "damaged" if model["damaged"] else ""


def _counts(model: dict[str, Any]) -> list[str | None]:
    """Rows, users, items and size; a damaged version may not know them."""
    counts = [None if model[key] is None else f"{model[key]:,}" for key in ("rows", "users", "items")]
    return [*counts, None if model["bytes"] is None else size(model["bytes"])]


def _facts(facts: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Key and value, nested maps unfolded, with the units that the keys' endings name."""
    for key, value in facts.items():
        named = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _facts(value, f"{named}.")
        elif isinstance(value, int) and not isinstance(value, bool):
            yield _fact(named, value)
        else:
            yield named.replace("_", " "), _value(value)


def _fact(key: str, value: int) -> tuple[str, str]:
    words = key.replace("_", " ")
    if key.endswith("_bytes") or key.endswith(".bytes"):
        return words.removesuffix(" bytes"), size(value)
    if key.endswith("_ms"):
        return words.removesuffix(" ms"), duration(value / 1000)
    if key.endswith("created_at"):
        return words, f"{moment(value)} UTC"
    return words, str(value) if key.endswith("pid") else f"{value:,}"
