"""From a fitted model and its training data to what serving reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from port_worker.store import embedding, neighbourhood
from port_worker.store.catalogue import CatalogueArrays, by_popularity
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.fold_in import FACT as FOLD_IN
from port_worker.store.fold_in import fact_of
from port_worker.training.catalogue import Algorithm, Params
from port_worker.training.dataset import TrainingData
from port_worker.training.exported import Exported, Part

if TYPE_CHECKING:
    from port_worker.store.manifest import Json


def catalogue_part(data: TrainingData) -> Exported:
    """What every kind of model has."""
    facts: dict[str, Json] = {
        "kinds": list(data.item_kinds.names),
        "all_teach": bool(data.positive.all()),
        "learnt_until": data.learnt_until,
    }
    return Exported("", (catalogue_arrays(data),), facts)


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
        item_kinds=data.item_kinds.codes,
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


def exported(algorithm: Algorithm, params: Params, model: Any, info: Any, data: TrainingData) -> Exported:
    """What serves a fitted LibRecommender model; `info` is the DataInfo that it was made with.

    A model of TensorFlow must be in its graph's context still.
    """
    return _EXPORTS[algorithm.kind](algorithm, params, model, info, data)


def _embedding(algorithm: Algorithm, params: Params, model: Any, _info: Any, data: TrainingData) -> Exported:
    from port_worker.training.encoder_export import encoder_arrays
    from port_worker.training.fold_in_export import bias_columns, export_fold_in

    arrays = embedding_arrays(model, data)
    fold_in = export_fold_in(algorithm.name, params, arrays, catalogue_arrays(data))
    encoder = encoder_arrays(model, data)
    facts: dict[str, Json] = {"bias_columns": bias_columns(algorithm.name), FOLD_IN: fact_of(fold_in.facts)}
    if encoder is not None:
        facts["encoder"] = encoder.description.to_json()
    parts: tuple[Part | None, ...] = (arrays, fold_in.arrays, encoder)
    return Exported(embedding.KIND, tuple(part for part in parts if part is not None), facts)


def _neighbourhood(algorithm: Algorithm, params: Params, model: Any, _info: Any, data: TrainingData) -> Exported:
    from port_worker.training.neighbourhood_export import neighbourhood_arrays, neighbourhood_facts

    facts: dict[str, Json] = {neighbourhood.KIND: neighbourhood_facts(algorithm.name, params).to_json()}
    return Exported(neighbourhood.KIND, (neighbourhood_arrays(model, data),), facts)


def _network(_algorithm: Algorithm, _params: Params, model: Any, info: Any, data: TrainingData) -> Exported:
    from port_worker.training.network_export import network_part

    return network_part(model, info, data)


_EXPORTS = {"embedding": _embedding, "neighbourhood": _neighbourhood, "network": _network}
