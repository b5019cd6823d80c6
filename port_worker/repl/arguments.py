"""From the words of a command to values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from port_worker.repl.errors import CommandError

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "nil": None, "null": None, "none": None}


class UsageError(Exception):
    """The words do not fit the command; whoever knows its usage says so."""


def split(text: str) -> list[str]:
    """Words as a shell splits them. Raises UsageError for a quote that does not end."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{str(error).lower()}; quote the whole word, or put a backslash before the quote") from None


def required(words: list[str], names: str, at_most: int) -> list[str]:
    """The words, of which there must be one to `at_most`. Raises UsageError."""
    if not words:
        raise UsageError(f"{names.split()[0]} is missing")
    return limited(words, at_most)


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
    number = integer(words[position], "n")
    if not 1 <= number <= limit:
        message = f"n: expected 1 to {limit}, got {number}"
        raise CommandError("invalid_argument", message, {"argument": "n", "got": number})
    return number


def parameters(words: Iterable[str]) -> dict[str, object]:
    """Hyper-parameters written `key=value`. Raises UsageError for a word without `=`, or a key given twice."""
    chosen: dict[str, object] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(f"expected key=value, got {word!r}")
        if key in chosen:
            raise UsageError(f"{key} is given twice")
        chosen[key] = value(text)
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
