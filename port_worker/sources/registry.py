"""From a specification to a source."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from port_worker.sources.base import Source
from port_worker.sources.csv_file import CsvSource
from port_worker.sources.errors import SourceError
from port_worker.sources.parquet_file import ParquetSource
from port_worker.sources.sqlite import SqliteSource

_SCHEMES: dict[str, Callable[[Path], Source]] = {"sqlite": SqliteSource, "csv": CsvSource, "parquet": ParquetSource}
_SUFFIXES = {
    ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"
}  # fmt: skip
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+]*):(.*)", re.DOTALL)


def open_source(spec: str) -> Source:
    """Open `sqlite:PATH`, `csv:PATH` or `parquet:PATH`, or a bare path by its suffix. Does no I/O.

    Raises SourceError `invalid_argument` for an unknown scheme or suffix, naming the known ones.
    """
    scheme, path = _split(spec)
    if scheme not in _SCHEMES or not path:
        raise _invalid(spec)
    return _SCHEMES[scheme](Path(path).expanduser().absolute())


def _split(spec: str) -> tuple[str, str]:
    matched = _SCHEME.fullmatch(spec)
    if matched:
        return matched[1].lower(), matched[2]
    return _SUFFIXES.get(Path(spec).suffix.lower(), ""), spec


def _invalid(spec: str) -> SourceError:
    schemes = [f"{scheme}:PATH" for scheme in _SCHEMES]
    expected = f"{', '.join(schemes)}, or a path that ends in {', '.join(_SUFFIXES)}"
    details: dict[str, str | int | list[str]] = {"field": "source", "known": list(_SCHEMES), "got": spec}
    return SourceError("invalid_argument", f"source: expected {expected}, found {spec!r}", details)
