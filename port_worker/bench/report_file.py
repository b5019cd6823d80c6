"""Reports as files: `report.schema.json` says what one is, and a file that is none is refused by the first fault.

Checked by hand and not by a library: the schema uses a dozen words of JSON Schema 2020-12, which `_CHECKS` has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

SCHEMA = "port_worker.bench/1"

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


class ReportFileError(ValueError):
    """A file that holds no report, by its name and its first fault."""


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    text = files("port_worker.bench").joinpath("report.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def read_report(path: Path) -> dict[str, Any]:
    """The report in a file. Raises OSError, or ReportFileError for what is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no UTF-8, or no JSON
        raise ReportFileError(f"{path}: expected a report of bench --json, got no JSON: {error}") from None
    form = document.get("schema") if isinstance(document, dict) else None
    if form != SCHEMA:
        raise ReportFileError(f"{path}: expected a report with the schema {SCHEMA!r}, got {form!r}")
    fault = first_fault(document)
    if fault is not None:
        raise ReportFileError(f"{path}: not a report: {fault}")
    report: dict[str, Any] = document
    return report


def first_fault(document: Any) -> str | None:
    """Where a JSON-like value first departs from the schema, as `scenarios.0.total.ok: ...`; None for a report."""
    return next(_faults(document, schema(), ""), None)


def _faults(value: Any, rule: Mapping[str, Any], where: str) -> Iterator[str]:
    for word, asked in rule.items():
        check = _CHECKS.get(word)
        if check is not None:
            yield from check(value, asked, rule, where)


def _said(where: str, expected: str, value: Any) -> str:
    got = repr(value)
    return f"{where or 'the document'}: expected {expected}, got {got if len(got) <= 60 else got[:57] + '...'}"


def _reference(value: Any, asked: str, _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    yield from _faults(value, schema()["$defs"][asked.removeprefix("#/$defs/")], where)


def _type(value: Any, asked: str | list[str], _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    names = [asked] if isinstance(asked, str) else asked
    if not any(_is(value, name) for name in names):
        yield _said(where, " or ".join(names), value)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False  # Python reads NaN and Infinity, which are no JSON
    if name == "integer" and isinstance(value, float):
        return value.is_integer()  # JSON Schema has one kind of number: 12.0 is 12
    return isinstance(value, _TYPES[name])


def _const(value: Any, asked: Any, _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if value != asked:
        yield _said(where, repr(asked), value)


def _enum(value: Any, asked: list[Any], _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if value not in asked:
        yield _said(where, f"one of {', '.join(map(str, asked))}", value)


def _minimum(value: Any, asked: float, _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if _is(value, "number") and value < asked:
        yield _said(where, f"{asked} or more", value)


def _maximum(value: Any, asked: float, _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if _is(value, "number") and value > asked:
        yield _said(where, f"{asked} or less", value)


def _min_items(value: Any, asked: int, _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if isinstance(value, list) and len(value) < asked:
        yield _said(where, f"at least {asked} of them", value)


def _required(value: Any, asked: list[str], _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (_said(where, f"the field {name!r}", list(value)) for name in asked if name not in value)


def _properties(value: Any, asked: Mapping[str, Any], _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, rule in asked.items():
            if name in value:
                yield from _faults(value[name], rule, _under(where, name))


def _additional(value: Any, asked: Any, rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for name in value.keys() - rule.get("properties", {}).keys():
        if asked is False:
            yield f"{_under(where, name)}: no report has this field"
        else:
            yield from _faults(value[name], asked, _under(where, name))


def _items(value: Any, asked: Mapping[str, Any], _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield from _faults(item, asked, _under(where, str(place)))


def _any_of(value: Any, asked: list[Mapping[str, Any]], _rule: Mapping[str, Any], where: str) -> Iterator[str]:
    faults = [next(_faults(value, rule, where), None) for rule in asked]
    if None not in faults:
        yield str(faults[0])


def _under(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


_CHECKS: Mapping[str, Callable[[Any, Any, Mapping[str, Any], str], Iterator[str]]] = {
    "$ref": _reference,
    "type": _type,
    "const": _const,
    "enum": _enum,
    "minimum": _minimum,
    "maximum": _maximum,
    "minItems": _min_items,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "anyOf": _any_of,
}
SAYS_NOTHING = frozenset({"$schema", "$id", "$defs", "title", "description"})
"""Words of the schema that are for people."""
KNOWN_WORDS = frozenset(_CHECKS) | SAYS_NOTHING
