"""What a database's tables are made of, found out before anything is read: types that fit, and a key to read by."""

from __future__ import annotations

import re
from dataclasses import dataclass

import psycopg2

from port_worker.sources import binary_copy, errors, sql_types
from port_worker.sources.server import Connection, Server, literal, text
from port_worker.sources.tables import Tables, quoted

# Not of information_schema, which shows no constraints to a role that may only read.
_PRIMARY_KEY = """
    SELECT columns.attname, columns.attnum, indexes.indkey::text FROM pg_catalog.pg_index AS indexes
    JOIN pg_catalog.pg_attribute AS columns
    ON columns.attrelid = indexes.indrelid AND columns.attnum = ANY(indexes.indkey)
    WHERE indexes.indisprimary AND indexes.indrelid = {table}::regclass"""


@dataclass(frozen=True)
class Layout:
    """The table of interactions: types by number, and the columns of its key, none where it has no key."""

    user: int
    item: int
    strength: int
    time: int
    key: tuple[str, ...]
    key_types: tuple[int, ...]

    @property
    def fixed_width(self) -> bool:
        """Whether rows can be read as an array, and their key as a place to go on from."""
        keyed = all(kind in sql_types.INTEGERS or kind == sql_types.UUID for kind in self.key_types)
        return bool(self.key) and keyed and all(map(binary_copy.has_fixed_width, (self.user, self.item, self.time)))


class Schema:
    """The columns of tables, asked of one connection."""

    def __init__(self, server: Server, tables: Tables, connection: Connection) -> None:
        self._server, self._tables, self._connection = server, tables, connection

    def columns(self, table: str) -> dict[str, int]:
        """The type of each column of `interactions`, `items` or `users`. Raises SourceError `source_missing`."""
        about = self.about(table)
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(f"SELECT * FROM {quoted_table(self._tables.name(table))} LIMIT 0")  # noqa: S608
            except psycopg2.ProgrammingError as error:
                raise self._server.refusal(error, about) from None
            return {column.name: column.type_code for column in cursor.description}

    def needed(self, table: str) -> dict[str, int]:
        """As `columns`, of a table that has those that it must have. Raises SourceError."""
        found = self.columns(table)
        self._tables.check(self._server.origin, table, list(found))
        return found

    def interactions(self, key: tuple[str, ...]) -> Layout:
        """The layout, with `key` or else the primary key. Raises SourceError for what is missing or does not fit."""
        found, names = self.columns("interactions"), self._tables.interactions
        self._tables.check(self._server.origin, "interactions", list(found), names.read)
        for column, fits, expected in (
            (names.user, sql_types.IDS, "integers, UUIDs or text"),
            (names.item, sql_types.IDS, "integers, UUIDs or text"),
            (names.time, sql_types.NUMBERS | sql_types.TIMES, "a timestamp, or a number of seconds since 1970"),
        ):
            self._fits("interactions", column, found[column], fits, expected)
        if not names.by_kind:
            self._fits("interactions", names.strength, found[names.strength], sql_types.NUMBERS, "numbers")
        columns = key or self._primary_key()
        user, item, strength, time = (found[column] for column in names.read)
        return Layout(user, item, strength, time, columns, self._key(columns, list(found)))

    def public_items(self) -> str:
        """The SQL of the rows of public items. Raises SourceError where none could tell."""
        items, found = self._tables.items, self.needed("items")
        public = found[items.public]
        self._fits("items", items.id, found[items.id], sql_types.IDS, "integers, UUIDs or text")
        self._fits(
            "items", items.public, public, {sql_types.BOOLEAN, *sql_types.INTEGERS}, "true and false, or 1 and 0"
        )
        condition = quoted(items.public) if public == sql_types.BOOLEAN else f"{quoted(items.public)} <> 0"
        return f"{quoted_table(items.table)} WHERE {condition}"

    def about(self, table: str) -> errors.Origin:
        """What errors call a table."""
        return self._server.origin.inside(self._tables.name(table))

    def _key(self, columns: tuple[str, ...], found: list[str]) -> tuple[int, ...]:
        """The types of a key's columns. CockroachDB's `rowid` is one that is not among those `found` by `SELECT *`."""
        if not columns:
            return ()
        table = self._tables.interactions.table
        query = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted_table(table)} LIMIT 0"  # noqa: S608 quoted
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(query)
            except psycopg2.ProgrammingError:
                absent = [f"{table}.{column}" for column in columns if column not in found]
                known = [f"{table}.{column}" for column in found]
                raise errors.missing_column(self.about("interactions"), absent, known) from None
            return tuple(column.type_code for column in cursor.description)

    def _fits(self, table: str, column: str, kind: int, fitting: set[int], expected: str) -> None:
        if kind not in fitting:
            raise errors.wrong_type(self.about(table), column, expected, self._called(kind))

    def _called(self, kind: int) -> str:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT format_type({kind}, NULL)")
            return text(cursor.fetchone()[0])

    def _primary_key(self) -> tuple[str, ...]:
        with self._connection.cursor() as cursor:
            table = literal(cursor, quoted_table(self._tables.interactions.table))
            cursor.execute(_PRIMARY_KEY.format(table=table))
            rows = cursor.fetchall()
        names = {number: text(column) for column, number, _ in rows}
        order = re.findall(r"\d+", text(rows[0][2])) if rows else []
        return tuple(names[int(number)] for number in order)


def quoted_table(name: str) -> str:
    """A table's name as SQL writes it; a dot sets its schema apart."""
    return ".".join(map(quoted, name.split(".")))
