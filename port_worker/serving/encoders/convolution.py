"""Caser: filters over windows of the sequence, the best window of each, beside the user's own vector."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from port_worker.serving.encoders.parts import Given, Vectors, dense, padded, relu
from port_worker.store.encoder import Convolution, EncoderArrays

_TOGETHER = 10
"""Filters of so many neighbouring heights are one product, the lower ones filled up with zeros: calls cost more here
than numbers do."""


class _Group(NamedTuple):
    """Filters of some heights: kernel (tallest * d, heights * filters); `outside` (positions, heights * filters) is
    minus infinity where a window would reach past the sequence's end, and else 0."""

    tallest: int
    kernel: Vectors
    outside: Vectors


class ConvolutionBody:
    """The sequence is filled up with the padding item, which has a learnt vector of its own."""

    def __init__(self, stored: EncoderArrays) -> None:
        architecture, sizes = stored.description.architecture, stored.description.sizes
        assert isinstance(architecture, Convolution)
        arrays = stored.arrays
        self._length, self._padding = sizes.max_seq_len, sizes.items
        self._users: Vectors = arrays["user_embeds"]
        self._embeds: Vectors = arrays["seq_embeds"]
        self._groups = [
            _group(arrays["horizontal_kernel"], shortest, min(shortest + _TOGETHER - 1, self._length), self._length)
            for shortest in range(1, self._length + 1, _TOGETHER)
        ]
        self._bias: Vectors = arrays["horizontal_bias"].reshape(-1)
        self._vertical, self._out = dense(arrays, "vertical"), dense(arrays, "out")

    def outputs(self, given: Given) -> Vectors:
        """The user's vector, then the filters' through a dense layer."""
        batch, width = len(given.sequences), self._embeds.shape[1]
        seen = self._embeds[padded(given.sequences, self._length, self._padding)]
        best = self._best(seen)
        best += self._bias
        across = seen.transpose(0, 2, 1).reshape(batch * width, self._length)
        both = np.concatenate([best, self._vertical(across).reshape(batch, -1)], axis=1)
        return np.concatenate([self._users[given.users], relu(self._out(relu(both)))], axis=1)

    def _best(self, seen: Vectors) -> Vectors:
        """(b, length * filters): the largest answer of each filter at any position. The bias and the rectifier keep
        the order, so they come after."""
        batch, length, width = seen.shape
        longer = np.zeros((batch, 2 * length - 1, width), dtype=np.float32)  # so that each position has a whole window
        longer[:, :length] = seen
        found = []
        for group in self._groups:
            positions = len(group.outside)
            windows = _windows(longer, positions, group.tallest)
            answers = (windows @ group.kernel).reshape(batch, positions, -1)
            answers += group.outside
            found.append(answers.max(axis=1))
        return np.concatenate(found, axis=1)


def _windows(rows: Vectors, positions: int, height: int) -> Vectors:
    """(b * positions, height * d): at each position the rows that follow, in one row."""
    batch, _, width = rows.shape
    by_batch, by_row, by_number = rows.strides
    strided = as_strided(rows, (batch, positions, height * width), (by_batch, by_row, by_number), writeable=False)
    return strided.reshape(batch * positions, height * width)


def _group(taps: Vectors, shortest: int, tallest: int, length: int) -> _Group:
    heights = range(shortest, tallest + 1)
    _, width, filters = taps.shape
    kernel = np.zeros((tallest, width, len(heights), filters), dtype=np.float32)
    outside = np.zeros((length - shortest + 1, len(heights), filters), dtype=np.float32)
    for index, height in enumerate(heights):
        first = height * (height - 1) // 2
        kernel[:height, :, index] = taps[first : first + height]
        outside[length - height + 1 :, index] = -np.inf
    return _Group(tallest, kernel.reshape(tallest * width, -1), outside.reshape(len(outside), -1))
