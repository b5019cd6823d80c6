"""What is asked of a model, and its answers. Ids that no model knows may be among those of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ranking import Metric, Source
from port_worker.serving.subject import Features

Id: TypeAlias = int | str
Ids: TypeAlias = tuple[Id, ...] | NDArray[Any]
"""Ids one by one, or an array of them as `IdIndex.rows` takes it."""


class Filter(NamedTuple):
    """Which items may be answered with: not those in `exclude`, and only of these kinds where they are given."""

    exclude: Ids = ()
    kinds: tuple[str, ...] | None = None


class RecommendRequest(NamedTuple):
    """The `n` best items for `user`; n is at least 1.

    filter_consumed: whether what the user has met is left out.
    diversity: from 0, the most relevant, to 1, the most different from each other.
    recent: the items met last, oldest first, in place of all that is known of the user's history.
    features: of the user, in place of those that the model has learnt.
    """

    user: Id
    n: int
    filter: Filter = Filter()
    filter_consumed: bool = True
    diversity: float = 0.0
    recent: Ids | None = None
    features: Features | None = None


@dataclass(frozen=True)
class ManyRequest:
    """The `n` best items for each of `users`, who may be many."""

    users: Ids
    n: int
    filter: Filter = field(default_factory=Filter)
    filter_consumed: bool = True


@dataclass(frozen=True, eq=False)
class ManyRecommendations:
    """Items of many users, each item's id once.

    ids: (distinct items,) as the model's item ids are.
    items: (users, n) int32, places in `ids`, best first; -1 where there was none left.
    scores: (users, n) float32; 0 where there is no item.
    sources: (users,) uint8, places in `SOURCES`.
    """

    ids: NDArray[Any]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.uint8]


SOURCES: tuple[Source, ...] = ("model", "fold_in", "features", "popular")


@dataclass(frozen=True)
class SimilarRequest:
    """The `n` items most like `item`."""

    item: Id
    n: int
    metric: Metric = "cosine"
    filter: Filter = field(default_factory=Filter)


@dataclass(frozen=True, eq=False)
class SimilarItems:
    """Items, the most alike first, as in Recommendation."""

    ids: NDArray[Any]
    scores: NDArray[np.float32]
    exhausted: bool


@dataclass(frozen=True, eq=False)
class Scores:
    """(items,) float32, float64 if they are counts, in the order of the request; NaN for an item that is unknown."""

    scores: NDArray[np.floating]
    source: Source


@dataclass(frozen=True, eq=False)
class Explanation:
    """The user's own items that speak most for one item, and how much, best first.

    exact: the contributions add up to the score, but for what no item of theirs has a part in; nearly, where the score
        is that of a vector which was learnt.
    """

    ids: NDArray[Any]
    contributions: NDArray[np.float32]
    score: float
    source: Source
    exact: bool
