"""Where a model that learns from features finds them: what serving must know to feed it, and what is known already.

LibRecommender numbers the categories of all sparse features in one space, the rows of one embedding matrix
(`embedding/sparse_embeds_var`): feature after feature, those of users first, each with its vocabulary and then rows for
what is not in it. Dense features have one row each (`embedding/dense_embeds_var`), by which their value is multiplied.

`FeatureLayout.facts` is JSON, for a manifest:

    {"sparse_size": 39,                           rows of the sparse embedding
     "user": {"sparse": [{"name": "interest",     the feature's own name, as in the source and in a call
                          "field": 0,             which of all sparse features it is, of users and items
                          "indices": {"arctic": 0, "candy": 1, ...},
                          "unknown": 16,          the index for what is missing, and for a value not in `indices`
                          "unknown_learnt": false}, ...],
              "dense": [{"name": "age", "field": 0, "mean": 31.5, "std": 8.25}, ...]},
     "item": the same}

The columns of `user_sparse` are the features of facts["user"]["sparse"], in their order; likewise for the others. For
models that take both sides in one matrix, a user's row followed by an item's is in the order of the fields.

A user's features given in a call (name -> value) change a row: of a known user theirs; of an unknown one, `unknown` in
each sparse column and 0 in each dense one, which is the mean. A sparse value becomes its index; a dense one becomes
(value - mean) / std as float32.

Where `unknown_learnt` is false, every owner in training had a value: the row `unknown` is what it was initialised to.
After fitting, LibRecommender puts the mean of the feature's other rows there in the models with TfBase as their base;
in those with DynEmbedBase (TwoTower, YouTubeRetrieval) it does not, so their encoders should.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from port_worker.sources.features import UNKNOWN, FeatureTable
from port_worker.training.catalogue import Owner
from port_worker.training.dataset import TrainingData
from port_worker.training.feature_columns import Scale, feature_of

if TYPE_CHECKING:
    from port_worker.store.manifest import Json


@dataclass(frozen=True, eq=False)
class FeatureLayout:
    """The layout, and the features of the known users and items in it: a row for each, in the order of their ids.

    A side without features of a sort has arrays of no columns.
    """

    facts: dict[str, Json]
    user_sparse: NDArray[np.int32]  # (n_users, sparse features of users) indices
    user_dense: NDArray[np.float32]  # (n_users, dense features of users) scaled
    item_sparse: NDArray[np.int32]  # (n_items, sparse features of items)
    item_dense: NDArray[np.float32]  # (n_items, dense features of items)


def feature_layout(info: Any, data: TrainingData) -> FeatureLayout | None:
    """The layout of `info`, the DataInfo that `train_set` made of `data`; None if it has no features."""
    if not info.user_col and not info.item_col:
        return None
    n_users, n_items = len(data.user_ids), len(data.item_ids)
    facts: dict[str, Json] = {
        "sparse_size": int(info.sparse_oov[-1]) + 1 if info.sparse_col.name else 0,
        "user": _side(info, info.user_sparse_col, info.user_dense_col, data),
        "item": _side(info, info.item_sparse_col, info.item_dense_col, data),
    }
    return FeatureLayout(
        facts,
        user_sparse=_known(info.user_sparse_unique, n_users, np.int32),
        user_dense=_known(info.user_dense_unique, n_users, np.float32),
        item_sparse=_known(info.item_sparse_unique, n_items, np.int32),
        item_dense=_known(info.item_dense_unique, n_items, np.float32),
    )


def _side(info: Any, sparse: Any, dense: Any, data: TrainingData) -> dict[str, Json]:
    return {
        "sparse": [
            _sparse(info, str(name), field, data) for name, field in zip(sparse.name, sparse.index, strict=True)
        ],
        "dense": [_dense(str(name), field, data) for name, field in zip(dense.name, dense.index, strict=True)],
    }


def _sparse(info: Any, name: str, field: int, data: TrainingData) -> dict[str, Json]:
    owner, feature = feature_of(name)
    column = _table(data, owner).sparse[feature]
    first = int(info.sparse_offset[field])
    return {
        "name": feature,
        "field": int(field),
        "indices": {value: first + code for code, value in enumerate(column.vocabulary)},
        "unknown": first + len(column.vocabulary),
        "unknown_learnt": bool((column.codes == UNKNOWN).any()),
    }


def _dense(name: str, field: int, data: TrainingData) -> dict[str, Json]:
    owner, feature = feature_of(name)
    scale = Scale.of(_table(data, owner).dense[feature])
    return {"name": feature, "field": int(field), "mean": scale.mean, "std": scale.std}


def _table(data: TrainingData, owner: Owner) -> FeatureTable:
    table = data.user_features if owner == "user" else data.item_features
    assert table is not None
    return table


def _known(rows: NDArray[Any] | None, count: int, dtype: type) -> NDArray[Any]:
    """LibRecommender's rows without its last, which stands for an unknown owner."""
    return np.zeros((count, 0), dtype=dtype) if rows is None else np.ascontiguousarray(rows[:count], dtype=dtype)
