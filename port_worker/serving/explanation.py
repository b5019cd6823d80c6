"""Why an item, where a model's score cannot be taken apart by the items that the user met."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.similar import ItemSimilarity


def by_likeness(
    similarity: ItemSimilarity, items: NDArray[np.int32], weights: NDArray[np.float32], row: int
) -> NDArray[np.float32]:
    """(k,) how alike each of the user's items is to the item `row`, times how much it weighs: cosine * weight.

    These do not add up to a score; a model that uses them says `similarity`.
    """
    return similarity.to_one(items, row) * weights
