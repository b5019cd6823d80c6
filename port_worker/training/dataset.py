"""From a source's interactions to what LibRecommender trains on, and to what serving must know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from port_worker.sources.base import Source
from port_worker.sources.columns import IdArray, Interactions
from port_worker.sources.features import FeatureTable, Kinds
from port_worker.training.catalogue import Owner
from port_worker.training.errors import TrainingError
from port_worker.training.feature_columns import FeatureColumns, feature_columns

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
    times: (n_pairs,) int64, when they last met, unix seconds, ascending.
    rows: how many rows the source gave.
    skipped: how many it left out besides, because they were malformed.
    learnt_until: the largest time among those rows, in unix seconds.
    kinds: of the known items; None if nobody asked the source.
    user_features, item_features: of the known users and items; None if there are none, or nobody asked.
    """

    user_ids: IdArray
    item_ids: IdArray
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float32]
    times: NDArray[np.int64]
    rows: int
    skipped: int = 0
    learnt_until: int = 0
    kinds: Kinds | None = None
    user_features: FeatureTable | None = None
    item_features: FeatureTable | None = None

    @property
    def item_kinds(self) -> Kinds:
        """The kinds of the known items, NO_KIND throughout if nobody asked the source."""
        return self.kinds or Kinds.none(len(self.item_ids))

    @property
    def positive(self) -> NDArray[np.bool_]:
        """(n_pairs,) whether each pair is one to learn from."""
        return self.weights > 0


def prepare(interactions: Interactions) -> TrainingData:
    """Aggregate, order and number the interactions.

    Weights need not differ: what a user has not met is the contrast, so one positive weight throughout trains every
    algorithm, and none above 0 trains nothing.

    Raises TrainingError `source_empty` if fewer than two users or two items have an interaction of positive weight: one
    user, one item, no weight above 0. No rows at all a source refuses itself.
    """
    pairs = _aggregate(interactions)
    positive = pairs.weights > 0
    known_users, known_items = np.unique(pairs.users[positive]), np.unique(pairs.items[positive])
    _check_enough(len(known_users), len(known_items), len(interactions))
    kept = np.isin(pairs.users, known_users) & np.isin(pairs.items, known_items)
    return TrainingData(
        user_ids=interactions.users.ids[known_users],
        item_ids=interactions.items.ids[known_items],
        users=np.searchsorted(known_users, pairs.users[kept]),
        items=np.searchsorted(known_items, pairs.items[kept]),
        weights=pairs.weights[kept],
        times=pairs.times[kept],
        rows=len(interactions),
        skipped=interactions.skipped,
        learnt_until=int(interactions.times.max()),
    )


def described(data: TrainingData, source: Source) -> TrainingData:
    """The same pairs with what the source knows of their users and items. Raises SourceError.

    Features are by name, not in the source's order: the layers behind them know them by their place, and a table whose
    columns were put in another order must not become another model.
    """
    return replace(
        data,
        kinds=source.item_kinds(data.item_ids),
        user_features=_by_name(source.user_features(data.user_ids)),
        item_features=_by_name(source.item_features(data.item_ids)),
    )


def _by_name(table: FeatureTable | None) -> FeatureTable | None:
    return (
        None if table is None else FeatureTable(dict(sorted(table.sparse.items())), dict(sorted(table.dense.items())))
    )


def train_set(
    data: TrainingData,
    *,
    weighted: bool,
    seed: int,
    features: frozenset[Owner] = frozenset(),
    newer_than: int | None = None,
) -> tuple[Any, Any]:
    """LibRecommender's TransformedSet and DataInfo of the positive pairs, built anew: ALS changes its set in fitting.

    `features` says whose features are in it, of those that `data` has; `feature_layout` tells where they are.
    `newer_than` leaves in the TransformedSet only pairs that met after it. The DataInfo is of all pairs in any case:
    consumed lists, popular items and the numbers of users and items, which LibRecommender's `merge_trainset` takes from
    the last batch or counts twice.

    Labels are the weights if `weighted` (ALS takes them as confidence), else 1: with negative sampling the other
    algorithms look at which pairs there are, not at their labels. Ids are our row numbers, so LibRecommender's inner
    ids are the same numbers, and no id of the user's meets its type handling.
    """
    import pandas as pd

    positive = data.positive
    users, items = data.users[positive], data.items[positive]
    labels = data.weights[positive] if weighted else np.ones(len(users), dtype=np.float32)
    frame = pd.DataFrame({"user": users, "item": items, "label": labels})
    tables: list[tuple[Owner, FeatureTable | None, NDArray[np.int64]]] = [
        ("user", data.user_features, users), ("item", data.item_features, items)
    ]  # fmt: skip
    columns = [
        feature_columns(owner, table, rows) for owner, table, rows in tables if owner in features and table is not None
    ]
    transformed, info = _with_features(frame, columns, seed) if columns else _without_features(frame, seed)
    if newer_than is None:
        return transformed, info
    from libreco.data.data_info import store_old_info

    info.old_info = store_old_info(info)  # by it TwoTower knows that there may be items that it is not fitted on
    return _only(transformed, data.times[positive] > newer_than), info


def _only(transformed: Any, rows: NDArray[np.bool_]) -> Any:
    columns = (
        transformed.user_indices,
        transformed.item_indices,
        transformed.labels,
        transformed.sparse_indices,
        transformed.dense_values,
    )
    return type(transformed)(*(None if column is None else column[rows] for column in columns))


def _without_features(frame: Any, seed: int) -> tuple[Any, Any]:
    from libreco.data import DatasetPure

    class Private(DatasetPure):  # type: ignore[misc]
        """Keeps what DatasetPure stores on its class from other data sets of this process."""

    return cast("tuple[Any, Any]", Private.build_trainset(frame, seed=seed))


def _with_features(frame: Any, columns: list[FeatureColumns], seed: int) -> tuple[Any, Any]:
    """DatasetFeat reads from itself, by its name, what it stored on `cls`: no subclass would do, so it is cleaned."""
    from libreco.data import DatasetFeat

    before = dict(vars(DatasetFeat))
    try:
        made = DatasetFeat.build_trainset(
            frame.assign(
                **{name: values for each in columns for name, values in {**each.sparse, **each.dense}.items()}
            ),
            user_col=[name for each in columns if each.owner == "user" for name in (*each.sparse, *each.dense)],
            item_col=[name for each in columns if each.owner == "item" for name in (*each.sparse, *each.dense)],
            sparse_col=[name for each in columns for name in each.sparse],
            dense_col=[name for each in columns for name in each.dense],
            seed=seed,
        )
    finally:
        _restore(DatasetFeat, before)
    return cast("tuple[Any, Any]", made)


def _restore(changed: type, before: dict[str, Any]) -> None:
    for name, value in dict(vars(changed)).items():
        if name not in before:
            delattr(changed, name)
        elif value is not before[name]:
            setattr(changed, name, before[name])


@dataclass(frozen=True, eq=False)
class _Pairs:
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float32]
    times: NDArray[np.int64]


def _aggregate(interactions: Interactions) -> _Pairs:
    n_items = len(interactions.items.ids)
    order = np.argsort(interactions.times, kind="stable")
    codes = interactions.users.codes[order] * np.int64(n_items) + interactions.items.codes[order]
    # Reversed, the first row of a pair is its last in time.
    pairs, last, inverse = np.unique(codes[::-1], return_index=True, return_inverse=True)
    sums = np.bincount(inverse, weights=interactions.weights[order][::-1].astype(np.float64))
    by_time = np.argsort(-last)  # each row is the last of one pair at most, so there are no ties
    largest = float(np.finfo(np.float32).max)
    weights = np.clip(sums, -largest, largest).astype(np.float32)
    times = interactions.times[order][::-1][last]
    return _Pairs(pairs[by_time] // n_items, pairs[by_time] % n_items, weights[by_time], times[by_time])


def _check_enough(users: int, items: int, rows: int) -> None:
    if users >= MIN_USERS and items >= MIN_ITEMS:
        return
    expected = f"interactions of positive weight between at least {MIN_USERS} users and {MIN_ITEMS} items"
    message = f"too little to train on: expected {expected}, found {users} user(s) and {items} item(s) in {rows} row(s)"
    raise TrainingError("source_empty", message, {"users": users, "items": items, "rows": rows})
