"""RNN4Rec: gated cells that read the sequence from its oldest item, as Keras computes them in LibRecommender.

Its cells are Keras' first version: gates by the hard sigmoid clip(0.2 x + 0.5, 0, 1), and a GRU whose reset gate comes
before the recurrent product. The 0.2 and the 0.5 are multiplied into the kernels, so a gate is a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from port_worker.serving.encoders.parts import Given, Vectors, dense
from port_worker.store.encoder import EncoderArrays, Recurrent

_NORM_EPSILON = 1e-3
"""Keras' default, which LibRecommender leaves as it is."""

# On a row of some numbers the calls are the cost: np.clip takes several times as long as these two with arrays of no
# dimension, and `@` twice as long as np.dot.
_ZERO, _ONE = np.zeros((), dtype=np.float32), np.ones((), dtype=np.float32)


class RecurrentBody:
    """Sequences are aligned to their ends and the longest put first, so that at each step those that have begun are
    the first rows: no step is computed for padding, and none has to be masked. An empty sequence is one step of the
    padding item, as LibRecommender caches it for an unknown user.
    """

    def __init__(self, stored: EncoderArrays) -> None:
        architecture = stored.description.architecture
        assert isinstance(architecture, Recurrent)
        self._embeds: Vectors = stored.arrays["seq_embeds"]
        self._layers = [_layer(stored, architecture, layer) for layer in range(len(architecture.hidden_units))]
        self._out = dense(stored.arrays, "out")
        self._padding = np.array([stored.description.sizes.items], dtype=np.int32)

    def outputs(self, given: Given) -> Vectors:
        """The dense layer over the last layer's state after the last item."""
        begun = [sequence if len(sequence) else self._padding for sequence in given.sequences]
        lengths = np.array([len(sequence) for sequence in begun])
        order = np.argsort(-lengths, kind="stable")
        steps = int(lengths[order[0]])
        items = np.zeros((steps, len(begun)), dtype=np.int32)
        for column, row in enumerate(order.tolist()):
            items[steps - lengths[row] :, column] = begun[row]
        waiting = np.searchsorted(lengths[order[::-1]], np.arange(steps, 0, -1))  # at each step, those that are shorter
        counts = (len(begun) - waiting).tolist()
        states = self._embeds[items]
        for layer in self._layers:
            states = layer.run(states, counts)
        found = np.empty((len(begun), self._out.kernel.shape[1]), dtype=np.float32)
        found[order] = self._out(states[-1])
        return found


class _Numbers(NamedTuple):
    """Of one layer; gates first, the candidate's part last. norm: scale and shift of the layer's normalised output."""

    kernel: Vectors
    recurrent: Vectors
    bias: Vectors
    norm: tuple[Vectors, Vectors] | None


class _Layer:
    """One layer of cells. `units` wide; its output is normalised if there is a norm, and then squashed."""

    gates: int

    def __init__(self, numbers: _Numbers) -> None:
        self.units = len(numbers.recurrent)
        self.kernel, self.recurrent, self.bias = (array.copy() for array in numbers[:3])
        self.norm = numbers.norm
        gates = slice(self.gates * self.units)
        for array in (self.kernel, self.recurrent, self.bias):
            array[..., gates] *= np.float32(0.2)
        self.bias[gates] += np.float32(0.5)

    def run(self, inputs: Vectors, counts: Sequence[int]) -> Vectors:
        """(steps, b, inputs) to (steps, b, units); at each step the first `counts` of the rows have begun."""
        steps, batch, width = inputs.shape
        projected: Vectors = inputs.reshape(steps * batch, width) @ self.kernel
        projected += self.bias
        states = np.zeros((steps, batch, self.units), dtype=np.float32)
        self.step_through(projected.reshape(steps, batch, -1), states, counts)
        return states if self.norm is None else _normalised(states, *self.norm)

    def step_through(self, projected: Vectors, states: Vectors, counts: Sequence[int]) -> None:
        """Fill in `states` (steps, b, units), which are 0, from the inputs' part of each gate."""
        raise NotImplementedError

    def squash(self, inputs: Vectors) -> None:
        """In place. With a norm the cells themselves are linear."""
        if self.norm is None:
            np.tanh(inputs, out=inputs)


class _Gru(_Layer):
    gates = 2

    def __init__(self, numbers: _Numbers) -> None:
        super().__init__(numbers)
        split = 2 * self.units
        self.gate_recurrent = np.ascontiguousarray(self.recurrent[:, :split])
        self.candidate_recurrent = np.ascontiguousarray(self.recurrent[:, split:])

    def step_through(self, projected: Vectors, states: Vectors, counts: Sequence[int]) -> None:
        units, before = self.units, states[0]  # 0, for those that begin at the first step
        for step, count in enumerate(counts):
            old, new, inputs = before[:count], states[step, :count], projected[step, :count]
            gates = np.dot(old, self.gate_recurrent)
            gates += inputs[:, : 2 * units]
            _clip(gates)
            update, reset = gates[:, :units], gates[:, units:]
            reset *= old
            candidate = np.dot(reset, self.candidate_recurrent)
            candidate += inputs[:, 2 * units :]
            self.squash(candidate)
            np.subtract(old, candidate, out=new)
            new *= update
            new += candidate
            before = states[step]


class _Lstm(_Layer):
    gates = 3

    def step_through(self, projected: Vectors, states: Vectors, counts: Sequence[int]) -> None:
        units, before, memories = self.units, states[0], np.zeros(states.shape[1:], dtype=np.float32)
        for step, count in enumerate(counts):
            new, memory = states[step, :count], memories[:count]
            cell = np.dot(before[:count], self.recurrent)
            cell += projected[step, :count]
            gates, candidate = cell[:, : 3 * units], cell[:, 3 * units :]
            _clip(gates)
            self.squash(candidate)
            candidate *= gates[:, :units]
            memory *= gates[:, units : 2 * units]
            memory += candidate
            new[...] = memory
            self.squash(new)
            new *= gates[:, 2 * units :]
            before = states[step]


def _layer(stored: EncoderArrays, architecture: Recurrent, layer: int) -> _Layer:
    arrays = stored.arrays
    kernel, recurrent, bias = (arrays[f"{name}_{layer}"] for name in ("kernel", "recurrent", "bias"))
    norm = (arrays[f"norm_scale_{layer}"], arrays[f"norm_shift_{layer}"]) if architecture.layer_norm else None
    if architecture.cell == "gru":
        return _Gru(_Numbers(kernel, recurrent, bias, norm))
    units = architecture.hidden_units[layer]
    # Keras has them as input, forget, candidate, output.
    gates_first = np.r_[: 2 * units, 3 * units : 4 * units, 2 * units : 3 * units]
    return _Lstm(_Numbers(kernel[:, gates_first], recurrent[:, gates_first], bias[gates_first], norm))


def _clip(gates: Vectors) -> None:
    np.maximum(gates, _ZERO, out=gates)
    np.minimum(gates, _ONE, out=gates)


def _normalised(states: Vectors, scale: Vectors, shift: Vectors) -> Vectors:
    centred: Vectors = states - states.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    centred /= np.sqrt(variance + np.float32(_NORM_EPSILON))
    centred *= scale
    centred += shift
    np.tanh(centred, out=centred)
    return centred
