"""Scores that depend on nothing but the two vectors, and the order that they give.

What a matrix product makes of a row differs in the last bit with the rows beside it. Here products are summed in
float64, in an order of their own, and rounded once: who asks alone, in a batch, or of an approximate index gets the
same bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ranking import Ranked
from port_worker.serving.topk import descending_keys, of_descending_keys

_AT_ONCE = 1 << 19
"""Products at once: 4 MiB, a millisecond or two."""

_MANY_FACTORS = 64
"""From here on the BLAS's product with a single vector reads slower than the memory delivers..."""
_CACHED_FACTORS = 1 << 23
"""... unless the items lie in the last cache, as up to so many of their numbers (32 MiB) may."""


def score(items: NDArray[np.float32], vectors: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """`items` (m, d) @ `vectors` (b, d) in float32 into `out` (m, b), each sum in whatever order is quick."""
    if len(vectors) > 1:
        np.matmul(items, vectors.T, out=out)
    elif items.shape[1] < _MANY_FACTORS or items.size <= _CACHED_FACTORS:
        np.matmul(items, vectors[0], out=out[:, 0])
    else:
        np.einsum("ij,j->i", items, vectors[0], out=out[:, 0])


def longest(vectors: NDArray[np.float32]) -> float:
    """The length of the longest of `vectors` (n, d). One pass over all of them, which also brings them into memory."""
    step = max(1, _AT_ONCE // vectors.shape[1])
    parts = (vectors[start : start + step] for start in range(0, len(vectors), step))
    # In float32: more digits would cost as much again, and `slack` allows for that.
    return math.sqrt(max((float(np.einsum("ij,ij->i", part, part).max()) for part in parts), default=0.0))


def slack(vectors: NDArray[np.float64], longest_item: float) -> NDArray[np.float64]:
    """By how much two float32 products of `vectors` (b, d) with items may be out of order: (b,).

    A sum of d products, in whatever order, is wrong by at most d * 2**-24 of the product of the lengths, near enough,
    and so may either of two be. The 8 more are for the roundings on the way and for the lengths themselves.
    """
    lengths: NDArray[np.float64] = np.sqrt(np.vecdot(vectors, vectors))
    return lengths * float(longest_item * (vectors.shape[1] + 8) * 2.0**-23)


def products(
    items: NDArray[np.float32], rows: NDArray[np.intp], vectors: NDArray[np.float64], users: NDArray[np.intp]
) -> Iterator[NDArray[np.float32] | None]:
    """The scores (m,) of items `rows` (m,) for `vectors` [`users`] (m,); before that None after each slice of work."""
    step = max(1, _AT_ONCE // items.shape[1])
    parts: list[NDArray[np.float32]] = []
    for start in range(0, len(rows), step):
        if parts:
            yield None
        part = slice(start, start + step)
        parts.append(product(items, rows[part], vectors.take(users[part], axis=0) if len(vectors) > 1 else vectors))
    yield parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, dtype=np.float32)])


def product(items: NDArray[np.float32], rows: NDArray[np.intp], vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """The scores (m,) of items `rows` (m,) for `vectors` (m, d), or (1, d) for all of them, in one go."""
    wide = items.take(rows, axis=0).astype(np.float64)  # whole rows, which numpy takes quicker than it indexes them
    scores: NDArray[np.float32] = np.vecdot(wide, vectors).astype(np.float32)
    return scores


def fits_a_slice(items: NDArray[np.float32], rows: int) -> bool:
    """Whether so many rows are multiplied in a slice of work."""
    return bool(rows * items.shape[1] <= _AT_ONCE)


def best_of_each(
    rows: NDArray[np.intp], users: NDArray[np.intp], scores: NDArray[np.float32], ns: Sequence[int]
) -> list[Ranked]:
    """Of each user the best of `rows`, at most `ns` [user] of them, equal scores in ascending row."""
    counts = np.bincount(users, minlength=len(ns))
    ends = counts.cumsum()
    n = ns[0]
    if len(rows) and len(ns) <= _MOST_USERS and rows.max() <= _LAST_ROW:
        keys = _sorted_keys(rows, users, scores)
        if counts.min() >= n and ns.count(n) == len(ns):  # as many of each, which is one table
            best = keys[(ends - counts)[:, None] + np.arange(n)]
            return list(map(Ranked, *_of_keys(best)))
        rows, scores = _of_keys(keys)
    else:
        order = np.lexsort((rows, -scores, users))
        rows, scores = rows[order], scores[order]
    some = zip((ends - counts).tolist(), ends.tolist(), ns, strict=True)
    parts = [slice(start, min(end, start + n)) for start, end, n in some]
    return [Ranked(rows[part], scores[part]) for part in parts]


_ROW_BITS, _SCORE_BITS, _USER_BITS = 26, 32, 6
_LAST_ROW, _MOST_USERS = (1 << _ROW_BITS) - 1, 1 << _USER_BITS


def _sorted_keys(rows: NDArray[np.intp], users: NDArray[np.intp], scores: NDArray[np.float32]) -> NDArray[np.uint64]:
    """In order of user, score and row: whole numbers that hold all three sort several times quicker than those do."""
    keys = descending_keys(scores)
    keys <<= _ROW_BITS
    keys |= rows.view(np.uint64)
    keys |= users.view(np.uint64) << _ROW_BITS + _SCORE_BITS
    keys.sort()
    return keys


def _of_keys(keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    return (keys & _LAST_ROW).view(np.intp), of_descending_keys(keys >> np.uint64(_ROW_BITS))
