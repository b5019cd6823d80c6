"""A version as LibRecommender's own model of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any


def model_of(folder: Path) -> Any:
    """An ALS that was not fitted: its embeddings, ids and what users have met are those of the version's folder.

    Of all embedding models of LibRecommender the code that answers is the same, in EmbedBase. Its own libraries have to
    be loaded first, by `load_libraries`.
    """
    import numpy as np
    import pandas as pd
    from libreco.algorithms import ALS
    from libreco.data import DataInfo

    from port_worker.store.catalogue import CatalogueArrays
    from port_worker.store.embedding import EmbeddingArrays

    catalogue, vectors = CatalogueArrays.open(folder), EmbeddingArrays.open(folder)
    consumed, ends = catalogue.consumed_items.tolist(), catalogue.consumed_indptr.tolist()
    info = DataInfo(
        interaction_data=pd.DataFrame({"user": [], "item": [], "label": []}),
        user_consumed={row: consumed[start:end] for row, (start, end) in enumerate(pairwise(ends))},
        item_consumed={},
        user_unique_vals=_texts(catalogue.user_ids),
        item_unique_vals=_texts(catalogue.item_ids),
    )
    model = ALS("ranking", info, embed_size=vectors.item_vectors.shape[1], reg=1.0)
    # As it holds them: one more row, for ids that it does not know.
    model.user_embeds_np = np.vstack([vectors.user_vectors, vectors.user_vectors.mean(axis=0)])
    model.item_embeds_np = np.vstack([vectors.item_vectors, vectors.item_vectors.mean(axis=0)])
    return model


def _texts(ids: Any) -> list[str]:
    return [one.decode() for one in ids.tolist()]
