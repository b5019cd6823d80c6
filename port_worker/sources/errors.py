"""What a source says when it cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

_SHOWN_CHARACTERS = 80

Detail: TypeAlias = str | int | list[str]
Place: TypeAlias = tuple[str, int | str]  # ("line", 70001) of a text file, ("row", 1) of others, ("item", "m1") by id


@dataclass(frozen=True)
class Origin:
    """What an error is about: a source by its name in the configuration, where it is, and the table in it.

    `location` is a path, or an address without its password.
    """

    name: str | None
    location: str
    table: str | None = None

    def inside(self, table: str) -> Origin:
        """The same, of a table in it."""
        return replace(self, table=table)


About: TypeAlias = Path | Origin  # a file that no configuration names, or anything


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


def missing(about: About, what: str = "file") -> SourceError:
    """The file, or the table in it that `what` names, is not there."""
    return _about(about, "source_missing", f"no such {what}", {"missing": what})


def unreadable(about: About, why: str) -> SourceError:
    """The file is there, and is not what the source reads."""
    return _about(about, "source_unreadable", why, {"reason": why})


def empty(about: About, why: str) -> SourceError:
    """The source is well formed and has no interaction in it."""
    return _about(about, "source_empty", why, {"reason": why})


def missing_column(about: About, absent: list[str], found: list[str]) -> SourceError:
    """Columns that the source needs are not in the file or table."""
    message = f"expected the columns {', '.join(absent)}, which are missing; found {', '.join(found)}"
    return _about(about, "source_missing_column", message, {"missing": absent, "got": found})


def wrong_type(about: About, column: str, expected: str, found: str) -> SourceError:
    """A column is of a type that cannot be what it is for."""
    details: dict[str, Detail] = {"column": column, "expected": expected, "got": found}
    return _about(about, "source_unreadable", f"column {column}: expected {expected}, found {found}", details)


def invalid_row(about: About, place: Place, column: str, expected: str, found: object) -> SourceError:
    """A value breaks its column's rule."""
    unit, number = place
    message = f"{unit} {number}, column {column}: expected {expected}, found {shown(found)}"
    details: dict[str, Detail] = {unit: number, "column": column, "expected": expected, "got": shown(found)}
    return _about(about, "source_invalid_row", message, details)


def invalid_record(about: About, place: Place, why: str) -> SourceError:
    """A row cannot be taken apart into columns."""
    unit, number = place
    return _about(about, "source_invalid_row", f"{unit} {number}: {why}", {unit: number, "reason": why})


def of_os_error(about: About, error: OSError) -> SourceError:
    """The system refused the file."""
    if isinstance(error, FileNotFoundError):
        return missing(about)
    return unreadable(about, (error.strerror or str(error)).lower())


def shown(value: object) -> str:
    """A value as a person can read it in a message: escaped, and not longer than a line."""
    return clipped("nothing" if value is None else repr(value))


def clipped(text: str) -> str:
    """Text from outside, not longer than a line."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def too_many_malformed(first: SourceError, skipped: int, rows: int, share: float) -> SourceError:
    """More rows are malformed than may be skipped; `first` is the first of them."""
    message = f"{skipped} of {rows} rows are malformed, and the share that may be skipped is {share:g}; the first: "
    details: dict[str, Detail] = {**first.details, "malformed": skipped, "rows": rows}
    return SourceError("source_invalid_row", f"{message}{first.message}", details)


def _about(about: About, code: str, message: str, details: Mapping[str, Detail]) -> SourceError:
    origin = about if isinstance(about, Origin) else Origin(None, str(about))
    location = origin.location.encode(errors="replace").decode()  # a name that is no UTF-8 could not be sent
    called = location if origin.name in (None, "default") else f"source {origin.name} ({location})"
    where: dict[str, Detail] = {"path": location}
    if origin.name is not None:
        where["source"] = origin.name
    if origin.table is not None:
        called, where["table"] = f"{called}: table {origin.table}", origin.table
    return SourceError(code, f"{called}: {message}", {**where, **details})
