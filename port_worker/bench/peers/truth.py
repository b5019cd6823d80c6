"""What the answers have to be: the best items by the vectors, up to ties. An answer that is wrong has no speed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from port_worker.bench.serving.peers import N
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays

_TIE = 1e-5
"""Of the largest score: float32 sums in another order are so near, and then either item may be the better one."""


class Truth:
    """The exact ranking of a version: `folder` is its folder."""

    def __init__(self, folder: Path) -> None:
        self._catalogue = CatalogueArrays.open(folder)
        self._vectors = EmbeddingArrays.open(folder)

    def share_right(self, rows: Sequence[int], answers: Sequence[Sequence[int]], *, leaves_out_met: bool) -> float:
        """The share of users, 0..1, whose answer is N different items, none of them worse than the N-th best.

        leaves_out_met: what the user has met is no answer; else every item is.
        """
        right = [self._is_right(row, items, leaves_out_met) for row, items in zip(rows, answers, strict=True)]
        return sum(right) / len(right)

    def _is_right(self, row: int, items: Sequence[int], leaves_out_met: bool) -> bool:
        scores = self._vectors.item_vectors @ self._vectors.user_vectors[row]
        tie = _TIE * float(np.abs(scores).max())
        if leaves_out_met:
            ends = self._catalogue.consumed_indptr
            scores[self._catalogue.consumed_items[ends[row] : ends[row + 1]]] = -np.inf
        best = np.partition(scores, -N)[-N]
        return len(items) == len(set(items)) == N and bool((scores[list(items)] >= best - tie).all())
