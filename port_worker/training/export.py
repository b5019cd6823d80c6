"""From a fitted model to the arrays that serving reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.store.embedding import EmbeddingArrays
from port_worker.training.dataset import TrainingData


def embedding_arrays(model: Any, data: TrainingData) -> EmbeddingArrays:
    """The model's vectors with the ids of `data`, the items that each user has had, and how popular each item is.

    `model` is a fitted LibRecommender EmbedBase: `user_embeds_np` and `item_embeds_np` are (n_users + 1, d) and
    (n_items + 1, d), a row for each inner id and then the mean, which stands for unknown ids and is left out here. Its
    `recommend_user` ranks by the product of these rows, biases included. Popularity counts the users of positive pairs.
    """
    n_items = len(data.item_ids)
    indptr, consumed = _consumed(data)
    return EmbeddingArrays(
        user_ids=data.user_ids,
        item_ids=data.item_ids,
        user_vectors=_rows(model.user_embeds_np, len(data.user_ids)),
        item_vectors=_rows(model.item_embeds_np, n_items),
        consumed_indptr=indptr,
        consumed_items=consumed,
        item_popularity=np.bincount(data.items[data.positive], minlength=n_items).astype(np.int64),
    )


def _rows(embeddings: NDArray[Any], count: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(embeddings[:count], dtype=np.float32)


def _consumed(data: TrainingData) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Each user's items as compressed sparse rows; pairs are distinct already."""
    order = np.lexsort((data.items, data.users))
    counts = np.bincount(data.users, minlength=len(data.user_ids))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return indptr, data.items[order].astype(np.int32)
