"""From a definition to a source."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from port_worker.sources.base import Source
from port_worker.sources.csv_file import CsvSource
from port_worker.sources.definition import DEFAULT_NAME, SourceDefinition
from port_worker.sources.errors import SourceError
from port_worker.sources.parquet_file import ParquetSource
from port_worker.sources.sqlite import SqliteSource

_FILES: dict[str, Callable[[Path, SourceDefinition], Source]] = {
    "sqlite": SqliteSource, "csv": CsvSource, "parquet": ParquetSource
}  # fmt: skip
_DATABASES = ("postgresql", "postgres", "cockroachdb")
_SUFFIXES = {
    ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"
}  # fmt: skip
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+]*):(.*)", re.DOTALL)


def open_source(definition: SourceDefinition | str) -> Source:
    """Open what a definition, or a location alone, says: `sqlite:PATH`, `csv:PATH`, `parquet:PATH`, a bare path by its
    suffix, `postgresql://...` or `cockroachdb://...`. Does no I/O.

    Raises SourceError `invalid_argument` for an unknown scheme or suffix, naming the known ones.
    """
    if isinstance(definition, str):
        definition = SourceDefinition(definition)
    location = definition.resolved()
    scheme, path = _split(location)
    if scheme in _DATABASES and path.startswith("//"):
        from port_worker.sources.postgresql import PostgresqlSource

        return PostgresqlSource(location, definition)
    if scheme not in _FILES or not path:
        raise _invalid(definition)
    file = Path(path).expanduser().absolute()
    return _FILES[scheme](file, replace(definition, location=f"{scheme}:{file}"))


def is_database(location: str) -> bool:
    """Whether a location is the address of a server."""
    return _split(location)[0] in _DATABASES


def _split(location: str) -> tuple[str, str]:
    matched = _SCHEME.fullmatch(location)
    if matched:
        return matched[1].lower(), matched[2]
    return _SUFFIXES.get(Path(location).suffix.lower(), ""), location


def _invalid(definition: SourceDefinition) -> SourceError:
    schemes = [*(f"{scheme}:PATH" for scheme in _FILES), "postgresql://...", "cockroachdb://..."]
    expected = f"{', '.join(schemes)}, or a path that ends in {', '.join(_SUFFIXES)}"
    found = definition.shown_location
    details: dict[str, str | int | list[str]] = {"field": "source", "known": [*_FILES, *_DATABASES], "got": found}
    called = "source" if definition.name == DEFAULT_NAME else f"source {definition.name}"
    return SourceError("invalid_argument", f"{called}: expected {expected}, found {found!r}", details)
