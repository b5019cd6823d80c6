"""What every kind of model holds: its users and items, who met what, what is popular, what kind each item is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import (
    ArrayLayout,
    Arrays,
    Problem,
    descending_problem,
    indptr_problem,
    not_finite,
    rows_problem,
)

NO_KIND = 255
"""The code of an item whose kind nobody knows."""


@dataclass(frozen=True, eq=False)
class CatalogueArrays(Arrays):
    """`nnz` is the number of distinct (user, item) pairs.

    user_ids, item_ids: (users,), (items,) int64, or 'S<k>' of UTF-8 bytes; strictly ascending. Row r of the other
        arrays, and of a kind's own, belongs to the r-th id.
    consumed_indptr, consumed_items: (users + 1,) int64 and (nnz,) int32. User r has met the item rows
        consumed_items[indptr[r]:indptr[r + 1]], the one met last at the end, each once.
    consumed_weights: (nnz,) float32, how much each of those speaks for the item; 0 and less teaches nothing.
    item_popularity: (items,) int64, distinct users of each item.
    popular_items: (items,) int32, all item rows, the most popular first, equals in ascending row.
    item_kinds: (items,) uint8, places in the manifest's list of kinds; NO_KIND where there is none.
    """

    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    consumed_indptr: NDArray[np.int64]
    consumed_items: NDArray[np.int32]
    consumed_weights: NDArray[np.float32]
    item_popularity: NDArray[np.int64]
    popular_items: NDArray[np.int32]
    item_kinds: NDArray[np.uint8]

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]] = (
        ArrayLayout("user_ids", "int64 or bytes", 1),
        ArrayLayout("item_ids", "int64 or bytes", 1),
        ArrayLayout("consumed_indptr", "int64", 1),
        ArrayLayout("consumed_items", "int32", 1),
        ArrayLayout("consumed_weights", "float32", 1),
        ArrayLayout("item_popularity", "int64", 1),
        ArrayLayout("popular_items", "int32", 1),
        ArrayLayout("item_kinds", "uint8", 1),
    )

    def _fit_problem(self) -> Problem | None:
        users, items, pairs = len(self.user_ids), len(self.item_ids), len(self.consumed_items)
        shapes = {
            "consumed_indptr": (users + 1,),
            "consumed_weights": (pairs,),
            "item_popularity": (items,),
            "popular_items": (items,),
            "item_kinds": (items,),
        }
        if min(users, items) == 0:
            return Problem("item_ids", "at least one user and item", f"{users} and {items}")
        return self._shape_problem(shapes) or indptr_problem("consumed_indptr", self.consumed_indptr, pairs)

    def _content_problem(self) -> Problem | None:
        return (
            _ids_problem("user_ids", self.user_ids)
            or _ids_problem("item_ids", self.item_ids)
            or self._consumed_problem()
            or not_finite("consumed_weights", self.consumed_weights)
            or self._popularity_problem()
        )

    def _consumed_problem(self) -> Problem | None:
        items = len(self.item_ids)
        problem = descending_problem("consumed_indptr", self.consumed_indptr) or rows_problem(
            "consumed_items", self.consumed_items, items
        )
        if problem:
            return problem
        users = np.repeat(np.arange(len(self.user_ids)), np.diff(self.consumed_indptr))
        pairs = users * np.int64(items) + self.consumed_items
        if len(np.unique(pairs)) < len(pairs):
            return Problem("consumed_items", "each user's items once", "some twice")
        return None

    def _popularity_problem(self) -> Problem | None:
        lowest = int(self.item_popularity.min())
        if lowest < 0:
            return Problem("item_popularity", "counts", lowest)
        if not np.array_equal(self.popular_items, by_popularity(self.item_popularity)):
            return Problem("popular_items", "all rows by descending popularity", "another order")
        return None


def by_popularity(popularity: NDArray[np.int64]) -> NDArray[np.int32]:
    """(items,) all rows, the most popular first, equals in ascending row."""
    return np.argsort(-popularity, kind="stable").astype(np.int32)


def _ids_problem(name: str, ids: NDArray[Any]) -> Problem | None:
    if not bool(np.all(ids[:-1] < ids[1:])):
        return Problem(name, "strictly ascending ids", "others")
    if ids.dtype.kind == "S":
        return _text_problem(name, ids)
    return None


def _text_problem(name: str, ids: NDArray[np.bytes_]) -> Problem | None:
    if ids[0] == b"":
        return Problem(name, "ids with at least one character", "an empty one")
    try:
        b"\n".join(ids.tolist()).decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(name, "UTF-8", error)
    return None
