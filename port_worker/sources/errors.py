"""What a source says when it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

_SHOWN_CHARACTERS = 80

Detail: TypeAlias = str | int | list[str]
Place: TypeAlias = tuple[str, int | str]  # ("line", 70001) of a text file, ("row", 1) of others, ("item", "m1") by id


class SourceError(Exception):
    """A source cannot be read.

    `code` is one of `source_missing`, `source_missing_column`, `source_invalid_row`, `source_empty`,
    `source_unreadable` and `invalid_argument` (of a source's specification); `details` says the same as `message`
    for programs.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, Detail]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details)


def missing(path: Path, what: str = "file") -> SourceError:
    """The file, or the table in it that `what` names, is not there."""
    return _about(path, "source_missing", f"no such {what}", {"missing": what})


def unreadable(path: Path, why: str) -> SourceError:
    """The file is there, and is not what the source reads."""
    return _about(path, "source_unreadable", why, {"reason": why})


def empty(path: Path, why: str) -> SourceError:
    """The source is well formed and has no interaction in it."""
    return _about(path, "source_empty", why, {"reason": why})


def missing_column(path: Path, absent: list[str], found: list[str]) -> SourceError:
    """Columns that the source needs are not in the file or table."""
    message = f"expected the columns {', '.join(absent)}, which are missing; found {', '.join(found)}"
    return _about(path, "source_missing_column", message, {"missing": absent, "got": found})


def invalid_row(path: Path, place: Place, column: str, expected: str, found: object) -> SourceError:
    """A value breaks its column's rule."""
    unit, number = place
    message = f"{unit} {number}, column {column}: expected {expected}, found {shown(found)}"
    details: dict[str, Detail] = {unit: number, "column": column, "expected": expected, "got": shown(found)}
    return _about(path, "source_invalid_row", message, details)


def invalid_record(path: Path, place: Place, why: str) -> SourceError:
    """A row cannot be taken apart into columns."""
    unit, number = place
    return _about(path, "source_invalid_row", f"{unit} {number}: {why}", {unit: number, "reason": why})


def of_os_error(path: Path, error: OSError) -> SourceError:
    """The system refused the file."""
    if isinstance(error, FileNotFoundError):
        return missing(path)
    return unreadable(path, (error.strerror or str(error)).lower())


def shown(value: object) -> str:
    """A value as a person can read it in a message: escaped, and not longer than a line."""
    return clipped("nothing" if value is None else repr(value))


def clipped(text: str) -> str:
    """Text from outside, not longer than a line."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def _about(path: Path, code: str, message: str, details: Mapping[str, Detail]) -> SourceError:
    named = str(path).encode(errors="replace").decode()  # a name that is no UTF-8 could not be sent
    return SourceError(code, f"{named}: {message}", {"path": named, **details})
