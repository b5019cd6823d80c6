"""A small world whose interactions come in parts, by time: what a home looks like between one retrain and the next."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np

from port_worker.fixture.database import write_world
from port_worker.sources.registry import open_source
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.models import ModelStore

Met = dict[object, list[object]]


class GrowingWorld:
    """`parts` times `grow` shows all of a world, the oldest first; the first time shows half of it."""

    def __init__(self, path: Path, parts: int, *, users: int, items: int, visits: int) -> None:
        write_world(path, users=users, items=items, visits=visits)
        self.spec = f"sqlite:{path}"
        self._path = path
        self._parts = parts
        self._shown = 0
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE later AS SELECT * FROM interactions ORDER BY time, user_id, item_id")
            connection.execute("DELETE FROM interactions")

    def grow(self) -> None:
        """Show the next part."""
        with closing(sqlite3.connect(self._path)) as connection, connection:
            [(rows,)] = connection.execute("SELECT count(*) FROM later")
            first, self._shown = self._shown, self._shown + 1
            bounds = [rows * (part and self._parts + part) // (2 * self._parts) for part in (first, self._shown)]
            connection.execute("INSERT INTO interactions SELECT * FROM later WHERE rowid > ? AND rowid <= ?", bounds)

    def popular(self) -> Counter[object]:
        """How many users have met each item, counted one by one."""
        return Counter(item for items in self.met().values() for item in items)

    def met(self) -> Met:
        """What each user has met, in order of the last time, each item once."""
        rows = open_source(self.spec).interactions()
        users, items = rows.users.values.tolist(), rows.items.values.tolist()
        found: defaultdict[object, dict[object, None]] = defaultdict(dict)
        for row in np.argsort(rows.times, kind="stable").tolist():
            user, item = users[row], items[row]
            found[user].pop(item, None)
            found[user][item] = None
        return {user: list(met) for user, met in found.items()}


def catalogue_of(store: ModelStore, version: str) -> CatalogueArrays:
    """What a version knows of its users and items."""
    return CatalogueArrays.open(store.folder(version))


def met_in(arrays: CatalogueArrays) -> Met:
    """As `GrowingWorld.met`, of a version."""
    items = np.split(arrays.item_ids[arrays.consumed_items], arrays.consumed_indptr[1:-1])
    return {user: of_one.tolist() for user, of_one in zip(arrays.user_ids.tolist(), items, strict=True)}


def popular_in(arrays: CatalogueArrays) -> Counter[object]:
    """As `GrowingWorld.popular`, of a version."""
    return Counter(dict(zip(arrays.item_ids.tolist(), arrays.item_popularity.tolist(), strict=True)))
