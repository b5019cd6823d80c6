"""How much of what is recommended goes to the items that are popular anyway."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PARTS = 10
"""Deciles: the most popular tenth of the items, the next tenth, ..."""


def shares(popular_items: NDArray[np.integer], items: NDArray[np.integer], weights: NDArray[np.integer]) -> list[float]:
    """(PARTS,) which share of `weights` the `items` of each decile have, the most popular first; their sum is 1.

    popular_items: (n_items,) every row, the most popular first. items: (m,) rows of at least one. weights: (m,).
    """
    places = np.empty(len(popular_items), dtype=np.int64)
    places[popular_items] = np.arange(len(popular_items))
    deciles = places[items] * PARTS // len(popular_items)
    counts = np.bincount(deciles, weights, minlength=PARTS)
    found: list[float] = (counts / max(counts.sum(), 1)).tolist()
    return found
