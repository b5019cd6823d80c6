"""TwoTower and YouTubeRetrieval: dense layers over the user's row or the sum of the sequence, and over features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.encoders.parts import Dense, Given, Vectors, relu
from port_worker.serving.features import FeatureRows
from port_worker.store.encoder import EncoderArrays, Tower

_NO_EMBEDS = np.zeros((0, 1), dtype=np.float32)


class TowerBody:
    """Batch normalisation is in the layers' numbers already."""

    def __init__(self, stored: EncoderArrays) -> None:
        architecture = stored.description.architecture
        assert isinstance(architecture, Tower)
        arrays = stored.arrays
        self._sequential = stored.description.sizes.max_seq_len > 0
        self._embeds: Vectors = arrays["seq_embeds" if self._sequential else "user_embeds"]
        self._feature_embeds: tuple[Vectors, Vectors] = (
            arrays.get("sparse_embeds", _NO_EMBEDS),
            arrays.get("dense_embeds", _NO_EMBEDS),
        )
        self._layers = [
            Dense(arrays[f"kernel_{layer}"], arrays[f"bias_{layer}"]) for layer in range(len(architecture.hidden_units))
        ]

    def outputs(self, given: Given) -> Vectors:
        """The last layer's answer, which no rectifier follows."""
        values = _pooled(self._embeds, given.sequences) if self._sequential else self._embeds[given.users]
        if given.features.sparse.size or given.features.dense.size:
            values = np.concatenate([values, *self._embedded(given.features)], axis=1)
        *inner, last = self._layers
        for layer in inner:
            values = relu(layer(values))
        return last(values)

    def _embedded(self, rows: FeatureRows) -> tuple[Vectors, Vectors]:
        """(b, features * d) of the sparse features and of the dense ones."""
        sparse, dense = self._feature_embeds
        batch = len(rows.sparse)
        scaled: Vectors = rows.dense[:, :, None] * dense
        return sparse[rows.sparse].reshape(batch, -1), scaled.reshape(batch, -1)


def _pooled(embeds: Vectors, sequences: Sequence[NDArray[np.int32]]) -> Vectors:
    """(b, d): the sum of each sequence's vectors over the square root of their number; 0 for an empty one."""
    lengths = np.array([len(sequence) for sequence in sequences])
    found = np.zeros((len(sequences), embeds.shape[1]), dtype=np.float32)
    some = np.flatnonzero(lengths)
    if some.size:
        starts = (np.cumsum(lengths) - lengths)[some]
        sums = np.add.reduceat(embeds[np.concatenate(sequences)], starts, axis=0)
        found[some] = sums / np.sqrt(lengths[some], dtype=np.float32)[:, None]
    return found
