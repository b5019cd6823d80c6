"""All interactions of a database, in one transaction of one moment, whatever happens to it.

A connection that is lost is made again, and the extraction goes on after the last key. On CockroachDB that is the same
moment; on PostgreSQL a new one, in which no row is met twice, and none is missed that was there all the time. A
transaction that failed with 40001 is done again from its beginning, unless its moment can be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import psycopg2

from port_worker.sources import errors, sql_types
from port_worker.sources.back_off import BackOff
from port_worker.sources.base import Progress
from port_worker.sources.chunks import Collector, Expected
from port_worker.sources.columns import TYPED_RULES, IdArray, Interactions, Rule
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.encoding import UUID
from port_worker.sources.layout import Layout, Schema
from port_worker.sources.pages import Pages
from port_worker.sources.selection import nothing_after, of_items
from port_worker.sources.server import Connection, Server, is_lost, is_serialization_failure
from port_worker.sources.tables import Tables, quoted


class Extraction:
    """One reading of the interactions. `run` once."""

    def __init__(
        self,
        server: Server,
        definition: SourceDefinition,
        bound: float | None,
        progress: Progress | None,
        back_off: Callable[[], BackOff],
    ) -> None:
        """Only what is newer than `bound`, in unix seconds, is read."""
        self._server, self._definition, self._bound = server, definition, bound
        self._progress = progress
        self._losses, self._conflicts = back_off(), back_off()
        self._tables = Tables(definition)
        self._about = server.origin.inside(self._tables.interactions.table)
        self._moment: str | None = None
        self._restart()

    def run(self) -> Interactions:
        """The interactions with public items. Raises SourceError."""
        while not self._done:
            self._try()
        return self._selected()

    def _try(self) -> None:
        try:
            with closing(self._server.connect()) as connection:
                self._moment = self._moment or self._server.moment(connection)
                self._server.begin(connection, self._moment)
                self._read_on(connection)
        except (psycopg2.Error, UnicodeEncodeError) as error:
            self._recover(error)

    def _restart(self) -> None:
        self._pages: Pages | None = None
        self._public: IdArray | None = None
        self._done = False

    def _read_on(self, connection: Connection) -> None:
        if self._pages is None or self._public is None:
            schema = Schema(self._server, self._tables, connection)
            layout = schema.interactions(self._definition.interactions.key)
            self._public = _ids(connection, self._tables.items.id, schema.public_items())
            self._pages = Pages(self._collector(layout), layout, self._definition, self._bound, self._about)
        dialect = self._server.dialect(connection)
        if not self._pages.keyed and not dialect.named_cursors:
            raise errors.unreadable(self._about, f"{dialect.name} is read by a key: expected one in the configuration")
        self._pages.binary = dialect.binary_copy and self._pages.binary
        while self._pages.read(connection):
            self._losses.succeeded()
            if self._moment is not None:  # else all begins anew, and a page is no success
                self._conflicts.succeeded()
        self._done = True

    def _collector(self, layout: Layout) -> Collector:
        rules = TYPED_RULES.weighing(self._definition.weights)
        id_rules = (_id_rule(layout.user), _id_rule(layout.item))
        names = self._tables.interactions.read
        return Collector(Expected(self._about, names, rules, self._definition.malformed, id_rules), self._progress)

    def _recover(self, error: Exception) -> None:
        """Make ready to try again, after a pause. Raises SourceError where that would not help."""
        rows = 0 if self._pages is None else self._pages.collector.rows
        back_off = self._losses
        if is_serialization_failure(error):
            back_off = self._conflicts
            if self._moment is None:
                self._restart()
        elif self._pages is None or not is_lost(error):  # a first connection that fails is no lost one
            raise self._server.refusal(error) from None
        elif not self._pages.keyed:
            why = f"the connection was lost after {rows} rows, and the table has no key to go on from"
            raise errors.unreadable(self._about, why) from None
        if not back_off.wait():
            why = f"given up after {back_off.failures} failures and {rows} rows: {self._server.said(error)}"
            raise errors.unreadable(self._about, why) from None

    def _selected(self) -> Interactions:
        assert self._pages is not None
        assert self._public is not None
        collector, public = self._pages.collector, self._public
        if self._bound is not None and not collector.rows:
            raise nothing_after(self._about, self._bound)
        return collector.interactions(lambda items: of_items(self._about, items, public))


def _ids(connection: Connection, column: str, rows: str) -> IdArray:
    """The distinct ids of some rows, ascending."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {quoted(column)} FROM {rows}")  # noqa: S608 the names are quoted
        found = [value for (value,) in cursor.fetchall() if value is not None]
    if found and isinstance(found[0], int):
        return np.unique(np.array(found, dtype=np.int64))
    return np.unique(np.array([value if isinstance(value, bytes) else value.encode() for value in found], dtype="S"))


def _uuids(values: Sequence[Any]) -> Any:
    octets = bytes.fromhex("".join(values).replace("-", ""))
    if len(octets) != UUID.itemsize * len(values):
        raise ValueError
    return np.frombuffer(octets, UUID)


_UUID_RULE = Rule("a UUID", _uuids)


def _id_rule(kind: int) -> Rule:
    if kind in sql_types.INTEGERS:
        return TYPED_RULES.integer_id
    return _UUID_RULE if kind == sql_types.UUID else TYPED_RULES.text_id
