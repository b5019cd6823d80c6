"""TwoTower and YouTubeRetrieval: dense layers over the user's row or the sum of the sequence, and over features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.encoders.parts import Dense, Features, Vectors, relu
from port_worker.store.encoder import EncoderArrays, Tower


class TowerBody:
    """Batch normalisation is in the layers' numbers already."""

    def __init__(self, stored: EncoderArrays) -> None:
        architecture = stored.description.architecture
        assert isinstance(architecture, Tower)
        arrays = stored.arrays
        self._sequential = stored.description.sizes.max_seq_len > 0
        self._embeds: Vectors = arrays["seq_embeds" if self._sequential else "user_embeds"]
        self._layers = [
            Dense(arrays[f"kernel_{layer}"], arrays[f"bias_{layer}"]) for layer in range(len(architecture.hidden_units))
        ]

    def outputs(
        self, sequences: Sequence[NDArray[np.int32]], users: NDArray[np.intp], features: Sequence[Features | None]
    ) -> Vectors:
        """The last layer's answer, which no rectifier follows."""
        values = _pooled(self._embeds, sequences) if self._sequential else self._embeds[users]
        *inner, last = self._layers
        for layer in inner:
            values = relu(layer(values))
        return last(values)


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
