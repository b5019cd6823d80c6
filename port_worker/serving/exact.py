"""The best items of a product with every item vector, exactly.

Items come in blocks whose scores stay in the processor's cache: product, masks, and the few that may be among the best.
What is left of all blocks is scored once more, in a way that depends on the two vectors alone, and sorted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.masks import Allowed, Masks
from port_worker.serving.products import best_of_each, fits_a_slice, longest, product, products, score, slack
from port_worker.serving.ranking import Ranked
from port_worker.serving.shortlist import GROUP, LOWEST, Shortlist, shortlist
from port_worker.serving.topk import descending, lower_bound

_USERS_AT_ONCE = 64
_SCORES_AT_ONCE = 1 << 21
"""8 MiB: a quarter of that takes a quarter longer, and more no less."""
_FACTORS_AT_ONCE = 1 << 23
"""Of item vectors: 32 MiB, which takes about 3 ms to read."""
_PRODUCTS_AT_ONCE = 1 << 27
"""Multiplications: about 4 ms of them."""
_KEPT_AT_MOST = 1 << 18
"""Candidates of a batch before they are weeded out: only where thousands of items tie are there so many."""


class ExactRanking:
    """Ranks all items of `item_vectors` (items, d) float32, which are read where they are and never copied.

    For one thread: whatever runs between two slices may rank too, but not while a slice does.
    """

    def __init__(self, item_vectors: NDArray[np.float32], longest_item: float | None = None) -> None:
        """`longest_item`: the length of the longest vector, where it is known; else one pass over all of them."""
        self.items = item_vectors
        self.longest = longest(item_vectors) if longest_item is None else longest_item
        # No more than the catalogue asks for: the first touch of a large one may take a huge page of 2 MiB each time.
        padded = -(-len(item_vectors) // GROUP) * GROUP
        self._buffer = np.empty(min(_SCORES_AT_ONCE, _USERS_AT_ONCE * padded), dtype=np.float32)

    def rank_vectors(
        self,
        vectors: NDArray[np.float32],
        banned: Sequence[NDArray[np.intp]],
        allowed: Sequence[Allowed],
        ns: Sequence[int],
    ) -> Iterator[Ranked | None]:
        """One Ranked for each of `vectors` (b, d), in order; None after a slice of work, when others may run.

        banned: (m,) item rows each, all within the catalogue. allowed: (items,) each, or None. ns: how many items each
        wants, at least 1; fewer come back only where no more are allowed. The same vector, masks and n give the same
        answer, to the bit, in whatever company. Raises ValueError for vectors that are not finite.
        """
        most = [min(n, len(self.items)) for n in ns]
        if len(vectors) == 1 and self.items.size <= _FACTORS_AT_ONCE and len(self.items) <= _SCORES_AT_ONCE:
            alone = self._rank_alone(vectors, banned[0], allowed[0], most[0])
            if alone is not None:
                yield alone
                return
        step = self._users_at_once(max(most, default=1))
        for start in range(0, len(vectors), step):
            part = slice(start, start + step)
            if start:
                yield None
            yield from self._rank_part(vectors[part], Masks(banned[part], allowed[part]), most[part])

    def _rank_alone(
        self, vectors: NDArray[np.float32], banned: NDArray[np.intp], allowed: Allowed, n: int
    ) -> Ranked | None:
        """One user, and items that are read in one slice: the same as for many, by the fewest steps.

        None where more than a slice's items may be among the best.
        """
        wide = vectors.astype(np.float64)
        floor = float(checked_slack(wide, self.longest)[0])
        scores = self._buffer[: len(self.items)]
        score(self.items, vectors, scores[:, None])
        scores[banned] = -np.inf
        if allowed is not None:
            scores[~allowed] = -np.inf
        floor = float(np.nextafter(np.float32(float(lower_bound(scores, n)) - floor), np.float32(-np.inf)))
        rows = (scores >= np.float32(max(floor, float(LOWEST)))).nonzero()[0]
        if not fits_a_slice(self.items, len(rows)):
            return None
        exact = product(self.items, rows, wide)
        best = descending(exact)[:n]
        return Ranked(rows[best], exact[best])

    def _users_at_once(self, n: int) -> int:
        # A block that holds many times n rows lets most of them be passed over.
        return max(1, min(_USERS_AT_ONCE, _SCORES_AT_ONCE // max(GROUP, min(len(self.items), 128 * n))))

    def _rank_part(self, vectors: NDArray[np.float32], masks: Masks, ns: list[int]) -> Iterator[Ranked | None]:
        wide = vectors.astype(np.float64)
        kept = shortlist(ns, checked_slack(wide, self.longest))
        step = self._rows_at_once(len(vectors))
        for first in range(0, len(self.items), step):
            if first:
                yield None
            scores = self._scores(vectors, first, step)
            masks.apply(scores, first, whole=step >= len(self.items))
            kept.add(scores, first)
            if kept.size > max(_KEPT_AT_MOST, 2 * sum(ns)):
                yield from self._weed_out(kept, wide, ns)
        rows, users = kept.take()
        for exact in products(self.items, rows, wide, users):
            if exact is None:
                yield None
            else:
                yield from best_of_each(rows, users, exact, ns)

    def _weed_out(self, kept: Shortlist, wide: NDArray[np.float64], ns: list[int]) -> Iterator[None]:
        """Leave in `kept` the best of each user."""
        rows, users = kept.take()
        for exact in products(self.items, rows, wide, users):
            if exact is None:
                yield None
            else:
                best = best_of_each(rows, users, exact, ns)
                counts = [len(one.rows) for one in best]
                owners = np.repeat(np.arange(len(ns)), counts)
                kept.put_back(np.concatenate([r.rows for r in best]), owners, np.concatenate([r.scores for r in best]))

    def _rows_at_once(self, users: int) -> int:
        factors: int = self.items.shape[1]
        rows = min(_SCORES_AT_ONCE // users, _FACTORS_AT_ONCE // factors, _PRODUCTS_AT_ONCE // (users * factors))
        return max(GROUP, rows // GROUP * GROUP)

    def _scores(self, vectors: NDArray[np.float32], first: int, step: int) -> NDArray[np.float32]:
        """(rows, users) of the rows from `first` on, and minus infinity for rows past the last one."""
        items = self.items[first : first + step]
        padded = -(-len(items) // GROUP) * GROUP
        scores = self._buffer[: padded * len(vectors)].reshape(padded, len(vectors))
        scores[len(items) :] = -np.inf
        score(items, vectors, scores[: len(items)])
        return scores


def checked_slack(vectors: NDArray[np.float64], longest_item: float) -> NDArray[np.float64]:
    """`slack`, or ValueError for vectors that have none."""
    found = slack(vectors, longest_item)
    if not np.isfinite(found).all():
        raise ValueError("vectors: expected finite numbers, got others")
    return found
