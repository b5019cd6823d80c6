"""What a user has met, with what was fed since put behind it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.freshness import Fed


class History(NamedTuple):
    """Item rows, the one met last at the end, each once: (k,) int32, and (k,) float32 weights above 0."""

    items: NDArray[np.int32]
    weights: NDArray[np.float32]


NOTHING = History(np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float32))


def with_fed(learnt: History, fed: Fed) -> History:
    """Both: an item that is in both moves to the end with the sum of its weights, and goes when that is not above 0."""
    again = np.isin(learnt.items, fed.rows)
    earlier = dict(zip(learnt.items[again].tolist(), learnt.weights[again].tolist(), strict=True))
    sums = fed.weights + np.array([earlier.get(row, 0.0) for row in fed.rows.tolist()], dtype=np.float32)
    items = np.concatenate([learnt.items[~again], fed.rows])
    weights = np.concatenate([learnt.weights[~again], sums])
    liked = weights > 0
    return History(items[liked], weights[liked])
