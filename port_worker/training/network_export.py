"""From a fitted network of LibRecommender to the program that scores as it does, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from port_worker.store.manifest import Json
from port_worker.store.network import KIND, Feeds, NetworkArrays, NetworkFacts, ProgramFile
from port_worker.training import expressions as ex
from port_worker.training.dataset import TrainingData
from port_worker.training.exported import Exported
from port_worker.training.expressions import Expression, Side
from port_worker.training.feature_layout import FeatureLayout, feature_layout
from port_worker.training.network_graph import score_expression
from port_worker.training.program_writer import written

_ITEM_VECTORS = ("item_embeds_var", "item_deep_var")  # the latter is WideDeep's
_NO_FEATURES: dict[str, Json] = {"sparse": [], "dense": []}


def network_part(model: Any, info: Any, data: TrainingData) -> Exported:
    """What serves `model`, a fitted LibRecommender TfBase, whose graph must be the default one still."""
    layout = feature_layout(info, data)
    program = written(score_expression(model, _feature_inputs(layout)), len(data.item_ids))
    sparse, dense = _user_features(layout, len(data.user_ids))
    arrays = NetworkArrays(
        network_weights=program.weights,
        network_item_vectors=_item_vectors(model, len(data.item_ids)),
        network_user_sparse=sparse,
        network_user_dense=dense,
    )
    facts: dict[str, Json] = {KIND: _facts(model, layout).to_json()}
    return Exported(KIND, (arrays, ProgramFile(program.program)), facts)


def _facts(model: Any, layout: FeatureLayout | None) -> NetworkFacts:
    recent = getattr(model, "max_seq_len", getattr(model, "short_max_len", 0))
    features = _NO_FEATURES if layout is None else cast("dict[str, Json]", layout.facts["user"])
    return NetworkFacts(int(recent), int(getattr(model, "long_max_len", 0)), features)


def _feature_inputs(layout: FeatureLayout | None) -> Mapping[str, Expression]:
    """What LibRecommender's placeholders stand for: the user's features are fed, an item's are known by its row."""
    if layout is None:
        return {}
    placeholders = {
        "sparse_indices": (Feeds.SPARSE, layout.user_sparse, layout.item_sparse),
        "dense_values": (Feeds.DENSE, layout.user_dense, layout.item_dense),
    }
    return {
        attribute: _beside(feed, users.shape[1], items)
        for attribute, (feed, users, items) in placeholders.items()
        if users.shape[1] + items.shape[1]
    }


def _beside(feed: str, of_user: int, of_items: NDArray[Any]) -> Expression:
    """A user's features and then an item's, which is the order of their fields: see `feature_layout`."""
    item = ex.given(Feeds.ITEM, Side.ITEM)
    parts = [ex.given(feed, Side.USER, (of_user,)), ex.gather(ex.constant(of_items), item)]
    parts = [part for part in parts if part.shape[0]]
    return parts[0] if len(parts) == 1 else ex.concat(parts, -1)


def _user_features(
    layout: FeatureLayout | None, users: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Of the known users, and in a last row of an unknown one."""
    if layout is None:
        return np.zeros((users + 1, 0), np.int32), np.zeros((users + 1, 0), np.float32)
    side = cast("Any", layout.facts["user"])
    unknown = np.array([[feature["unknown"] for feature in side["sparse"]]], dtype=np.int32)
    mean = np.zeros((1, layout.user_dense.shape[1]), dtype=np.float32)
    sparse = np.concatenate([layout.user_sparse, unknown.reshape(1, layout.user_sparse.shape[1])])
    return sparse, np.concatenate([layout.user_dense, mean])


def _item_vectors(model: Any, items: int) -> NDArray[np.float32]:
    import tensorflow.compat.v1 as tf

    names = [f"embedding/{name}" for name in _ITEM_VECTORS]
    with model.sess.graph.as_default():
        variable = next(each for each in tf.global_variables() if each.op.name in names)
    return np.ascontiguousarray(model.sess.run(variable)[:items], dtype=np.float32)
