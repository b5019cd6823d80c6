"""From a fitted model and its training data to the arrays that serving reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.store.catalogue import NO_KIND, CatalogueArrays, by_popularity
from port_worker.store.embedding import EmbeddingArrays
from port_worker.training.dataset import TrainingData


def catalogue_arrays(data: TrainingData) -> CatalogueArrays:
    """Ids, what each user has met in order of time, and how popular each item is: users of positive pairs."""
    n_items = len(data.item_ids)
    order = np.argsort(data.users, kind="stable")  # pairs are in order of time already
    counts = np.bincount(data.users, minlength=len(data.user_ids))
    popularity = np.bincount(data.items[data.positive], minlength=n_items).astype(np.int64)
    return CatalogueArrays(
        user_ids=data.user_ids,
        item_ids=data.item_ids,
        consumed_indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        consumed_items=data.items[order].astype(np.int32),
        consumed_weights=data.weights[order],
        item_popularity=popularity,
        popular_items=by_popularity(popularity),
        item_kinds=np.full(n_items, NO_KIND, dtype=np.uint8),
    )


def embedding_arrays(model: Any, data: TrainingData) -> EmbeddingArrays:
    """The model's vectors for the rows of `data`.

    `model` is a fitted LibRecommender EmbedBase: `user_embeds_np` and `item_embeds_np` are (n_users + 1, d) and
    (n_items + 1, d), a row for each inner id and then the mean, which stands for unknown ids and is left out here. Its
    `recommend_user` ranks by the product of these rows, biases included.
    """
    return EmbeddingArrays(
        user_vectors=_rows(model.user_embeds_np, len(data.user_ids)),
        item_vectors=_rows(model.item_embeds_np, len(data.item_ids)),
    )


def _rows(embeddings: NDArray[Any], count: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(embeddings[:count], dtype=np.float32)
