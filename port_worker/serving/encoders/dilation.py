"""WaveNet: causal convolutions ever further apart, the best step of each filter, beside the user's own vector."""

from __future__ import annotations

import numpy as np

from port_worker.serving.encoders.parts import Dense, Given, Vectors, dense, padded, relu
from port_worker.store.encoder import Dilation, EncoderArrays


class DilationBody:
    """The sequence is filled up with the padding item, which has a learnt vector of its own."""

    def __init__(self, stored: EncoderArrays) -> None:
        architecture, sizes = stored.description.architecture, stored.description.sizes
        assert isinstance(architecture, Dilation)
        arrays = stored.arrays
        self._length, self._padding = sizes.max_seq_len, sizes.items
        self._users: Vectors = arrays["user_embeds"]
        self._embeds: Vectors = arrays["seq_embeds"]
        self._layers = [
            (apart, Dense(arrays[f"kernel_{layer}"].reshape(-1, architecture.filters), arrays[f"bias_{layer}"]))
            for layer, apart in enumerate(architecture.dilations)
        ]
        self._point, self._out = dense(arrays, "point"), dense(arrays, "out")

    def outputs(self, given: Given) -> Vectors:
        """The user's vector, then the filters' through a dense layer."""
        steps = self._embeds[padded(given.sequences, self._length, self._padding)]
        for apart, layer in self._layers:
            steps = relu(layer(_with_earlier(steps, apart))).reshape(*steps.shape[:2], -1)
        answers = relu(self._point(steps.reshape(-1, steps.shape[2]))).reshape(steps.shape)
        return np.concatenate([self._users[given.users], self._out(answers.max(axis=1))], axis=1)


def _with_earlier(steps: Vectors, apart: int) -> Vectors:
    """(b, steps, d) to (b * steps, 2 d): the step `apart` before, 0 where there is none, and then the step itself."""
    batch, length, width = steps.shape
    both = np.empty((batch, length, 2 * width), dtype=np.float32)
    both[:, :apart, :width] = 0
    both[:, apart:, :width] = steps[:, : max(length - apart, 0)]
    both[:, :, width:] = steps
    return both.reshape(batch * length, 2 * width)
