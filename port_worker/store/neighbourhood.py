"""The arrays that only a neighbourhood model has: who is most like whom, cut to what its scores are sums of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, cast, get_args

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
from port_worker.store.errors import ModelDamaged
from port_worker.store.manifest import FILE_NAME

if TYPE_CHECKING:
    from port_worker.store.manifest import Json

KIND = "neighbourhood"
"""What a manifest calls a version that holds these arrays."""

Metric = Literal["cosine", "jaccard", "swing"]


@dataclass(frozen=True)
class NeighbourhoodFacts:
    """How similarities were computed. Who has fewer than `min_common` in common with another is no neighbour."""

    metric: Metric
    min_common: int

    def to_json(self) -> dict[str, Json]:
        """As it stands in a manifest's facts, under KIND."""
        return {"metric": self.metric, "min_common": self.min_common}

    @classmethod
    def from_json(cls, version: str, found: Json) -> NeighbourhoodFacts:
        """What `to_json` gave. Raises ModelDamaged."""
        expected = f"{KIND} facts: a metric of {', '.join(get_args(Metric))} and a min_common of at least 1"
        if not isinstance(found, dict) or found.keys() != {"metric", "min_common"}:
            raise ModelDamaged(version, FILE_NAME, expected, found)
        metric, min_common = found["metric"], found["min_common"]
        if metric not in get_args(Metric) or type(min_common) is not int or min_common < 1:
            raise ModelDamaged(version, FILE_NAME, expected, found)
        return cls(cast("Metric", metric), min_common)


@dataclass(frozen=True, eq=False)
class NeighbourhoodArrays(Arrays):
    """Neighbours of items (a score is a sum over a user's items), or of users (a sum over the users most like one).

    neighbours, similarities: (rows, k) int32 and float32. The `k` most similar others of each row, best first; past a
        row's last one both are 0. `rows` are the items', or the users' if there are `user_sizes`.
    alike_indptr, alike_items, alike_similarities: (items + 1,) int64, (m,) int32 and (m,) float32. The items most like
        item r, best first, are alike_items[indptr[r]:indptr[r + 1]]; an item is not among its own.
    item_users_indptr, item_users: (items + 1,) int64 and (pairs,) int32, the users who taught of each item. Empty where
        neighbours are items.
    user_sizes: (users,) int32, how many items each of them taught of; (0,) where neighbours are items.
    """

    neighbours: NDArray[np.int32]
    similarities: NDArray[np.float32]
    alike_indptr: NDArray[np.int64]
    alike_items: NDArray[np.int32]
    alike_similarities: NDArray[np.float32]
    item_users_indptr: NDArray[np.int64]
    item_users: NDArray[np.int32]
    user_sizes: NDArray[np.int32]

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]] = (
        ArrayLayout("neighbours", "int32", 2),
        ArrayLayout("similarities", "float32", 2),
        ArrayLayout("alike_indptr", "int64", 1),
        ArrayLayout("alike_items", "int32", 1),
        ArrayLayout("alike_similarities", "float32", 1),
        ArrayLayout("item_users_indptr", "int64", 1),
        ArrayLayout("item_users", "int32", 1),
        ArrayLayout("user_sizes", "int32", 1),
    )

    @property
    def items(self) -> int:
        """How many items."""
        return len(self.alike_indptr) - 1

    @property
    def of_users(self) -> bool:
        """Whether neighbours are users."""
        return len(self.user_sizes) > 0

    def catalogue_problem(self, users: int, items: int) -> Problem | None:
        """How the arrays do not fit to those of a catalogue of so many users and items."""
        rows = users if self.of_users else items
        return self._shape_problem({"alike_indptr": (items + 1,), "neighbours": (rows, self.neighbours.shape[1])})

    def _fit_problem(self) -> Problem | None:
        if self.neighbours.size == 0 or self.items < 1:
            return Problem("neighbours", "at least one row, neighbour and item", self.neighbours.shape)
        rows, k = self.neighbours.shape
        shapes = {
            "neighbours": (rows if self.of_users else self.items, k),
            "similarities": (rows, k),
            "alike_similarities": (len(self.alike_items),),
            "item_users_indptr": (self.items + 1,),
            "item_users": (len(self.item_users) if self.of_users else 0,),
            "user_sizes": (rows if self.of_users else 0,),
        }
        return (
            self._shape_problem(shapes)
            or indptr_problem("alike_indptr", self.alike_indptr, len(self.alike_items))
            or indptr_problem("item_users_indptr", self.item_users_indptr, len(self.item_users))
        )

    def _content_problem(self) -> Problem | None:
        rows = len(self.neighbours)
        return (
            rows_problem("neighbours", self.neighbours, rows)
            or _similarity_problem("similarities", self.similarities, self._row_starts())
            or descending_problem("alike_indptr", self.alike_indptr)
            or rows_problem("alike_items", self.alike_items, self.items)
            or _similarity_problem("alike_similarities", self.alike_similarities, self.alike_indptr)
            or self._users_problem()
        )

    def _row_starts(self) -> NDArray[np.int64]:
        rows, k = self.similarities.shape
        return np.arange(0, (rows + 1) * k, k, dtype=np.int64)

    def _users_problem(self) -> Problem | None:
        problem = descending_problem("item_users_indptr", self.item_users_indptr) or rows_problem(
            "item_users", self.item_users, len(self.neighbours)
        )
        if problem is None and self.of_users and self.user_sizes.min() < 1:
            return Problem("user_sizes", "at least one item for each user", int(self.user_sizes.min()))
        return problem


def _similarity_problem(name: str, similarities: NDArray[np.float32], starts: NDArray[np.int64]) -> Problem | None:
    """Whether they cannot be summed and ranked: 0 and above, best first in each row, all of them within float32."""
    flat = similarities.reshape(-1)
    problem = not_finite(name, flat)
    if problem is not None or flat.size == 0:
        return problem
    if flat.min() < 0:
        return Problem(name, "0 and above", float(flat.min()))
    descends = flat[1:] <= flat[:-1]
    inner = starts[1:-1]
    descends[inner[(inner > 0) & (inner < flat.size)] - 1] = True  # where another row begins
    if not descends.all():
        return Problem(name, "the most similar first in each row", "another order")
    total = float(flat.sum(dtype=np.float64))
    if total >= float(np.finfo(np.float32).max):
        return Problem(name, "sums within float32", f"up to {total:.3g}")
    return None
