"""A database's tables by the names of a definition, and which of their columns a question needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from port_worker.sources import errors
from port_worker.sources.columns import IdArray, id_of
from port_worker.sources.definition import SourceDefinition

_NO_FEATURES = {"items": {"uploader_id", "tags", "inserted_at"}, "users": {"inserted_at"}}  # in V-Sekai's tables


@dataclass(frozen=True)
class Interacted:
    """The table of interactions. `strength` is its column of weights, or of kinds where those decide the weight."""

    table: str
    user: str
    item: str
    kind: str
    weight: str
    time: str
    by_kind: bool

    @property
    def strength(self) -> str:
        return self.kind if self.by_kind else self.weight

    @property
    def read(self) -> tuple[str, str, str, str]:
        """What is learnt from: users, items, weights or kinds, times."""
        return self.user, self.item, self.strength, self.time


class Tables:
    """What a definition calls the tables; where it does not say, what the fixture calls them."""

    def __init__(self, definition: SourceDefinition) -> None:
        named = definition.interactions
        self.interactions = Interacted(
            table=named.table or "interactions",
            user=named.user or "user_id",
            item=named.item or "item_id",
            kind=named.kind or "kind",
            weight=named.weight or "weight",
            time=named.time or "time",
            by_kind=bool(definition.weights),
        )
        self.items = definition.items
        self.users = definition.users

    def name(self, table: str) -> str:
        """The name of `interactions`, `items` or `users`."""
        found: str = getattr(self, table).table
        return found

    def needed(self, table: str) -> tuple[str, ...]:
        """The columns that a table must have."""
        if table == "items":
            return self.items.id, self.items.kind, self.items.name, self.items.public
        if table == "users":
            return self.users.id, self.users.username, self.users.name
        met = self.interactions
        return tuple(dict.fromkeys((met.user, met.item, met.kind, met.strength, met.time)))

    def features(self, table: str, columns: list[str]) -> list[str]:
        """Those of the columns of users or items that may be features: a name is none, and an item's kind is one."""
        items, users = self.items, self.users
        own = {items.id, items.name, items.public} if table == "items" else {users.id, users.username, users.name}
        return [column for column in columns if column not in own and column not in _NO_FEATURES[table]]

    def check(self, origin: errors.Origin, table: str, found: list[str], needed: tuple[str, ...] | None = None) -> None:
        """Raise SourceError `source_missing_column` if a table lacks a column that it needs."""
        name = self.name(table)
        absent = [f"{name}.{column}" for column in needed or self.needed(table) if column not in found]
        if absent:
            raise errors.missing_column(origin.inside(name), absent, [f"{name}.{column}" for column in found])


def quoted(name: str) -> str:
    """A name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def values_by_id(rows: Iterable[tuple[Any, ...]], names: list[str], ids: IdArray) -> dict[str, list[Any]]:
    """The columns `names`, a value for each of `ids`, of rows that begin with their id; None where there is no row."""
    places = {id_of(value): place for place, value in enumerate(ids)}
    columns: dict[str, list[Any]] = {name: [None] * len(ids) for name in names}
    for found, *values in rows:
        place = places.get(found)
        if place is not None:
            for column, value in zip(columns.values(), values, strict=True):
                column[place] = value
    return columns
