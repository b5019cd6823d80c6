"""Interactions, names, kinds and features from PostgreSQL or CockroachDB, in tables as `sqlite.py` describes them.

Ids are integers, UUIDs (which become text) or text; times are timestamps, or numbers of seconds since 1970 UTC. Only
public items are ever read: what someone keeps private must not be learnt, shown or recommended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from port_worker.sources import errors, sql_types
from port_worker.sources.back_off import BackOff
from port_worker.sources.base import ItemCard, Progress, UserCard, Visit
from port_worker.sources.columns import TYPED_RULES, Id, IdArray, Interactions
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.extraction import Extraction
from port_worker.sources.features import FeatureTable, Kinds, feature_table, kinds_of
from port_worker.sources.layout import Schema, quoted_table
from port_worker.sources.selection import frequent, lower_bound, wall_clock
from port_worker.sources.server import Server, literal, text
from port_worker.sources.tables import Tables, quoted, values_by_id

_PAGE_ROWS = 10_000
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LARGEST_INTEGER = 2**63


class PostgresqlSource:
    """A database, to which each question makes a connection. An answer is of one moment."""

    def __init__(
        self,
        location: str,
        definition: SourceDefinition,
        *,
        server: Server | None = None,
        back_off: Callable[[], BackOff] = BackOff,
    ) -> None:
        self.definition = definition
        self.origin = definition.origin
        self._tables = Tables(definition)
        self._server = server or Server(location, definition)
        self._back_off = back_off

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def spec(self) -> str:
        return self.definition.shown_location

    def interactions(self, progress: Progress | None = None, since: float | None = None) -> Interactions:
        bound = lower_bound(self.definition, since, wall_clock())
        found = Extraction(self._server, self.definition, bound, progress, self._back_off).run()
        about = self.origin.inside(self._tables.interactions.table)
        return found if since is not None else frequent(about, found, self.definition)

    def items(self, ids: Iterable[Id]) -> dict[Id, ItemCard]:
        names = self._tables.items
        with self._asking() as ask:
            rows = ask.schema.public_items()
            found = ask.by_id(f"{_list(names.id, names.name, names.kind)} FROM {rows} AND", "items", names.id, ids)
            return {row[0]: ItemCard(*row) for row in found}

    def users(self, ids: Iterable[Id]) -> dict[Id, UserCard]:
        names = self._tables.users
        with self._asking() as ask:
            table = quoted_table(names.table)
            found = ask.by_id(f"{_list(names.id, names.name)} FROM {table} WHERE", "users", names.id, ids)
            return {row[0]: UserCard(*row) for row in found}

    def item_kinds(self, ids: IdArray) -> Kinds:
        kind = self._tables.items.kind
        with self._asking() as ask:
            rows = ask.schema.public_items()
            values = ask.columns(rows, {kind: f"{quoted(kind)}::text"}, self._tables.items.id, ids)
        return kinds_of(self._about("items"), ids, values[kind])

    def item_features(self, ids: IdArray) -> FeatureTable | None:
        with self._asking() as ask:
            rows = ask.schema.public_items()
            features = self._features("items", ask.schema.needed("items"))
            values = ask.columns(rows, features, self._tables.items.id, ids)
        return feature_table(self._about("items"), "item", ids, values)

    def user_features(self, ids: IdArray) -> FeatureTable | None:
        names = self._tables.users
        with self._asking() as ask:  # which needs no table `users`, nor does what is learnt
            try:
                found = ask.schema.columns("users")
            except errors.SourceError as error:
                if error.code != "source_missing":
                    raise
                return None
            if names.id not in found:
                return None
            rows = f"{quoted_table(names.table)} WHERE true"
            values = ask.columns(rows, self._features("users", found), names.id, ids)
        return feature_table(self._about("users"), "user", ids, values)

    def history(self, user: Id, limit: int) -> list[Visit]:
        met, weights = self._tables.interactions, self.definition.weights
        with self._asking() as ask:
            found = ask.schema.needed("interactions")
            time = sql_types.as_seconds(quoted(met.time), found[met.time])
            strength = "0" if met.by_kind else f"{quoted(met.strength)}::float8"
            query = f"""
                SELECT {quoted(met.item)}, {quoted(met.kind)}::text, {strength}, {time} FROM {quoted_table(met.table)}
                WHERE {self._known(ask)} AND"""  # noqa: S608 the names are quoted
            rows = ask.by_id(query, "interactions", met.user, [user], f"ORDER BY 4 DESC, 1 LIMIT {int(limit)}")
        return [
            Visit(item, kind, weights.get(kind, 0.0) if met.by_kind else weight, int(seconds))
            for item, kind, weight, seconds in rows
        ]

    def sample_users(self, count: int) -> list[UserCard]:
        met = self._tables.interactions
        with self._asking() as ask:
            ask.schema.needed("interactions")
            query = f"""
                SELECT {quoted(met.user)} FROM {quoted_table(met.table)} WHERE {self._known(ask)}
                GROUP BY {quoted(met.user)} ORDER BY count(*) DESC, {quoted(met.user)} LIMIT {int(count)}"""  # noqa: S608
            ids = [row[0] for row in ask.rows(query)]
        cards = self.users(ids)
        return [cards.get(user, UserCard(user)) for user in ids]

    def find_users(self, prefix: str, limit: int) -> list[UserCard]:
        names = self._tables.users
        escaped = prefix.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        with self._asking() as ask:
            ask.schema.needed("users")
            pattern = ask.literal(f"{escaped}%")
            like = " OR ".join(
                f"{quoted(column)}::text ILIKE {pattern}" for column in (names.id, names.username, names.name)
            )
            query = f"""{_list(names.id, names.name)} FROM {quoted_table(names.table)} WHERE {like}
                ORDER BY {quoted(names.name)}, {quoted(names.id)} LIMIT {int(limit)}"""
            return [UserCard(*row) for row in ask.rows(query)]

    def resolve_user(self, text: str) -> Id:
        names = self._tables.users
        with self._asking() as ask:
            ask.schema.needed("users")
            return ask.called(text, f"{quoted_table(names.table)} WHERE", names.id, names.username, names.name)

    def resolve_item(self, text: str) -> Id:
        names = self._tables.items
        with self._asking() as ask:
            return ask.called(text, f"{ask.schema.public_items()} AND", names.id, names.id, names.name)

    def _known(self, ask: _Asking) -> str:
        item, names = quoted(self._tables.interactions.item), self._tables.items
        return f"{item} IN (SELECT {quoted(names.id)} FROM {ask.schema.public_items()})"  # noqa: S608 quoted

    def _features(self, table: str, found: dict[str, int]) -> dict[str, str]:
        """The SQL of each column that may be a feature, by the names that a call could use."""
        names = self._tables.features(table, [column for column, kind in found.items() if kind in sql_types.FEATURES])
        usable = [name for name in names if TYPED_RULES.text_id.accepts(name)]
        return {name: sql_types.as_feature(quoted(name), found[name]) for name in usable}

    def _about(self, table: str) -> errors.Origin:
        return self.origin.inside(self._tables.name(table))

    @contextmanager
    def _asking(self) -> Iterator[_Asking]:
        with self._server.reading() as connection:
            yield _Asking(connection, Schema(self._server, self._tables, connection))


class _Asking:
    """A connection for a question, and what it says of its tables."""

    def __init__(self, connection: Any, schema: Schema) -> None:
        self._connection, self.schema = connection, schema

    def literal(self, value: object) -> str:
        """A value in a query: names in it may have a %, so that no place of a value can be marked by one."""
        with self._connection.cursor() as cursor:
            return literal(cursor, value)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, with text to show or to learn from."""
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return [tuple(text(value) if isinstance(value, bytes) else value for value in row) for row in cursor]

    def by_id(self, query: str, table: str, column: str, ids: Iterable[Id], rest: str = "") -> list[tuple[Any, ...]]:
        """The rows of `query` whose `column` is one of `ids`; ids that the column cannot hold are in none."""
        kind = self.schema.needed(table)[column]
        fitting = [value for value in ids if _fits(value, kind)]
        condition = f"{quoted(column)} = ANY({self.literal(fitting)}::{sql_types.array_of(kind)})"
        return self.rows(f"{query} {condition} {rest}") if fitting else []

    def columns(self, rows: str, columns: dict[str, str], key: str, ids: IdArray) -> dict[str, list[Any]]:
        """Columns by name, of SQL each, with a value for each of `ids`; read in pages by the id."""
        return values_by_id(self._pages(rows, list(columns.values()), quoted(key)), list(columns), ids)

    def _pages(self, rows: str, columns: list[str], key: str) -> Iterator[tuple[Any, ...]]:
        after = ""
        while True:
            wanted = ", ".join([key, *columns])
            found = self.rows(f"SELECT {wanted} FROM {rows} {after} ORDER BY {key} LIMIT {_PAGE_ROWS}")  # noqa: S608
            yield from found
            if len(found) < _PAGE_ROWS:
                return
            after = f"AND {key} > {self.literal(found[-1][0])}"

    def called(self, name: str, rows: str, key: str, handle: str, title: str) -> Id:
        """The id of what has this id, handle or title; the text itself if nothing has."""
        if not TYPED_RULES.text_id.accepts(name):
            return name
        id_, handle, title = f"{quoted(key)}::text", f"{quoted(handle)}::text", f"lower({quoted(title)}::text)"
        wanted = self.literal(name)
        query = f"""
            SELECT {quoted(key)} FROM {rows} ({id_} = {wanted} OR {handle} = {wanted} OR {title} = lower({wanted}))
            ORDER BY {id_} <> {wanted}, {handle} <> {wanted}, {quoted(key)} LIMIT 1"""  # noqa: S608 quoted
        found = self.rows(query)
        value: Id = found[0][0] if found else name
        return value


def _list(*columns: str) -> str:
    return f"SELECT {', '.join(map(quoted, columns))}"


def _fits(value: Id, kind: int) -> bool:
    if kind in sql_types.INTEGERS:
        return isinstance(value, int) and -_LARGEST_INTEGER <= value < _LARGEST_INTEGER
    if not isinstance(value, str) or not TYPED_RULES.text_id.accepts(value):
        return False
    return kind != sql_types.UUID or _UUID.fullmatch(value) is not None
