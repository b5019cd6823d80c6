"""The k highest scores of a row: exact, and the same every time, ties included."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WIDEST = 256
"""Scores in a block at most: of wider ones there is nothing to save."""

_FEW = 256
"""Up to here a stable sort of floats costs less than making whole numbers of them does."""


def top_k(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Positions of the (up to) `k` highest of `scores` (n,), highest first, equal scores in ascending position.

    What scores minus infinity is masked and never returned, so fewer than `k` may come back. No score may be NaN.
    """
    k = min(k, scores.size)
    if k < 1:
        return np.empty(0, dtype=np.intp)
    bound = lower_bound(scores, k)
    # Everything at or above the bound, ties at it too.
    candidates = np.flatnonzero(scores >= bound if bound > -np.inf else scores > -np.inf)
    return candidates[descending(scores[candidates])[:k]]


def descending(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """The order (m,) that sorts `scores`, highest first, equal ones as they came. No score may be NaN."""
    if len(scores) <= _FEW:
        return (-scores).argsort(kind="stable")
    keys = descending_keys(scores) << np.uint64(32)
    keys |= np.arange(len(scores), dtype=np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.intp)


def descending_keys(scores: NDArray[np.float32]) -> NDArray[np.uint64]:
    """32-bit whole numbers that ascend as `scores` descend, equal for equal scores.

    A float's bits order as its size does once negative ones are turned over. Whole numbers sort several times faster
    than floats do stably, since a place can be put into their lower half.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0, which it equals
    turned = np.where(bits >> np.uint32(31), bits, bits ^ np.uint32(0x7FFFFFFF))
    return turned.astype(np.uint64)


def of_descending_keys(keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The scores of which these are the keys, by their lower 32 bits; 0.0 for what was -0.0."""
    low = keys.astype(np.uint32)
    return np.where(low >> np.uint32(31), low, low ^ np.uint32(0x7FFFFFFF)).view(np.float32)


def lower_bound(scores: NDArray[np.float32], k: int) -> np.float32:
    """A score that at least `k` positions reach, as high as is cheap to find; minus infinity if all may be wanted.

    The k-th highest of the maxima of blocks is such a score, and finding it is one pass that the processor vectorises.
    A block is every position of the same remainder, so that the pass reads straight on.
    """
    width = block_width(scores.size, k)
    blocks = scores.size // width
    if blocks <= k:
        return np.float32(-np.inf)
    return _kth_highest(np.maximum.reduce(scores[: blocks * width].reshape(width, blocks), axis=0), k)


def block_width(size: int, k: int, widest: int = _WIDEST) -> int:
    """How many of `size` scores to take as one when the `k` highest are wanted: a power of two, up to `widest`."""
    fitting = max(1, min(widest, size // (4 * k)))
    return 1 << (fitting.bit_length() - 1)


def _kth_highest(values: NDArray[np.float32], k: int) -> np.float32:
    """Of values that nobody needs any more: they change places."""
    place = values.size - k
    values.partition(place)
    found: np.float32 = values[place]
    return found
