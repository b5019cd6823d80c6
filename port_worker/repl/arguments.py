"""From the words of a command to values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from math import isfinite

from port_worker.repl.errors import CommandError

MOST_SHOWN = 10_000
"""Rows of what the REPL itself looks up, which no worker bounds."""

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "nil": None, "null": None, "none": None}


class UsageError(Exception):
    """The words do not fit the command; whoever knows its usage says so."""


def split(text: str) -> list[str]:
    """Words as a shell splits them. Raises UsageError for a quote that does not end."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{str(error).lower()}; quote the whole word, or put a backslash before the quote") from None


def required(words: list[str], names: str, at_most: int | None = None) -> list[str]:
    """The words, one for each of `names` at least, and not more than `at_most`, if any. Raises UsageError."""
    wanted = names.split()
    if len(words) < len(wanted):
        raise UsageError(f"{wanted[len(words)]} is missing")
    return words if at_most is None else limited(words, at_most)


def limited(words: list[str], at_most: int) -> list[str]:
    """The words, of which there may be none to `at_most`. Raises UsageError."""
    if len(words) > at_most:
        raise UsageError(f"{words[at_most]!r} is too much (a name with spaces goes in quotes)")
    return words


def integer(text: str, name: str) -> int:
    """An integer; its range is checked by whoever uses it. Raises CommandError `invalid_argument`."""
    try:
        return int(text)
    except ValueError:
        found = text[:80]
        message = f"{name}: expected an integer, got {found!r}"
        raise CommandError("invalid_argument", message, {"argument": name, "got": found}) from None


def count(words: list[str], position: int, default: int, limit: int) -> int:
    """How many rows to show: the word at `position`, from 1 to `limit`. Raises CommandError `invalid_argument`."""
    if len(words) <= position:
        return default
    return within(integer(words[position], "n"), "n", limit)


def within(number: int, name: str, limit: int) -> int:
    """The number, which must be from 1 to `limit`. Raises CommandError `invalid_argument`."""
    if not 1 <= number <= limit:
        message = f"{name}: expected 1 to {limit}, got {number}"
        raise CommandError("invalid_argument", message, {"argument": name, "got": number})
    return number


def number(text: str, name: str) -> float:
    """A finite number; its range is checked by whoever uses it. Raises CommandError `invalid_argument`."""
    found = _scalar(text)
    if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found):
        message = f"{name}: expected a number, got {text[:80]!r}"
        raise CommandError("invalid_argument", message, {"argument": name, "got": text[:80]})
    return found


def parameters(words: Iterable[str]) -> dict[str, object]:
    """Hyper-parameters written `key=value`. Raises UsageError for a word without `=`, or a key given twice."""
    return {key: value(text) for key, text in pairs(words).items()}


def pairs(words: Iterable[str]) -> dict[str, str]:
    """Texts by name, written `key=value`. Raises UsageError for a word without `=`, or a key given twice."""
    chosen: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(f"expected key=value, got {word!r}")
        if key in chosen:
            raise UsageError(f"{key} is given twice")
        chosen[key] = text
    return chosen


def value(text: str) -> object:
    """A number, true, false, nil, a list (`64,32` or `[64,32]`), or else the text itself."""
    bracketed = text.startswith("[") and text.endswith("]")
    inside = text[1:-1] if bracketed else text
    if bracketed or "," in text:
        return [_scalar(part.strip()) for part in inside.split(",") if part.strip()]
    return _scalar(text)


def _scalar(text: str) -> object:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return float(text)
    return text
