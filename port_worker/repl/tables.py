"""Tables of results. Names come from the user's data: they are shown as they are, never read as markup."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import singledispatch
from typing import Any, TextIO, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from port_worker.repl import results
from port_worker.repl.render import printable

_UNBOUNDED = 100_000  # columns where nobody looks through a window: then nothing is wrapped or cut
_NUMBERS = {"rank", "score", "speaks for it", "weight", "rows", "users", "items", "size", "found"} | {
    *("recall", "ndcg", "map", "coverage", "novelty")
}
_WHOLE = _NUMBERS | {"time (UTC)", "how", "kind", "key", "algorithm", "source", "extra"}


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
        if isinstance(part, Table) and part.title is not None:  # else it is wrapped to the width of the table
            console.print(part.title, soft_wrap=True)
            part.title = None
        if isinstance(part, _Fitted):
            part.fit(console)
        console.print(part, soft_wrap=isinstance(part, Text))


@singledispatch
def parts(result: object) -> list[Table | Text]:
    """What to print of a result, from top to bottom."""
    raise TypeError(f"no table for {type(result).__name__}")


@parts.register
def _(result: results.Recommendations) -> list[Table | Text]:
    title = _TITLES[result.source].format(_called(result.user, result.name))
    lines: list[Table | Text] = [
        _ranking(result.items, title),
        _model_line(result.model, result.source, result.exhausted),
    ]
    if result.scored < len(result.items):
        lines.append(_text(f"scored: the model ranked {_first(result.scored)}; popular items follow"))
    if result.ignored:
        lines.append(_text(f"ignored, since the model does not know it: {', '.join(result.ignored)}"))
    return lines


_TITLES = {
    "model": "for {}",
    "fold_in": "for {}, by the items that they met",
    "features": "for {}, by their features",
    "popular": "popular items: the model knows nothing of {}",
}


def _first(count: int) -> str:
    return "none of these" if not count else "the first of these" if count == 1 else f"the first {count} of these"


@parts.register
def _(result: results.ManyRecommendations) -> list[Table | Text]:
    named = any(user.name is not None for user in result.users)
    rows = []
    for user in result.users:
        who = (user.name, user.user) if named else (user.user,)
        rows.append((*who, user.source, len(user.items), _firsts(user.items)))
    columns = [*(["name", "id"] if named else ["id"]), "source", "found", "first items"]
    return [_table(columns, rows, f"up to {result.n} items for each of {len(rows):,} users"), _model_line(result.model)]


_FIRSTS = 3


def _firsts(items: list[results.RankedItem]) -> str:
    return ", ".join(str(item.id) if item.name is None else item.name for item in items[:_FIRSTS])


@parts.register
def _(result: results.SimilarItems) -> list[Table | Text]:
    title = f"like {_called(result.item, result.name)}, by {result.metric}"
    return [_ranking(result.items, title), _model_line(result.model, exhausted=result.exhausted)]


@parts.register
def _(result: results.ItemScores) -> list[Table | Text]:
    scored = [(item, "unknown" if item.score is None else f"{item.score:.4f}") for item in result.items]
    title = f"what these are worth to {_called(result.user, result.name)}"
    return [_described(scored, "score", title), _model_line(result.model, result.source)]


@parts.register
def _(result: results.Explanation) -> list[Table | Text]:
    who, what = _called(result.user, result.name), _called(result.item, result.item_name)
    reasons = [(item, f"{item.contribution:.4f}") for item in result.items]
    scored = f"score {result.score:.4f}"
    if not reasons:
        nothing = _text(f"nothing that {who} met is known, so nothing speaks for {what}")
        return [nothing, _text(scored), _model_line(result.model, result.source)]
    table = _described(reasons, "speaks for it", f"why {what} for {who}")
    return [table, _text(f"{scored}; {_METHODS[result.method]}"), _model_line(result.model, result.source)]


_METHODS = {
    "exact": "exact: what all of the user's items contribute adds up to it",
    "similarity": "similarity: how like the item each of the user's items is",
}


@parts.register
def _(result: results.Fed) -> list[Table | Text]:
    who, what = _called(result.user, result.name), _called(result.item, result.item_name)
    lines = [_text(f"kept: {who} met {what}, weight {result.weight:g}; {_counted(result.stored, 'interaction')} kept")]
    strange = [who] * bool(result.unknown_users) + [what] * bool(result.unknown_items)
    if strange:
        lines.append(_text(f"the model does not know {' and '.join(strange)}: the next `retrain` may"))
    return [*lines]


@parts.register
def _(result: results.Visibility) -> list[Table | Text]:
    rows = [(item.name, item.kind, item.id) for item in result.items]
    named = any(item.name is not None for item in result.items)
    table = _table(["name", "kind", "id"], rows, None) if named else _table(["id"], [row[2:] for row in rows], None)
    done = "shown again" if result.shown else "hidden"
    strange = f", {result.unknown:,} of them unknown to the model" if result.unknown else ""
    return [table, _text(f"{done}: {_counted(result.changed, 'item')}{strange}; {result.hidden:,} are hidden now")]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


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
    skipped = f" (and {result.skipped:,} malformed ones skipped)" if result.skipped else ""
    learnt = f"{result.rows:,} rows{skipped}, {result.users:,} users, {result.items:,} items"
    how = "" if result.mode == "full" else f" ({result.mode})"
    took = duration(result.duration_ms / 1000)
    lines: list[Table | Text] = [
        _text(f"trained {result.algorithm}{how} in {took}: {learnt}; model {result.version}"),
        _text(f"{'it answers now' if result.activated else 'it does not answer'}: {result.reason}"),
    ]
    return lines if result.evaluation is None else [*lines, _evaluation(result.evaluation)]


_MEASURED = ("recall", "ndcg", "map", "coverage", "novelty")


def _evaluation(found: dict[str, Any]) -> Table:
    """A row for each that was measured, the means over the users."""
    cutoff = found["cutoff"]
    columns = [f"{name}@{cutoff}" if name in ("recall", "ndcg", "map") else name for name in _MEASURED]
    rows = [
        (name, *(f"{found[name][measure]:.{2 if measure == 'novelty' else 4}f}" for measure in _MEASURED))
        for name in ("candidate", "active", "popularity")
        if found[name] is not None
    ]
    return _table(["", *columns], rows, f"of {_counted(found['users'], 'user')}")


@parts.register
def _(result: results.Switched) -> list[Table | Text]:
    before = f"{result.previous} did before" if result.previous is not None else "none did before"
    return [_text(f"{result.version} ({result.algorithm}) answers now; {before}")]


@parts.register
def _(result: results.Models) -> list[Table | Text]:
    if not result.versions:
        return [Text("no models yet; `retrain` makes one")]
    # When it was made is the first part of a version's name.
    rows = [
        (each["version"], _standing(each), each["algorithm"], *_counts(each), each["kind"], _measured(each["facts"]))
        for each in result.versions
    ]
    columns = ["version", "", "algorithm", "rows", "users", "items", "size", "kind", "facts"]
    return [_table(columns, rows, "models, newest first", spare=2)]


@parts.register
def _(result: results.Status) -> list[Table | Text]:
    return [_table(["status", "value"], list(_facts(result.status)), None)]


@parts.register
def _(result: results.Pong) -> list[Table | Text]:
    return [_text(f"pong after {result.milliseconds:.2f} ms")]


@parts.register
def _(result: results.Algorithms) -> list[Table | Text]:
    rows = [
        (
            each.name,
            each.kind,
            *(", ".join(some) or None for some in (each.features, each.modes)),
            each.extra,
            ", ".join(each.parameters),
        )
        for each in result.algorithms
    ]
    hints = [_text(f"`retrain` alone trains {result.default}; `algorithms NAME` shows what its keys may be")]
    if result.retrievers and result.rankers:
        pair = f"{result.retrievers[0]}+{result.rankers[0]}"
        hints.append(_text(f"any embedding algorithm and any network are a pair of two stages: `retrain {pair}`"))
    return [_table(["algorithm", "kind", "features of", "modes", "extra", "keys"], rows, None), *hints]


@parts.register
def _(result: results.AlgorithmParameters) -> list[Table | Text]:
    rows = [(each.name, _written(each.default), each.expected) for each in result.parameters]
    learns = f"; learns from features of {' and '.join(result.features)}" if result.features else ""
    return [_table(["key", "default", "expected"], rows, f"{result.algorithm} ({result.kind}{learns})")]


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
    shown: list[Table | Text] = [_usages("command", result.commands)]
    return [*shown, _usages("option", result.options)] if result.options else shown


def _usages(what: str, lines: Sequence[results.CommandHelp | results.OptionHelp]) -> Table:
    return _table([what, ""], [(each.usage, each.summary) for each in lines], None)


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
    """Seconds as `0.85 ms`, `850 ms`, `12.3 s`, `4 min 05 s` or `3 h 20 min`."""
    if 0 < seconds < 0.01:
        return f"{seconds * 1000:.2f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _ranking(items: list[results.RankedItem], title: str) -> Table:
    return _described([(item, f"{item.score:.4f}") for item in items], "score", title, ranked=True)


_Described: TypeAlias = results.RankedItem | results.ScoredItem | results.Reason


def _described(items: Sequence[tuple[_Described, str]], said: str, title: str, ranked: bool = False) -> Table:
    """A row an item: its rank, its name and kind where there are names, what is `said` of it, and its id."""
    named = any(item.name is not None for item, _ in items)
    rows = []
    for rank, (item, text) in enumerate(items, 1):
        called = (item.name, item.kind) if named else ()
        rows.append((*((rank,) if ranked else ()), *called, text, item.id))
    columns = [*(["rank"] if ranked else []), *(["name", "kind"] if named else []), said, "id"]
    return _table(columns, rows, title)


def _model_line(version: str, source: str | None = None, exhausted: bool = False) -> Text:
    parts = [f"model {version}"] if source is None else [f"model {version}", f"source {source}"]
    return _text("; ".join([*parts, *(["exhausted: there are no more"] if exhausted else [])]), "dim")


class _Fitted(Table):
    """A table that leaves out the last of its columns where the window is too narrow for them: at most `spare`."""

    spare = 0

    def fit(self, console: Console) -> None:
        """Leave out what a window of this width has no room for."""
        unbounded = console.options.update_width(_UNBOUNDED)
        while self.spare and self.__rich_measure__(console, unbounded).maximum > console.width:
            self.columns.pop()
            self.spare -= 1


def _table(columns: list[str], rows: Iterable[tuple[object, ...]], title: str | None, spare: int = 0) -> Table:
    table = _Fitted(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=None if title is None else _text(title, "bold"),
        title_justify="left",
    )
    table.spare = spare
    for name in columns:
        # In a narrow window names and what a user copies go on in the next line; nothing else is worth that.
        of = name.partition("@")[0]  # a measure's cutoff
        table.add_column(name, justify="right" if of in _NUMBERS else "left", overflow="fold", no_wrap=of in _WHOLE)
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


def _measured(facts: dict[str, Any] | None) -> str | None:
    """What was decided and measured when a model was made: `fold in least_squares; index recall 0.987`."""
    said = []
    for name, fact in (facts or {}).items():
        if isinstance(fact, dict):
            known = [str(fact["method"])] if "method" in fact else []
            fact = " ".join([*known, *([f"recall {fact['recall']:.3f}"] if "recall" in fact else [])])
        said.append(f"{name.replace('_', ' ')} {moment(fact) if name == 'learnt_until' else _value(fact)}")
    return "; ".join(said) or None


def _facts(facts: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Key and value, nested maps unfolded, with the units that the keys name."""
    for key, value in facts.items():
        named = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _facts(value, f"{named}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield _fact(named, value)
        else:
            yield named.replace("_", " "), _value(value)


_OF_TIME = re.compile(r"_ms(?=_mean$|_max$|$)")


def _fact(key: str, value: float) -> tuple[str, str]:
    words = key.replace("_", " ")
    if key.endswith("_bytes") or key.endswith(".bytes"):
        return words.removesuffix(" bytes"), size(round(value))
    if _OF_TIME.search(key):
        return _OF_TIME.sub("", key).replace("_", " "), duration(value / 1000)
    if key.endswith("created_at"):
        return words, f"{moment(round(value))} UTC"
    return words, str(value) if key.endswith("pid") else f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
