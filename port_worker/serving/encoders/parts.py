"""What several encoders are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.features import FeatureRows

Vectors = NDArray[np.float32]
_ZERO = np.zeros((), dtype=np.float32)  # a Python 0 would be converted at each call


class Given(NamedTuple):
    """What there is to compute the vectors of b users from.

    sequences: b arrays of item rows, oldest first, none longer than the encoder's. users: (b,) rows of the users, the
    number of users for one that is unknown. features: those that the model learns from, b rows.
    """

    sequences: Sequence[NDArray[np.int32]]
    users: NDArray[np.intp]
    features: FeatureRows


class Body(Protocol):
    """An architecture with its numbers."""

    def outputs(self, given: Given) -> Vectors:
        """(b, k) what comes before normalisation and bias; the caller's own."""
        ...


class Dense(NamedTuple):
    """One layer: inputs @ kernel + bias. kernel: (inputs, units), bias: (units,) float32."""

    kernel: Vectors
    bias: Vectors

    def __call__(self, inputs: Vectors) -> Vectors:
        """(b, inputs) to (b, units), the caller's own."""
        found: Vectors = np.dot(inputs, self.kernel)  # cheaper to call than `@`
        found += self.bias
        return found


def dense(arrays: Mapping[str, NDArray[Any]], name: str) -> Dense:
    """The layer of that name."""
    return Dense(arrays[f"{name}_kernel"], arrays[f"{name}_bias"])


def relu(inputs: Vectors) -> Vectors:
    """In place."""
    return np.maximum(inputs, _ZERO, out=inputs)


def padded(sequences: Sequence[NDArray[np.int32]], length: int, pad: int) -> NDArray[np.int32]:
    """(b, length): each sequence from the left, then `pad`. None is longer than `length`."""
    found = np.full((len(sequences), length), pad, dtype=np.int32)
    for row, sequence in zip(found, sequences, strict=True):
        row[: len(sequence)] = sequence
    return found
