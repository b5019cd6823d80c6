"""Leave-last-out: the last item that a user met is kept from a model, to see whether it would have recommended it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from port_worker.training.dataset import TrainingData


@dataclass(frozen=True, eq=False)
class Holdout:
    """What is kept from `train`, whose users and items have the same numbers as before: each has a positive pair left.

    users, items: (n,) int64 rows, each user once. times: (n,) int64 unix seconds.
    """

    train: TrainingData
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.int64]


def leave_last_out(data: TrainingData, most: int, seed: int, newer_than: int | None = None) -> Holdout:
    """Of up to `most` users, drawn by `seed`, the last positive pair; of users who have another one.

    An item that nobody else has met cannot be found by any model, so such a pair stays. `newer_than` is the time until
    which the model that is started from has learnt. What it knows already proves nothing, so only newer pairs are held
    out, half of them at most: the others are what there is to learn.
    """
    positive = np.flatnonzero(data.positive)
    held = _last_of_each(data.users[positive], positive)
    if newer_than is not None:
        held = held[data.times[held] > newer_than]
        most = min(most, int(np.count_nonzero(data.times[positive] > newer_than)) // 2)
    if len(held) > most:
        held = np.sort(np.random.default_rng(seed).choice(held, most, replace=False))
    held = _without_last_meetings(data, held)
    kept = np.ones(len(data.users), dtype=np.bool_)
    kept[held] = False
    train = replace(
        data, users=data.users[kept], items=data.items[kept], weights=data.weights[kept], times=data.times[kept]
    )
    return Holdout(train, data.users[held], data.items[held], data.times[held])


def _last_of_each(users: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last of each user's pairs, ascending, of users who have two or more."""
    _, first, counts = np.unique(users[::-1], return_index=True, return_counts=True)
    return np.sort(pairs[::-1][first[counts > 1]])


def _without_last_meetings(data: TrainingData, held: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of `held` that leave each item a positive pair: of an item of which all are held, the first is not."""
    met = np.bincount(data.items[data.positive], minlength=len(data.item_ids))
    items, first, counts = np.unique(data.items[held], return_index=True, return_counts=True)
    return np.delete(held, first[counts == met[items]])
