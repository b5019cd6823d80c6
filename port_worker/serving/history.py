"""What a user has met, with what was fed since put behind it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.freshness import Fed


class History(NamedTuple):
    """Item rows, the one met last at the end, each once: (k,) int32, and (k,) float32 weights."""

    items: NDArray[np.int32]
    weights: NDArray[np.float32]

    def equals(self, other: History) -> bool:
        """Whether both are the same items, in the same order, with the same weights."""
        return np.array_equal(self.items, other.items) and np.array_equal(self.weights, other.weights)


NOTHING = History(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))


def summed(history: History) -> History:
    """Each item once, with the sum of its weights; the same object where that is so already."""
    items, places = np.unique(history.items, return_inverse=True)
    if len(items) == len(history.items):
        return history
    return History(items, np.bincount(places, history.weights).astype(np.float32))


def with_fed(consumed: History, fed: Fed) -> History:
    """What the user likes of both: an item that is in both moves to the end with the sum of its weights, and what is
    not above 0 then goes.
    """
    again = np.isin(consumed.items, fed.rows)
    earlier = dict(zip(consumed.items[again].tolist(), consumed.weights[again].tolist(), strict=True))
    sums = fed.weights + np.array([earlier.get(row, 0.0) for row in fed.rows.tolist()], dtype=np.float32)
    items = np.concatenate([consumed.items[~again], fed.rows])
    weights = np.concatenate([consumed.weights[~again], sums])
    liked = weights > 0
    return History(items[liked], weights[liked])
