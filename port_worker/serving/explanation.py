"""Why an item: what each of the items that a user met says for it."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.similar import ItemSimilarity

Rows = NDArray[np.int32]
Weights = NDArray[np.float32]


class Explainer(Protocol):
    """Takes a recommendation apart by the user's items."""

    @property
    def explains(self) -> Literal["exact", "similarity"]:
        """Whether contributions add up to the score of the vector that is folded in, or are how alike the items are.

        They add up to what sets that score apart from the score for a user who has met nothing, which is 0 but for a
        learnt map. The vector that was learnt of a known user is another one, though near where the method is exact.
        """
        ...

    def contributions(self, items: Rows, weights: Weights, row: int) -> NDArray[np.float32]:
        """(k,) how much each of the items (k,), of weights (k,) above 0, speaks for the item `row`."""
        ...


class ByLikeness:
    """Cosine * weight: for vectors that come out of a network, whose scores cannot be taken apart."""

    explains: Literal["similarity"] = "similarity"

    def __init__(self, similarity: ItemSimilarity) -> None:
        self._similarity = similarity

    def contributions(self, items: Rows, weights: Weights, row: int) -> NDArray[np.float32]:
        """As `Explainer.contributions`."""
        return self._similarity.to_one(items, row) * weights
