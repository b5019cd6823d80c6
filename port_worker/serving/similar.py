"""How alike items are, by their vectors."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Metric = Literal["cosine", "dot"]


class ItemSimilarity:
    """Cosines and products of item vectors.

    Cosine leaves the bias columns out: how popular an item is says nothing of what it is like. The product takes them
    in. LibRecommender's `search_knn_items` does the same, but for models whose vectors are longer than its `embed_size`
    (Caser, WaveNet, NGCF, and TwoTower with other hidden units): of those its cosine sees the first columns only.
    """

    def __init__(self, item_vectors: NDArray[np.float32], bias_columns: int) -> None:
        """item_vectors: (items, d), the last `bias_columns` of which are biases."""
        self._vectors = item_vectors
        self._factors = item_vectors[:, : item_vectors.shape[1] - bias_columns]

    @cached_property
    def norms(self) -> NDArray[np.float32]:
        """(items,) lengths without biases, 1 for a vector of zeros; read once, 4 MB for a million items."""
        squares = np.einsum("ij,ij->i", self._factors, self._factors, dtype=np.float64)
        return np.where(squares > 0, np.sqrt(squares), 1).astype(np.float32)

    def similarity(self, row: int, metric: Metric) -> NDArray[np.float32]:
        """(items,) of one item to all, itself included; cosines are -1 to 1, and 0 to and from a vector of zeros."""
        if metric == "dot":
            products: NDArray[np.float32] = self._vectors @ self._vectors[row]
            return products
        cosines: NDArray[np.float32] = self._factors @ (self._factors[row] / self.norms[row])
        cosines /= self.norms
        return np.clip(cosines, -1, 1, out=cosines)

    def to_one(self, rows: NDArray[np.integer], row: int) -> NDArray[np.float32]:
        """(k,) cosines of `rows` to one item."""
        directions = self._factors[rows] / self.norms[rows, None]
        cosines: NDArray[np.float32] = directions @ (self._factors[row] / self.norms[row])
        return np.clip(cosines, -1, 1, out=cosines)

    def closeness(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """(m, m) cosines among the rows."""
        directions = self._factors[rows] / self.norms[rows, None]
        cosines: NDArray[np.float32] = directions @ directions.T
        return np.clip(cosines, -1, 1, out=cosines)
