"""What a source says when it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_SHOWN_CHARACTERS = 80

Detail = str | int | list[str]


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
    return SourceError("source_missing", f"{path}: no such {what}", {"path": str(path), "missing": what})


def unreadable(path: Path, why: str) -> SourceError:
    """The file is there, and is not what the source reads."""
    return SourceError("source_unreadable", f"{path}: {why}", {"path": str(path), "reason": why})


def empty(path: Path, why: str) -> SourceError:
    """The source is well formed and has no interaction in it."""
    return SourceError("source_empty", f"{path}: {why}", {"path": str(path)})


def missing_column(path: Path, missing_names: list[str], found: list[str]) -> SourceError:
    """Columns that the source needs are not in the file or table."""
    message = f"{path}: expected the columns {', '.join(missing_names)}, which are missing; found {', '.join(found)}"
    return SourceError("source_missing_column", message, {"path": str(path), "missing": missing_names, "found": found})


def invalid_row(path: Path, place: tuple[str, int], column: str, expected: str, found: object) -> SourceError:
    """A value breaks its column's rule. `place` is the kind of number and the number: `("line", 70_001)`."""
    unit, number = place
    value = shown(found)
    message = f"{path}: {unit} {number:,}, column {column}: expected {expected}, found {value}"
    details: dict[str, Detail] = {
        "path": str(path), unit: number, "column": column, "expected": expected, "found": value
    }  # fmt: skip
    return SourceError("source_invalid_row", message, details)


def invalid_record(path: Path, place: tuple[str, int], why: str) -> SourceError:
    """A whole row cannot be taken apart into columns."""
    unit, number = place
    details: dict[str, Detail] = {"path": str(path), unit: number, "reason": why}
    return SourceError("source_invalid_row", f"{path}: {unit} {number:,}: {why}", details)


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
