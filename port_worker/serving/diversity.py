"""Maximal marginal relevance: items that are good and yet unlike one another.

Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries",
SIGIR 1998: of those left, take the item for which lambda * relevance - (1 - lambda) * its likeness to the most alike
of those taken is highest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_COMPARED = 1000
"""Items at most of which any two are compared: it takes time and memory by the square of their number."""

_POOL_FACTOR = 5
_POOL_LEAST = 50


def pool_size(n: int) -> int:
    """How many of the best items the `n` are to be chosen from: five times as many, 50 to 1000, and never below n.

    Where it is above MOST_COMPARED, the first so many are chosen among themselves, and the others follow.
    """
    return max(n, min(max(_POOL_FACTOR * n, _POOL_LEAST), MOST_COMPARED))


def select(
    relevance: NDArray[np.floating], closeness: NDArray[np.floating], n: int, diversity: float
) -> NDArray[np.intp]:
    """Positions of the (up to) `n` chosen of a pool, in the order of choice; lambda is 1 - `diversity`.

    relevance: (m,) scores, finite, best first. Scores have no scale of their own and closeness has, -1 to 1, so they
        are brought to 0 to 1 within the pool; where all are equal, closeness alone decides.
    closeness: (m, m), how alike any two items of the pool are.
    diversity: 0 keeps the order by relevance, 1 chooses by closeness alone, beginning with the best.

    Equals are taken in the order of the pool. O(n m).
    """
    gain = (1.0 - diversity) * _normalised(relevance)
    nearest = np.zeros(len(gain))  # to the chosen ones; before the first it is the same for all
    chosen = np.empty(min(n, len(gain)), dtype=np.intp)
    for place in range(len(chosen)):
        best = int(np.argmax(gain - diversity * nearest))
        chosen[place] = best
        gain[best] = -np.inf
        nearest = closeness[best].astype(np.float64) if place == 0 else np.maximum(nearest, closeness[best])
    return chosen


def _normalised(relevance: NDArray[np.floating]) -> NDArray[np.float64]:
    scores = relevance.astype(np.float64)
    if scores.size == 0:
        return scores
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)
