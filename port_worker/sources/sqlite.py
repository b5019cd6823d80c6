"""Interactions, names and kinds from a SQLite file with the tables that the fixture writes.

    items(id, kind, name, is_public, ...)                   a table or a view
    users(id, username, display_name, ...)                  a table or a view
    interactions(user_id, item_id, kind, weight, time)      a table; time in seconds since 1970 UTC

or what its definition calls them. Other columns of users and items may be features (`features.py` says which), and so
may an item's kind; NO_FEATURES are not. What must not be learnt is left out by a view.

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
from port_worker.sources.chunks import CHUNK_ROWS, Chunk, Expected, read_chunks
from port_worker.sources.columns import TYPED_RULES, Id, IdArray, Interactions
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.features import FeatureTable, Kinds, feature_table, kinds_of
from port_worker.sources.selection import frequent, lower_bound, nothing_after, wall_clock
from port_worker.sources.tables import Tables, quoted, values_by_id

_LOCK_WAIT_S = 10.0  # how long a writer may hold the file before a read gives up
_IDS_PER_QUERY = 500  # below the 999 parameters that the oldest SQLite allows


class _Queries:
    """What is asked of tables and columns of these names."""

    def __init__(self, tables: Tables) -> None:
        items, users, met = tables.items, tables.users, tables.interactions
        of = {
            "items": quoted(items.table), "item_id": quoted(items.id), "item_kind": quoted(items.kind),
            "item_name": quoted(items.name), "public": quoted(items.public),
            "users": quoted(users.table), "user_id": quoted(users.id), "username": quoted(users.username),
            "user_name": quoted(users.name),
            "met": quoted(met.table), "user": quoted(met.user), "item": quoted(met.item), "kind": quoted(met.kind),
            "strength": quoted(met.strength), "time": quoted(met.time),
        }  # fmt: skip
        self.public_items = "{items} WHERE {public}".format_map(of)
        of["known"] = "{item} IN (SELECT {item_id} FROM {items} WHERE {public})".format_map(of)
        # A NULL item or time is let through, so that it is refused by name and not passed over in silence.
        self.interactions = """
            SELECT rowid, {user}, {item}, {strength}, {time} FROM {met} WHERE ({item} IS NULL OR {known})
            AND (?1 IS NULL OR {time} IS NULL OR {time} > ?1) ORDER BY rowid""".format_map(of)
        self.history = """
            SELECT {item}, {kind}, {strength}, {time} FROM {met}
            WHERE {user} = ? AND {known} ORDER BY {time} DESC, rowid DESC LIMIT ?""".format_map(of)
        self.most_active = """
            SELECT found, (SELECT {user_name} FROM {users} WHERE {user_id} = found) FROM
            (SELECT {user} AS found, count(*) AS activity FROM {met} WHERE {known}
             GROUP BY {user} ORDER BY activity DESC, {user} LIMIT ?)""".format_map(of)
        self.users_like = r"""
            SELECT {user_id}, {user_name} FROM {users}
            WHERE {user_id} LIKE ?1 ESCAPE '\' OR {username} LIKE ?1 ESCAPE '\' OR {user_name} LIKE ?1 ESCAPE '\'
            ORDER BY {user_name}, {user_id} LIMIT ?2""".format_map(of)
        self.user_called = """
            SELECT {user_id} FROM {users} WHERE {user_id} = ?1 OR {username} = ?1 OR {user_name} = ?1 COLLATE NOCASE
            ORDER BY {user_id} != ?1, {username} != ?1, {user_id} LIMIT 1""".format_map(of)
        self.item_called = """
            SELECT {item_id} FROM {items} WHERE {public} AND ({item_id} = ?1 OR {item_name} = ?1 COLLATE NOCASE)
            ORDER BY {item_id} != ?1, {item_id} LIMIT 1""".format_map(of)
        self.items = """
            SELECT {item_id}, {item_name}, {item_kind} FROM {items} WHERE {public} AND {item_id} IN""".format_map(of)
        self.users = "SELECT {user_id}, {user_name} FROM {users} WHERE {user_id} IN".format_map(of)


class SqliteSource:
    """A SQLite file, opened read-only for each question. An answer is of one moment, whatever is written meanwhile."""

    def __init__(self, path: Path, definition: SourceDefinition | None = None) -> None:
        self.path = path
        self.definition = definition or SourceDefinition(self.spec)
        self.origin = errors.Origin(self.definition.name, str(path))
        self._tables = Tables(self.definition)
        self._sql = _Queries(self._tables)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def spec(self) -> str:
        return f"sqlite:{self.path}"

    def interactions(self, progress: Progress | None = None, since: float | None = None) -> Interactions:
        origin = self.origin.inside(self._tables.interactions.table)
        bound = lower_bound(self.definition, since, wall_clock())
        rules = TYPED_RULES.weighing(self.definition.weights)
        expected = Expected(origin, self._tables.interactions.read, rules, self.definition.malformed)
        with self._reading("items", "interactions") as connection:
            connection.text_factory = _strict_text
            try:
                found = read_chunks(expected, _chunks(connection.execute(self._sql.interactions, (bound,))), progress)
            except errors.SourceError as error:
                raise nothing_after(origin, bound) if bound and error.code == "source_empty" else error from None
        return found if since is not None else frequent(origin, found, self.definition)

    def items(self, ids: Iterable[Id]) -> dict[Id, ItemCard]:
        with self._reading("items") as connection:
            return {row[0]: ItemCard(*row) for row in _by_id(connection, self._sql.items, ids)}

    def users(self, ids: Iterable[Id]) -> dict[Id, UserCard]:
        with self._reading("users") as connection:
            return {row[0]: UserCard(*row) for row in _by_id(connection, self._sql.users, ids)}

    def item_kinds(self, ids: IdArray) -> Kinds:
        with self._reading("items") as connection:
            kind = self._tables.items.kind
            return kinds_of(self._about("items"), ids, self._columns(connection, "items", [kind], ids)[kind])

    def item_features(self, ids: IdArray) -> FeatureTable | None:
        with self._reading("items") as connection:
            names = self._feature_names(connection, "items")
            return feature_table(self._about("items"), "item", ids, self._columns(connection, "items", names, ids))

    def user_features(self, ids: IdArray) -> FeatureTable | None:
        with self._reading() as connection:  # which needs no table `users`, nor does what is learnt
            if self._tables.users.id not in _column_names(connection, self._tables.users.table):
                return None
            names = self._feature_names(connection, "users")
            return feature_table(self._about("users"), "user", ids, self._columns(connection, "users", names, ids))

    def history(self, user: Id, limit: int) -> list[Visit]:
        with self._reading("items", "interactions") as connection:
            rows = connection.execute(self._sql.history, (user, limit)).fetchall()
        weights = self.definition.weights
        if not weights:
            return [Visit(*row) for row in rows]
        return [Visit(item, kind, weights.get(kind, 0.0), time) for item, kind, _, time in rows]

    def sample_users(self, count: int) -> list[UserCard]:
        with self._reading("items", "interactions", "users") as connection:
            return [UserCard(*row) for row in connection.execute(self._sql.most_active, (count,))]

    def find_users(self, prefix: str, limit: int) -> list[UserCard]:
        escaped = prefix.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        with self._reading("users") as connection:
            return [UserCard(*row) for row in connection.execute(self._sql.users_like, (f"{escaped}%", limit))]

    def resolve_user(self, text: str) -> Id:
        return self._resolve("users", self._sql.user_called, text)

    def resolve_item(self, text: str) -> Id:
        return self._resolve("items", self._sql.item_called, text)

    def _resolve(self, table: str, query: str, text: str) -> Id:
        with self._reading(table) as connection:
            row = connection.execute(query, (text,)).fetchone()
        return text if row is None else row[0]

    @contextmanager
    def _reading(self, *tables: str) -> Iterator[sqlite3.Connection]:
        """A read transaction on a file that has these tables with the columns that this module names."""
        try:
            if not self.path.exists():
                raise errors.missing(self.origin)
            if not self.path.is_file():
                raise errors.unreadable(self.origin, "not a regular file")
            with closing(self._connect()) as connection:
                for table in tables:
                    self._check_table(connection, table)
                yield connection
        except sqlite3.Error as error:
            raise errors.unreadable(self.origin, f"SQLite says: {error}") from None
        except OSError as error:
            raise errors.of_os_error(self.origin, error) from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None
        )
        connection.text_factory = _lenient_text
        connection.execute("BEGIN")
        return connection

    def _check_table(self, connection: sqlite3.Connection, table: str) -> None:
        name = self._tables.name(table)
        found = _column_names(connection, name)
        if not found:
            raise errors.missing(self._about(table), f"table or view {name}")
        self._tables.check(self.origin, table, found)

    def _about(self, table: str) -> errors.Origin:
        return self.origin.inside(self._tables.name(table))

    def _feature_names(self, connection: sqlite3.Connection, table: str) -> list[str]:
        """The names of the columns that may be features: those that a call could name."""
        names = self._tables.features(table, _column_names(connection, self._tables.name(table)))
        return [name for name in names if TYPED_RULES.text_id.accepts(name)]

    def _columns(
        self, connection: sqlite3.Connection, table: str, names: list[str], ids: IdArray
    ) -> dict[str, list[Any]]:
        """Columns of items or users by name, a value for each of `ids`; None for NULL and where there is no row."""
        connection.text_factory = _strict_text
        key = self._tables.items.id if table == "items" else self._tables.users.id
        wanted = ", ".join(map(quoted, [key, *names]))
        rows = self._sql.public_items if table == "items" else quoted(self._tables.users.table)
        found = connection.execute(f"SELECT {wanted} FROM {rows}")  # noqa: S608 the names are quoted
        return values_by_id(found, names, ids)


def _lenient_text(text: bytes) -> str:
    """Text to show: a name that is no UTF-8 is still a name."""
    return text.decode(errors="replace")


def _strict_text(text: bytes) -> str:
    """Text to learn from: what is no UTF-8 becomes lone surrogates, which the rules refuse by row."""
    return text.decode(errors="surrogateescape")


def _column_names(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's or view's columns; none if there is no such."""
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _chunks(cursor: sqlite3.Cursor) -> Iterator[Chunk]:
    while rows := cursor.fetchmany(CHUNK_ROWS):
        rowids, users, items, weights, times = map(list, zip(*rows, strict=True))
        yield Chunk((users, items, weights, times), [("row", rowid) for rowid in rowids])


def _by_id(connection: sqlite3.Connection, query: str, ids: Iterable[Id]) -> Iterator[tuple[Any, ...]]:
    remaining = iter(ids)
    while some := list(islice(remaining, _IDS_PER_QUERY)):
        yield from connection.execute(f"{query} ({','.join('?' * len(some))})", some)
