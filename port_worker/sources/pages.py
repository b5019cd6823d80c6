"""A table of interactions, page by page in the order of its key.

A page is a binary COPY where the server has that and every column a fixed width, and becomes an array as it is. What
does not (text ids, CockroachDB, a page with a value that is NULL or breaks a rule) is selected, and judged by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

from port_worker.sources import binary_copy, errors, sql_types
from port_worker.sources.chunks import CHUNK_ROWS, Chunk, Collector, Columns
from port_worker.sources.columns import MAX_TIME
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.encoding import UUID
from port_worker.sources.layout import Layout, quoted_table
from port_worker.sources.server import Connection, literal, text, texts
from port_worker.sources.tables import Interacted, Tables, quoted


class Pages:
    """The table's rows in the order of its key, and how far they have been read."""

    def __init__(
        self,
        collector: Collector,
        layout: Layout,
        definition: SourceDefinition,
        bound: float | None,
        about: errors.Origin,
    ) -> None:
        self.collector = collector
        self.binary = layout.fixed_width
        """Whether pages are copied as arrays. May be set to False."""
        self._layout, self._definition, self._bound, self._about = layout, definition, bound, about
        self._names = Tables(definition).interactions
        self._format = _row_format(layout) if layout.fixed_width else None
        self._last: tuple[Any, ...] | None = None

    @property
    def keyed(self) -> bool:
        """Whether there is a key to go on from."""
        return bool(self._layout.key)

    def read(self, connection: Connection) -> bool:
        """Read the next page; False after the last one."""
        if not self.keyed:
            self._read_whole(connection)
            return False
        rows = self._copied(connection) if self.binary else None
        if rows is None:
            rows = self._read_page(connection)
        return rows == self._definition.page_rows

    def _copied(self, connection: Connection) -> int | None:
        """How many rows a page had that could be taken as it is; None if it could not, and nothing of it was taken."""
        assert self._format is not None
        page, layout, names = BytesIO(), self._layout, self._names
        with connection.cursor() as cursor:
            columns = [quoted(names.user), quoted(names.item), _strength(cursor, names, self._definition)]
            query = self._page(cursor, [*columns, quoted(names.time)])
            cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", page)
        found = self._format.columns(page.getbuffer())
        if found is None:
            return None
        *key, users, items, strengths, times = found
        with np.errstate(over="ignore"):
            weights = strengths.astype(np.float32)
        seconds = binary_copy.seconds(times, layout.time)
        if not (np.isfinite(weights).all() and ((seconds > -MAX_TIME) & (seconds < MAX_TIME)).all()):
            return None
        if len(seconds):
            self._last = tuple(_key_value(column[-1]) for column in key)
            self.collector.add_checked(_native(users), _native(items), weights, seconds.astype(np.int64))
        return len(seconds)

    def _read_page(self, connection: Connection) -> int:
        with connection.cursor() as cursor:
            cursor.execute(self._page(cursor, self._judged(cursor)))
            rows: int = cursor.rowcount
            while some := cursor.fetchmany(CHUNK_ROWS):
                width = len(self._layout.key)
                columns = list(zip(*some, strict=True))
                keys = self._keys(columns[:width])
                self._last = keys[-1]
                self.collector.add(Chunk(self._columns(columns[width:]), [("row", _shown(key)) for key in keys]))
        return rows

    def _read_whole(self, connection: Connection) -> None:
        """Without a key: in the table's own order, by a cursor of the server's."""
        with connection.cursor() as plain:
            query = self._select(self._judged(plain))
        row = 0
        with connection.cursor(name="interactions") as cursor:
            cursor.execute(query)
            while some := cursor.fetchmany(CHUNK_ROWS):
                places = [("row", row + place) for place in range(1, len(some) + 1)]
                self.collector.add(Chunk(self._columns(list(zip(*some, strict=True))), places))
                row += len(some)

    def _judged(self, cursor: Any) -> list[str]:
        names, layout = self._names, self._layout
        strength = f"{quoted(names.strength)}::text" if names.by_kind else _strength(cursor, names, self._definition)
        time = sql_types.as_seconds(quoted(names.time), layout.time)
        return [quoted(names.user), quoted(names.item), strength, time]

    def _select(self, columns: list[str], *conditions: str) -> str:
        conditions = (*conditions, *self._bounds())
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {', '.join(columns)} FROM {quoted_table(self._names.table)}{where}"  # noqa: S608 quoted

    def _page(self, cursor: Any, columns: list[str]) -> str:
        key = [quoted(column) for column in self._layout.key]
        after = []
        if self._last is not None:
            last = ", ".join(literal(cursor, value) for value in self._last)
            after = [f"({', '.join(key)}) > ({last})" if len(key) > 1 else f"{key[0]} > {last}"]
        selected = self._select([*key, *columns], *after)
        return f"{selected} ORDER BY {', '.join(key)} LIMIT {self._definition.page_rows}"

    def _bounds(self) -> list[str]:
        if self._bound is None:
            return []
        return [sql_types.newer_than(quoted(self._names.time), self._layout.time, self._bound)]

    def _columns(self, columns: Sequence[Any]) -> Columns:
        users, items, strengths, times = columns
        if self._layout.user in sql_types.TEXTS:
            users = texts(users)
        if self._layout.item in sql_types.TEXTS:
            items = texts(items)
        return users, items, texts(strengths) if self._names.by_kind else strengths, times

    def _keys(self, columns: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The key of each row. Raises SourceError `source_invalid_row` for one that could not be asked for."""
        keys = list(zip(*([_key_text(value) for value in column] for column in columns), strict=True))
        for key in keys:
            if any(value is None or (isinstance(value, str) and not _is_unicode(value)) for value in key):
                expected, names = "a key that is neither NULL nor undecodable", ", ".join(self._layout.key)
                raise errors.invalid_row(self._about, ("row", repr(_shown(key))), names, expected, _shown(key))
        return keys


def _row_format(layout: Layout) -> binary_copy.RowFormat:
    return binary_copy.RowFormat([*layout.key_types, layout.user, layout.item, sql_types.FLOAT8, layout.time])


def _strength(cursor: Any, names: Interacted, definition: SourceDefinition) -> str:
    """The SQL of the weight: NULL for a kind that has none."""
    column = quoted(names.strength)
    if not names.by_kind:
        return f"{column}::float8"
    weights = " ".join(f"WHEN {literal(cursor, kind)} THEN {weight!r}" for kind, weight in definition.weights.items())
    return f"(CASE {column}::text {weights} END)::float8"


def _native(ids: Any) -> Any:
    return ids if ids.dtype == UUID else ids.astype(np.int64)


def _key_value(value: Any) -> Any:
    return binary_copy.uuid_text(value) if isinstance(value, np.void) else int(value)


def _key_text(value: Any) -> Any:
    return text(value) if isinstance(value, bytes) else value


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(key: tuple[Any, ...]) -> int | str:
    """A key as an error names its row."""
    return key[0] if len(key) == 1 and isinstance(key[0], int) else ", ".join(map(str, key))
