"""From a fitted LibRecommender model that computes user vectors to the arrays with which serving does the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.store.encoder import (
    ARCHITECTURES,
    Architecture,
    Convolution,
    Description,
    Dilation,
    EncoderArrays,
    Recurrent,
    Sizes,
    Tower,
)
from port_worker.store.features import FeatureSide
from port_worker.training.dataset import TrainingData
from port_worker.training.feature_layout import FeatureLayout, feature_layout

_BN_EPSILON = 1e-3
"""Of tf.layers.batch_normalization, which LibRecommender leaves as it is."""

Arrays = dict[str, NDArray[Any]]
Variables = Mapping[str, NDArray[np.float32]]


class _Fitted(NamedTuple):
    """What there is to export from. Variables by the names that they have in the graph."""

    model: Any
    variables: Variables
    layout: FeatureLayout | None


class _Exported(NamedTuple):
    architecture: Architecture
    arrays: Arrays


def encoder_arrays(model: Any, data: TrainingData) -> EncoderArrays | None:
    """The encoder of a model that was fitted to `data`, None for an algorithm that has none.

    `model` is one of LibRecommender's that was fitted in a graph of its own, where Keras counts its layers from the
    first: their variables are asked for by name. Raises KeyError for a variable that is not there.
    """
    algorithm = model.model_name
    if algorithm not in ARCHITECTURES:
        return None
    fitted = _Fitted(model, _variables(model), feature_layout(model.data_info, data))
    architecture, arrays = _EXPORTERS[algorithm](fitted)
    description = Description(algorithm, _sizes(model), architecture)
    return EncoderArrays(description, {name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _variables(model: Any) -> Variables:
    """What the graph's variables hold, by name; those that belong to the optimiser are left out."""
    import tensorflow.compat.v1 as tf

    with model.sess.graph.as_default():
        found = {each.op.name: each for each in tf.global_variables() if "/Adam" not in each.op.name}
    values: dict[str, NDArray[np.float32]] = model.sess.run(found)
    return values


def _sizes(model: Any) -> Sizes:
    return Sizes(
        users=int(model.n_users),
        items=int(model.n_items),
        embed_size=int(model.embed_size),
        max_seq_len=int(getattr(model, "max_seq_len", 0)),
        norm_embed=bool(model.norm_embed),
        pseudo_bias=model.item_biases is not None,
    )


def _recurrent(fitted: _Fitted) -> _Exported:
    model, variables, _ = fitted
    cell, units = model.rnn_type, tuple(model.hidden_units)
    arrays = {"seq_embeds": variables["embedding/seq_embeds_var"], **_dense(variables, "out", "dense")}
    for layer in range(len(units)):
        scope = f"{_nth(cell, layer)}/{cell}_cell"
        arrays[f"kernel_{layer}"] = variables[f"{scope}/kernel"]
        arrays[f"recurrent_{layer}"] = variables[f"{scope}/recurrent_kernel"]
        arrays[f"bias_{layer}"] = variables[f"{scope}/bias"]
        if model.use_ln:
            norm = _nth("layer_normalization", layer)
            arrays[f"norm_scale_{layer}"] = variables[f"{norm}/gamma"]
            arrays[f"norm_shift_{layer}"] = variables[f"{norm}/beta"]
    return _Exported(Recurrent(cell, units, bool(model.use_ln)), arrays)


def _convolution(fitted: _Fitted) -> _Exported:
    model, variables, _ = fitted
    length = model.max_seq_len
    heights = [_nth("conv1d", index) for index in range(length)]
    vertical = _nth("conv1d", length)
    arrays = {
        **_embeds(variables),
        "horizontal_kernel": np.concatenate([variables[f"{each}/kernel"] for each in heights]),
        "horizontal_bias": np.stack([variables[f"{each}/bias"] for each in heights]),
        "vertical_kernel": variables[f"{vertical}/kernel"][0],
        "vertical_bias": variables[f"{vertical}/bias"],
        **_dense(variables, "out", "dense"),
    }
    return _Exported(Convolution(model.nh_filters, model.nv_filters), arrays)


def _dilation(fitted: _Fitted) -> _Exported:
    model, variables, _ = fitted
    dilations = tuple(2**layer for layer in range(model.n_layers_per_block)) * model.n_blocks
    point = _nth("conv1d", len(dilations))
    arrays = {
        **_embeds(variables),
        "point_kernel": variables[f"{point}/kernel"][0],
        "point_bias": variables[f"{point}/bias"],
        **_dense(variables, "out", "dense"),
    }
    for layer in range(len(dilations)):
        arrays[f"kernel_{layer}"] = variables[f"{_nth('conv1d', layer)}/kernel"]
        arrays[f"bias_{layer}"] = variables[f"{_nth('conv1d', layer)}/bias"]
    return _Exported(Dilation(model.n_filters, dilations), arrays)


def _youtube(fitted: _Fitted) -> _Exported:
    return _tower(fitted, "mlp", {"seq_embeds": fitted.variables["embedding/seq_embeds_var"]})


def _two_tower(fitted: _Fitted) -> _Exported:
    return _tower(fitted, "user_tower", {"user_embeds": fitted.variables["embedding/user_embeds_var"]})


def _tower(fitted: _Fitted, scope: str, embeds: Arrays) -> _Exported:
    features, feature_arrays = _features(fitted)
    sparse_size = len(feature_arrays.get("sparse_embeds", ()))
    architecture = Tower(tuple(fitted.model.hidden_units), sparse_size, features)
    return _Exported(architecture, {**embeds, **feature_arrays, **_tower_layers(fitted.model, fitted.variables, scope)})


def _features(fitted: _Fitted) -> tuple[FeatureSide, Arrays]:
    """The features of users, their embeddings, and each user's: in a last row those of a user of whom none is known."""
    if fitted.layout is None:
        return FeatureSide(), {}
    layout, side, arrays = fitted.layout, FeatureSide.from_json(fitted.layout.facts["user"]), Arrays()
    if side.sparse:
        unknown = np.array([[feature.unknown for feature in side.sparse]], dtype=np.int32)
        arrays["sparse_embeds"] = _with_unknown(fitted.variables["embedding/sparse_embeds_var"], side)
        arrays["user_sparse"] = np.concatenate([layout.user_sparse, unknown])
    if side.dense:
        fields = [feature.field for feature in side.dense]
        arrays["dense_embeds"] = fitted.variables["embedding/dense_embeds_var"][fields]
        arrays["user_dense"] = np.concatenate([layout.user_dense, np.zeros((1, len(fields)), dtype=np.float32)])
    return side, arrays


def _with_unknown(embeds: NDArray[np.float32], side: FeatureSide) -> NDArray[np.float32]:
    """The table, where what no training row had is the mean of what they had: LibRecommender leaves in it what it was
    initialised to, which is noise."""
    found = embeds.copy()
    for feature in side.sparse:
        if feature.indices and not feature.unknown_learnt:
            found[feature.unknown] = embeds[list(feature.indices.values())].mean(axis=0)
    return found


_EXPORTERS: Mapping[str, Callable[[_Fitted], _Exported]] = {
    "RNN4Rec": _recurrent,
    "Caser": _convolution,
    "WaveNet": _dilation,
    "YouTubeRetrieval": _youtube,
    "TwoTower": _two_tower,
}


def _tower_layers(model: Any, variables: Variables, scope: str) -> Arrays:
    """The dense layers, with the batch normalisation that comes before each."""
    arrays: Arrays = {}
    for layer in range(len(model.hidden_units)):
        dense = _dense(variables, str(layer), f"{scope}/{scope}_layer{layer + 1}")
        kernel, bias = dense[f"{layer}_kernel"], dense[f"{layer}_bias"]
        if model.use_bn:
            kernel, bias = _normalised_before(kernel, bias, variables, f"{scope}/{_nth('batch_normalization', layer)}")
        arrays |= {f"kernel_{layer}": kernel, f"bias_{layer}": bias}
    return arrays


def _normalised_before(
    kernel: NDArray[np.float32], bias: NDArray[np.float32], variables: Variables, name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A layer that does to its inputs what batch normalisation by moving averages and then the layer do."""
    mean, variance, gamma, beta = (
        variables[f"{name}/{part}"].astype(np.float64) for part in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    scale = gamma / np.sqrt(variance + _BN_EPSILON)
    shift = beta - mean * scale
    return (scale[:, None] * kernel).astype(np.float32), (shift @ kernel + bias).astype(np.float32)


def _embeds(variables: Variables) -> Arrays:
    return {
        "user_embeds": variables["embedding/user_embeds_var"],
        "seq_embeds": variables["embedding/seq_embeds_var"],
    }


def _dense(variables: Variables, ours: str, theirs: str) -> Arrays:
    return {f"{ours}_kernel": variables[f"{theirs}/kernel"], f"{ours}_bias": variables[f"{theirs}/bias"]}


def _nth(name: str, index: int) -> str:
    """What Keras calls the layer of that name and number."""
    return f"{name}_{index}" if index else name
