"""From a source's interactions to what LibRecommender trains on, and to what serving must know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from port_worker.sources.columns import IdArray, Interactions
from port_worker.training.errors import TrainingError

MIN_USERS = 2
MIN_ITEMS = 2
"""Below these there is nothing to tell apart: sampling a negative item needs a second one."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """One row for each pair of a known user and a known item that met, in the order in which they last met.

    A pair's weight is the sum of its rows' weights, and its time the last of them; equal times keep the source's order.
    A pair is positive if its weight is above 0. A user or item is known if it has a positive pair. Pairs that are not
    positive teach nothing, and yet their items count as consumed: what a user gave 0 stars is not recommended to them.

    user_ids, item_ids: (n_users,), (n_items,) the known ids, ascending.
    users, items: (n_pairs,) int64, rows of `user_ids` and `item_ids`.
    weights: (n_pairs,) float32.
    rows: how many rows the source had.
    """

    user_ids: IdArray
    item_ids: IdArray
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float32]
    rows: int

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(n_pairs,) whether each pair is one to learn from."""
        return self.weights > 0


def prepare(interactions: Interactions) -> TrainingData:
    """Aggregate, order and number the interactions.

    Raises TrainingError `source_empty` if fewer than two users or two items have an interaction of positive weight.
    """
    user_ids, users = np.unique(interactions.users, return_inverse=True)
    item_ids, items = np.unique(interactions.items, return_inverse=True)
    pairs = _aggregate(users, items, len(item_ids), interactions)
    positive = pairs.weights > 0
    known_users, known_items = np.unique(pairs.users[positive]), np.unique(pairs.items[positive])
    _check_enough(len(known_users), len(known_items), len(interactions))
    kept = np.isin(pairs.users, known_users) & np.isin(pairs.items, known_items)
    return TrainingData(
        user_ids=cast("IdArray", user_ids[known_users]),
        item_ids=cast("IdArray", item_ids[known_items]),
        users=np.searchsorted(known_users, pairs.users[kept]),
        items=np.searchsorted(known_items, pairs.items[kept]),
        weights=pairs.weights[kept],
        rows=len(interactions),
    )


def train_set(data: TrainingData, *, weighted: bool, seed: int) -> tuple[Any, Any]:
    """LibRecommender's TransformedSet and DataInfo of the positive pairs, built anew: ALS changes its set in fitting.

    Labels are the weights if `weighted` (ALS takes them as confidence), else 1: with negative sampling the other
    algorithms look at which pairs there are, not at their labels. Ids are our row numbers, so LibRecommender's inner
    ids are the same numbers, and no id of the user's meets its type handling.
    """
    import pandas as pd
    from libreco.data import DatasetPure

    class Private(DatasetPure):  # type: ignore[misc]
        """Keeps what DatasetPure stores on its class from other data sets of this process."""

    positive = data.positive
    labels = data.weights[positive] if weighted else np.ones(np.count_nonzero(positive), dtype=np.float32)
    frame = pd.DataFrame({"user": data.users[positive], "item": data.items[positive], "label": labels})
    transformed, info = Private.build_trainset(frame, seed=seed)
    return transformed, info


@dataclass(frozen=True, eq=False)
class _Pairs:
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float32]


def _aggregate(users: NDArray[np.int64], items: NDArray[np.int64], n_items: int, interactions: Interactions) -> _Pairs:
    order = np.argsort(interactions.times, kind="stable")
    codes = users[order] * np.int64(n_items) + items[order]
    # Reversed, the first row of a pair is its last in time.
    pairs, last, inverse = np.unique(codes[::-1], return_index=True, return_inverse=True)
    sums = np.bincount(inverse, weights=interactions.weights[order][::-1].astype(np.float64))
    by_time = np.argsort(-last)  # each row is the last of one pair at most, so there are no ties
    largest = float(np.finfo(np.float32).max)
    weights = np.clip(sums, -largest, largest).astype(np.float32)
    return _Pairs(pairs[by_time] // n_items, pairs[by_time] % n_items, weights[by_time])


def _check_enough(users: int, items: int, rows: int) -> None:
    if users >= MIN_USERS and items >= MIN_ITEMS:
        return
    expected = f"interactions of positive weight between at least {MIN_USERS} users and {MIN_ITEMS} items"
    message = f"too little to train on: expected {expected}, found {users} user(s) and {items} item(s) in {rows} row(s)"
    raise TrainingError("source_empty", message, {"users": users, "items": items, "rows": rows})
