"""What rankings are worth where one item of each user was held out. Computed for all users at once.

With a single relevant item at place r (from 1) of a ranking that is cut off at k, and 0 if it is not among those k:
recall@k is 1, NDCG@k 1 / log2(r + 1), and average precision@k 1 / r (Järvelin and Kekäläinen 2002; Manning, Raghavan,
Schütze 2008, 8.4). Coverage and novelty as in Castells, Hurley, Vargas 2015.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ABSENT = -1


@dataclass(frozen=True, eq=False)
class Rankings:
    """Of each user the best items, in numbers that are the same for every model that is compared.

    items: (users, k) int64, best first; ABSENT behind the last one.
    held_out: (users,) int64, the item that each of them met next.
    """

    items: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @property
    def places(self) -> NDArray[np.int64]:
        """(users,) of the held-out item, from 1; 0 where it is not in the ranking."""
        found = self.items == self.held_out[:, None]
        return np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)

    @property
    def gains(self) -> NDArray[np.float64]:
        """(users,) NDCG of each."""
        places = self.places
        gains = np.zeros(len(places))
        gains[places > 0] = 1 / np.log2(places[places > 0] + 1.0)
        return gains

    def of(self, users: NDArray[np.bool_]) -> Rankings:
        """Those of some users."""
        return Rankings(self.items[users], self.held_out[users])


@dataclass(frozen=True)
class Metrics:
    """Means over the users; `coverage` is a share of all items, `novelty` in bits."""

    recall: float
    ndcg: float
    map: float
    coverage: float
    novelty: float


def metrics(rankings: Rankings, met_by: NDArray[np.int64], users: int) -> Metrics:
    """Of one model's rankings of at least one user.

    met_by: (items,) how many of all `users` have met each item that there is; each was met by one at least.
    """
    places = rankings.places
    hits = places[places > 0]
    count = len(places)
    shown = rankings.items[rankings.items != ABSENT]
    return Metrics(
        recall=len(hits) / count,
        ndcg=float(rankings.gains.mean()),
        map=float((1 / hits).sum() / count),
        coverage=len(np.unique(shown)) / len(met_by),
        novelty=float(-np.log2(met_by[shown] / users).mean()) if len(shown) else 0.0,
    )


def standard_error(ours: Rankings, theirs: Rankings) -> float:
    """Of the difference of both NDCGs, which are of the same users: two users at least."""
    differences = ours.gains - theirs.gains
    return float(differences.std(ddof=1) / math.sqrt(len(differences)))
