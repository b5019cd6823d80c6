"""The arrays that only an embedding model has: a vector for each user and each item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import ArrayLayout, Arrays, Problem, not_finite

KIND = "embedding"
"""What a manifest calls a version that holds these arrays."""


@dataclass(frozen=True, eq=False)
class EmbeddingArrays(Arrays):
    """`d` is the number of factors; rows are those of the catalogue's ids.

    user_vectors, item_vectors: (users, d), (items, d) float32, C order. A score is the product of two rows, so biases
        are factors too.
    """

    user_vectors: NDArray[np.float32]
    item_vectors: NDArray[np.float32]

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]] = (
        ArrayLayout("user_vectors", "float32", 2),
        ArrayLayout("item_vectors", "float32", 2),
    )

    @property
    def sizes(self) -> tuple[int, int]:
        """How many users and items."""
        return len(self.user_vectors), len(self.item_vectors)

    def _fit_problem(self) -> Problem | None:
        users, items, factors = *self.sizes, self.item_vectors.shape[1]
        if min(users, items, factors) == 0:
            return Problem("item_vectors", "at least one user, item and factor", f"{users}, {items} and {factors}")
        return self._shape_problem({"user_vectors": (users, factors)})

    def _content_problem(self) -> Problem | None:
        for name in ("user_vectors", "item_vectors"):
            problem = not_finite(name, getattr(self, name))
            if problem:
                return problem
        # Cauchy-Schwarz: below this bound no score, nor any partial sum of one, leaves float32. Ranking relies on it,
        # because minus infinity marks what must not be returned.
        bound = _longest(self.user_vectors) * _longest(self.item_vectors)
        if bound >= float(np.finfo(np.float32).max):
            return Problem("item_vectors", "products with user_vectors within float32", f"up to {bound:.3g}")
        return None


def _longest(vectors: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64).max()))
