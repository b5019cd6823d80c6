"""From a fitted neighbourhood model of LibRecommender to the arrays that serving reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from port_worker.store.neighbourhood import Metric, NeighbourhoodArrays, NeighbourhoodFacts
from port_worker.training.catalogue import Params
from port_worker.training.dataset import TrainingData
from port_worker.training.recfarm_file import Neighbours, neighbours

ALIKE_KEPT = 512
"""So many of the items most like one are kept for `similar`, diversity and `explain`: 4 KB an item at most.

A whole matrix grows with the square of the catalogue (5 GB at 50,000 items if each has met a quarter of the others).
"""

_ITEMS_AT_ONCE = 1024
"""Rows of the product of items with items that are held at a time."""

_NOBODY = Neighbours(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))

_Rows = Callable[[int], Neighbours]


def neighbourhood_arrays(model: Any, data: TrainingData) -> NeighbourhoodArrays:
    """The neighbours that the model's `recommend_user` sums over, equal ones in its own order.

    `model` is a fitted UserCF, ItemCF, RsUserCF, RsItemCF or Swing, trained with all labels 1: so a similarity is one
    of sets, and a score the sum of similarities. LibRecommender cuts to `k_sim` (`top_k` of Swing) when it recommends;
    here the others are left out at once.
    """
    users, items = len(data.user_ids), len(data.item_ids)
    of_users = model.model_name in ("UserCF", "RsUserCF")
    rows = users if of_users else items
    most_like = _most_like(model)
    k = min(model.top_k if model.model_name == "Swing" else model.k_sim, rows)
    closest, similarities = _padded(most_like, rows, k)
    met = _Met.of(data)
    alike = _joined(met.alike() if of_users else map(most_like, range(items)))
    return NeighbourhoodArrays(
        neighbours=closest,
        similarities=similarities,
        alike_indptr=alike.indptr,
        alike_items=alike.rows,
        alike_similarities=alike.similarities,
        item_users_indptr=met.by_item.indptr.astype(np.int64) if of_users else np.zeros(items + 1, dtype=np.int64),
        item_users=met.by_item.indices.astype(np.int32) if of_users else np.empty(0, dtype=np.int32),
        user_sizes=np.diff(met.by_user.indptr).astype(np.int32) if of_users else np.empty(0, dtype=np.int32),
    )


def neighbourhood_facts(algorithm: str, params: Params) -> NeighbourhoodFacts:
    """How the algorithm computes similarities."""
    if algorithm == "Swing":
        return NeighbourhoodFacts("swing", 1)
    min_common = params["min_common"]
    assert isinstance(min_common, int)
    return NeighbourhoodFacts(cast("Metric", params.get("sim_type", "cosine")), min_common)


class _Met(NamedTuple):
    """Who met what with a weight above 0: (users, items) and its transpose, 1 where they did, CSR."""

    by_user: Any
    by_item: Any

    @classmethod
    def of(cls, data: TrainingData) -> _Met:
        from scipy.sparse import csr_matrix

        positive = data.positive
        pairs = (data.users[positive], data.items[positive])
        ones = np.ones(len(pairs[0]), dtype=np.float32)
        by_user = csr_matrix((ones, pairs), shape=(len(data.user_ids), len(data.item_ids)))
        return cls(by_user, by_user.T.tocsr())

    def alike(self) -> Iterator[Neighbours]:
        """The items most like each: the cosine of their sets of users."""
        roots = np.sqrt(np.diff(self.by_item.indptr)).astype(np.float32)
        for start in range(0, len(roots), _ITEMS_AT_ONCE):
            common = (self.by_item[start : start + _ITEMS_AT_ONCE] @ self.by_user).tocsr()
            common.sort_indices()
            for place in range(common.shape[0]):
                found = _row(common, place)
                others = found.rows != start + place
                rows = found.rows[others]
                yield _best_first(rows, found.similarities[others] / (roots[start + place] * roots[rows]))


def _most_like(model: Any) -> _Rows:
    """All neighbours of a row, best first; equals as LibRecommender has them: by row, or as Rust left them."""
    if model.model_name in _SAVED_BY:
        import recfarm

        found = neighbours(model.rs_model, getattr(recfarm, _SAVED_BY[model.model_name]))
        return lambda row: found.get(row, _NOBODY)
    return lambda row: _best_first(*_row(model.sim_matrix, row))


_SAVED_BY = {"RsUserCF": "save_user_cf", "RsItemCF": "save_item_cf", "Swing": "save_swing"}


def _row(matrix: Any, row: int) -> Neighbours:
    stretch = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return Neighbours(matrix.indices[stretch].astype(np.int32), matrix.data[stretch].astype(np.float32))


def _best_first(rows: NDArray[np.int32], similarities: NDArray[np.float32]) -> Neighbours:
    order = np.argsort(-similarities, kind="stable")
    return Neighbours(rows[order], similarities[order])


def _padded(most_like: _Rows, rows: int, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    closest = np.zeros((rows, k), dtype=np.int32)
    similarities = np.zeros((rows, k), dtype=np.float32)
    for row in range(rows):
        found = most_like(row)
        count = min(k, len(found.rows))
        closest[row, :count] = found.rows[:count]
        similarities[row, :count] = found.similarities[:count]
    return closest, similarities


class _Joined(NamedTuple):
    indptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    similarities: NDArray[np.float32]


def _joined(each: Iterator[Neighbours]) -> _Joined:
    kept = [Neighbours(found.rows[:ALIKE_KEPT], found.similarities[:ALIKE_KEPT]) for found in each]
    indptr = np.concatenate([[0], np.cumsum([len(found.rows) for found in kept])]).astype(np.int64)
    rows = np.concatenate([found.rows for found in kept])
    return _Joined(indptr, rows, np.concatenate([found.similarities for found in kept]))
