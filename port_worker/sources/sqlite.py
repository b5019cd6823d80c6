"""Interactions, names and kinds from a SQLite file with the tables that the fixture writes.

    items(id, kind, name, is_public, ...)                   a table or a view
    users(id, username, display_name, ...)                  a table or a view
    interactions(user_id, item_id, kind, weight, time)      a table; time in seconds since 1970 UTC

Other columns of users and items may be features (`features.py` says which), and so may an item's kind; _NO_FEATURES
are not. What must not be learnt is left out by a view.

Only public items are ever read: what someone keeps private must not be learnt, shown or recommended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from port_worker.sources import errors
from port_worker.sources.base import ItemCard, Progress, UserCard, Visit
from port_worker.sources.chunks import CHUNK_ROWS, Chunk, read_chunks
from port_worker.sources.columns import TYPED_RULES, Id, IdArray, Interactions, id_of
from port_worker.sources.features import FeatureTable, Kinds, feature_table, kinds_of

_LOCK_WAIT_S = 10.0  # how long a writer may hold the file before a read gives up
_IDS_PER_QUERY = 500  # below the 999 parameters that the oldest SQLite allows

_TABLES = {
    "items": ("id", "kind", "name", "is_public"),
    "users": ("id", "username", "display_name"),
    "interactions": ("user_id", "item_id", "kind", "weight", "time"),
}
_NO_FEATURES = {
    "items": {"id", "name", "is_public", "uploader_id", "tags", "inserted_at"},
    "users": {"id", "username", "display_name", "inserted_at"},
}
_NAMES = ("user_id", "item_id", "weight", "time")

# A NULL item is let through, so that it is refused by name and not passed over in silence.
_INTERACTIONS = """
    SELECT rowid, user_id, item_id, weight, time FROM interactions
    WHERE item_id IS NULL OR item_id IN (SELECT id FROM items WHERE is_public) ORDER BY rowid"""
_HISTORY = """
    SELECT item_id, kind, weight, time FROM interactions
    WHERE user_id = ? AND item_id IN (SELECT id FROM items WHERE is_public) ORDER BY time DESC, rowid DESC LIMIT ?"""
_MOST_ACTIVE = """
    SELECT user_id, (SELECT display_name FROM users WHERE id = user_id) FROM
    (SELECT user_id, count(*) AS activity FROM interactions WHERE item_id IN (SELECT id FROM items WHERE is_public)
     GROUP BY user_id ORDER BY activity DESC, user_id LIMIT ?)"""
_USERS_LIKE = r"""
    SELECT id, display_name FROM users
    WHERE id LIKE ?1 ESCAPE '\' OR username LIKE ?1 ESCAPE '\' OR display_name LIKE ?1 ESCAPE '\'
    ORDER BY display_name, id LIMIT ?2"""
_USER_CALLED = """
    SELECT id FROM users WHERE id = ?1 OR username = ?1 OR display_name = ?1 COLLATE NOCASE
    ORDER BY id != ?1, username != ?1, id LIMIT 1"""
_ITEM_CALLED = """
    SELECT id FROM items WHERE is_public AND (id = ?1 OR name = ?1 COLLATE NOCASE) ORDER BY id != ?1, id LIMIT 1"""


class SqliteSource:
    """A SQLite file, opened read-only for each question. An answer is of one moment, whatever is written meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def spec(self) -> str:
        return f"sqlite:{self.path}"

    def interactions(self, progress: Progress | None = None) -> Interactions:
        with self._reading("items", "interactions") as connection:
            connection.text_factory = _strict_text
            chunks = _chunks(connection.execute(_INTERACTIONS))
            return read_chunks(self.path, _NAMES, chunks, TYPED_RULES, progress)

    def items(self, ids: Iterable[Id]) -> dict[Id, ItemCard]:
        query = "SELECT id, name, kind FROM items WHERE is_public AND id IN ({})"
        with self._reading("items") as connection:
            return {row[0]: ItemCard(*row) for row in _by_id(connection, query, ids)}

    def users(self, ids: Iterable[Id]) -> dict[Id, UserCard]:
        query = "SELECT id, display_name FROM users WHERE id IN ({})"
        with self._reading("users") as connection:
            return {row[0]: UserCard(*row) for row in _by_id(connection, query, ids)}

    def item_kinds(self, ids: IdArray) -> Kinds:
        with self._reading("items") as connection:
            return kinds_of(self.path, ids, _columns(connection, "items WHERE is_public", ["kind"], ids)["kind"])

    def item_features(self, ids: IdArray) -> FeatureTable | None:
        with self._reading("items") as connection:
            names = _feature_names(connection, "items")
            return feature_table(self.path, "item", ids, _columns(connection, "items WHERE is_public", names, ids))

    def user_features(self, ids: IdArray) -> FeatureTable | None:
        with self._reading() as connection:  # which needs no table `users`, nor does what is learnt
            if "id" not in _column_names(connection, "users"):
                return None
            names = _feature_names(connection, "users")
            return feature_table(self.path, "user", ids, _columns(connection, "users", names, ids))

    def history(self, user: Id, limit: int) -> list[Visit]:
        with self._reading("items", "interactions") as connection:
            return [Visit(*row) for row in connection.execute(_HISTORY, (user, limit))]

    def sample_users(self, count: int) -> list[UserCard]:
        with self._reading("items", "interactions", "users") as connection:
            return [UserCard(*row) for row in connection.execute(_MOST_ACTIVE, (count,))]

    def find_users(self, prefix: str, limit: int) -> list[UserCard]:
        escaped = prefix.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        with self._reading("users") as connection:
            return [UserCard(*row) for row in connection.execute(_USERS_LIKE, (f"{escaped}%", limit))]

    def resolve_user(self, text: str) -> Id:
        return self._resolve("users", _USER_CALLED, text)

    def resolve_item(self, text: str) -> Id:
        return self._resolve("items", _ITEM_CALLED, text)

    def _resolve(self, table: str, query: str, text: str) -> Id:
        with self._reading(table) as connection:
            row = connection.execute(query, (text,)).fetchone()
        return text if row is None else row[0]

    @contextmanager
    def _reading(self, *tables: str) -> Iterator[sqlite3.Connection]:
        """A read transaction on a file that has these tables with the columns that this module names."""
        try:
            if not self.path.exists():
                raise errors.missing(self.path)
            if not self.path.is_file():
                raise errors.unreadable(self.path, "not a regular file")
            with closing(self._connect()) as connection:
                for table in tables:
                    self._check_table(connection, table)
                yield connection
        except sqlite3.Error as error:
            raise errors.unreadable(self.path, f"SQLite says: {error}") from None
        except OSError as error:
            raise errors.of_os_error(self.path, error) from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None
        )
        connection.text_factory = _lenient_text
        connection.execute("BEGIN")
        return connection

    def _check_table(self, connection: sqlite3.Connection, table: str) -> None:
        found = _column_names(connection, table)
        if not found:
            raise errors.missing(self.path, f"table or view {table}")
        absent = [f"{table}.{column}" for column in _TABLES[table] if column not in found]
        if absent:
            raise errors.missing_column(self.path, absent, [f"{table}.{column}" for column in found])


def _lenient_text(text: bytes) -> str:
    """Text to show: a name that is no UTF-8 is still a name."""
    return text.decode(errors="replace")


def _strict_text(text: bytes) -> str:
    """Text to learn from: what is no UTF-8 becomes lone surrogates, which the rules refuse by row."""
    return text.decode(errors="surrogateescape")


def _column_names(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's or view's columns; none if there is no such."""
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _feature_names(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of the columns that may be features: those that a call could name."""
    named = [name for name in _column_names(connection, table) if TYPED_RULES.text_id.accepts(name)]
    return [name for name in named if name not in _NO_FEATURES[table]]


def _columns(connection: sqlite3.Connection, rows: str, names: list[str], ids: IdArray) -> dict[str, list[Any]]:
    """Columns of the rows `rows` by name, a value for each of `ids`; None for NULL and for an id that is not there."""
    connection.text_factory = _strict_text
    places = {id_of(value): place for place, value in enumerate(ids)}
    columns: dict[str, list[Any]] = {name: [None] * len(ids) for name in names}
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in ["id", *names])
    for found, *values in connection.execute(f"SELECT {quoted} FROM {rows}"):  # noqa: S608 quoted; rows are constants
        place = places.get(found)
        if place is not None:
            for column, value in zip(columns.values(), values, strict=True):
                column[place] = value
    return columns


def _chunks(cursor: sqlite3.Cursor) -> Iterator[Chunk]:
    while rows := cursor.fetchmany(CHUNK_ROWS):
        rowids, users, items, weights, times = map(list, zip(*rows, strict=True))
        yield Chunk((users, items, weights, times), [("row", rowid) for rowid in rowids])


def _by_id(connection: sqlite3.Connection, query: str, ids: Iterable[Id]) -> Iterator[tuple[Any, ...]]:
    remaining = iter(ids)
    while some := list(islice(remaining, _IDS_PER_QUERY)):
        yield from connection.execute(query.format(",".join("?" * len(some))), some)
