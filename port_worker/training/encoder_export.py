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

_BN_EPSILON = 1e-3
"""Of tf.layers.batch_normalization, which LibRecommender leaves as it is."""

Arrays = dict[str, NDArray[Any]]


class _Exported(NamedTuple):
    architecture: Architecture
    arrays: Arrays


def encoder_arrays(model: Any) -> EncoderArrays | None:
    """The encoder of a fitted model, None for an algorithm that has none.

    `model` is one of LibRecommender's that was fitted in a graph of its own, where Keras counts its layers from the
    first: their variables are asked for by name. Raises KeyError for a variable that is not there.
    """
    algorithm = model.model_name
    if algorithm not in ARCHITECTURES:
        return None
    architecture, arrays = _EXPORTERS[algorithm](model, _variables(model))
    description = Description(algorithm, _sizes(model), architecture)
    return EncoderArrays(description, {name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _variables(model: Any) -> Mapping[str, NDArray[np.float32]]:
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


def _recurrent(model: Any, variables: Mapping[str, NDArray[np.float32]]) -> _Exported:
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


def _convolution(model: Any, variables: Mapping[str, NDArray[np.float32]]) -> _Exported:
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


def _dilation(model: Any, variables: Mapping[str, NDArray[np.float32]]) -> _Exported:
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


def _youtube(model: Any, variables: Mapping[str, NDArray[np.float32]]) -> _Exported:
    arrays = {"seq_embeds": variables["embedding/seq_embeds_var"], **_tower_layers(model, variables, "mlp")}
    return _Exported(Tower(tuple(model.hidden_units)), arrays)


def _two_tower(model: Any, variables: Mapping[str, NDArray[np.float32]]) -> _Exported:
    arrays = {"user_embeds": variables["embedding/user_embeds_var"], **_tower_layers(model, variables, "user_tower")}
    return _Exported(Tower(tuple(model.hidden_units)), arrays)


_EXPORTERS: Mapping[str, Callable[[Any, Mapping[str, NDArray[np.float32]]], _Exported]] = {
    "RNN4Rec": _recurrent,
    "Caser": _convolution,
    "WaveNet": _dilation,
    "YouTubeRetrieval": _youtube,
    "TwoTower": _two_tower,
}


def _tower_layers(model: Any, variables: Mapping[str, NDArray[np.float32]], scope: str) -> Arrays:
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
    kernel: NDArray[np.float32], bias: NDArray[np.float32], variables: Mapping[str, NDArray[np.float32]], name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A layer that does to its inputs what batch normalisation by moving averages and then the layer do."""
    mean, variance, gamma, beta = (
        variables[f"{name}/{part}"].astype(np.float64) for part in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    scale = gamma / np.sqrt(variance + _BN_EPSILON)
    shift = beta - mean * scale
    return (scale[:, None] * kernel).astype(np.float32), (shift @ kernel + bias).astype(np.float32)


def _embeds(variables: Mapping[str, NDArray[np.float32]]) -> Arrays:
    return {
        "user_embeds": variables["embedding/user_embeds_var"],
        "seq_embeds": variables["embedding/seq_embeds_var"],
    }


def _dense(variables: Mapping[str, NDArray[np.float32]], ours: str, theirs: str) -> Arrays:
    return {f"{ours}_kernel": variables[f"{theirs}/kernel"], f"{ours}_bias": variables[f"{theirs}/bias"]}


def _nth(name: str, index: int) -> str:
    """What Keras calls the layer of that name and number."""
    return f"{name}_{index}" if index else name
