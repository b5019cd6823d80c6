"""A vector for a user from the items that they met, and what each of those items contributes to a score.

The methods and what each is worth in recall are those of `training.fold_in_export`, which chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.store.fold_in import LeastSquaresFacts, MapArrays, MapFacts, MeanFacts, open_gram, open_map, read_facts
from port_worker.store.manifest import Manifest

Rows = NDArray[np.int32]
Weights = NDArray[np.float32]

_LARGEST_CONFIDENCE = 1e9
"""In units of what is least sure in the system: more would only take the digits of all other items away."""

_SHORTEST = 1e-30  # of squared lengths, so that a vector of zeros, which weighs nothing anyhow, divides nothing


class FoldIn(Protocol):
    """One method. Deterministic; holds no state that a call changes."""

    @property
    def method(self) -> str:
        """Its name in the manifest."""
        ...

    @property
    def exact(self) -> bool:
        """Whether the model would make the same vector of these items, its item vectors being what they are."""
        ...

    def vectors(self, items: Sequence[Rows], weights: Sequence[Weights]) -> NDArray[np.float32]:
        """(b, d), one for each user: (k,) rows of at least one item, each once, and (k,) their weights, above 0."""
        ...

    def contributions(self, items: Rows, weights: Weights, row: int) -> NDArray[np.float32]:
        """(k,) what each of a user's items adds to the score of the item `row`.

        They sum up to the score of the vector that `vectors` gives; with `map`, to what sets that score apart from the
        one for a user of whom nothing is known. The vector that was learnt of a known user is another, and a near one
        only where the method is exact.
        """
        ...


class LeastSquares:
    """ALS: the vector that is best for the user while the items stay as they are. O(k d^2 + d^3)."""

    method = LeastSquaresFacts.method
    exact = True

    def __init__(self, item_vectors: NDArray[np.float32], gram: NDArray[np.float64], facts: LeastSquaresFacts) -> None:
        self._vectors = item_vectors
        self._base = gram + facts.reg * np.eye(len(gram))
        self._alpha = facts.alpha
        self._least_sure = float(np.linalg.eigvalsh(self._base)[0])

    def vectors(self, items: Sequence[Rows], weights: Sequence[Weights]) -> NDArray[np.float32]:
        """As `FoldIn.vectors`."""
        found = np.empty((len(items), len(self._base)), dtype=np.float32)
        for place, (rows, weight) in enumerate(zip(items, weights, strict=True)):
            met = self._vectors[rows].astype(np.float64)
            sure = self._confidence(met, weight)
            found[place] = np.linalg.solve(self._system(met, sure), (1 + sure) @ met)
        return found

    def contributions(self, items: Rows, weights: Weights, row: int) -> NDArray[np.float32]:
        """As `FoldIn.contributions`: the score is linear in what the user is sure of, item by item."""
        met = self._vectors[items].astype(np.float64)
        sure = self._confidence(met, weights)
        towards = np.linalg.solve(self._system(met, sure), self._vectors[row].astype(np.float64))
        return ((1 + sure) * (met @ towards)).astype(np.float32)

    def _confidence(self, met: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
        """How much surer than 1 the model is of each item."""
        squares = np.einsum("ij,ij->i", met, met)
        bound = np.divide(
            _LARGEST_CONFIDENCE * self._least_sure, squares, where=squares > 0, out=np.zeros_like(squares)
        )
        sure: NDArray[np.float64] = np.minimum(self._alpha * weights.astype(np.float64), bound)
        return sure

    def _system(self, met: NDArray[np.float64], sure: NDArray[np.float64]) -> NDArray[np.float64]:
        system: NDArray[np.float64] = (met.T * sure) @ met
        system += self._base
        return system


class Mean:
    """The mean of the item vectors, weights apart: what Item2Vec and item-to-item graph models do."""

    method = MeanFacts.method
    exact = True

    def __init__(self, item_vectors: NDArray[np.float32]) -> None:
        self._vectors = item_vectors

    def vectors(self, items: Sequence[Rows], weights: Sequence[Weights]) -> NDArray[np.float32]:  # noqa: ARG002
        """As `FoldIn.vectors`."""
        return np.stack([self._vectors[rows].mean(axis=0) for rows in items])

    def contributions(self, items: Rows, weights: Weights, row: int) -> NDArray[np.float32]:  # noqa: ARG002
        """As `FoldIn.contributions`."""
        products: NDArray[np.float32] = self._vectors[items] @ self._vectors[row]
        return products / np.float32(len(items))


class LinearMap:
    """The mean of the items, drawn to that of all users if there is little of it, mapped to where such users are."""

    method = MapFacts.method
    exact = False

    def __init__(self, item_vectors: NDArray[np.float32], arrays: MapArrays, facts: MapFacts) -> None:
        self._vectors = item_vectors
        self._arrays = arrays
        self._prior = facts.prior

    def vectors(self, items: Sequence[Rows], weights: Sequence[Weights]) -> NDArray[np.float32]:
        """As `FoldIn.vectors`."""
        shares = [self._shares(weight) for weight in weights]
        met = np.stack([share @ self._vectors[rows] for share, rows in zip(shares, items, strict=True)])
        total = np.array([share.sum() for share in shares], dtype=np.float32)
        centred = met - total[:, None] * self._arrays.fold_in_center
        found: NDArray[np.float32] = centred @ self._arrays.fold_in_map
        found += self._arrays.fold_in_constant
        return found

    def contributions(self, items: Rows, weights: Weights, row: int) -> NDArray[np.float32]:
        """As `FoldIn.contributions`."""
        towards = self._arrays.fold_in_map @ self._vectors[row]
        added: NDArray[np.float32] = (self._vectors[items] - self._arrays.fold_in_center) @ towards
        added *= self._shares(weights)
        return added

    def _shares(self, weights: Weights) -> NDArray[np.float32]:
        """(k,) of what is known of the user, the prior included; so they sum up to less than 1."""
        counted: NDArray[np.float64] = np.log1p(weights.astype(np.float64))
        counted /= counted.sum() + self._prior
        return counted.astype(np.float32)


def open_fold_in(folder: Path, manifest: Manifest, item_vectors: NDArray[np.float32]) -> FoldIn | None:
    """The method of a version, from its folder; None if it has none. Raises ModelDamaged."""
    facts = read_facts(manifest)
    factors = item_vectors.shape[1]
    if isinstance(facts, LeastSquaresFacts):
        return LeastSquares(item_vectors, open_gram(folder, manifest, factors).gram, facts)
    if isinstance(facts, MapFacts):
        return LinearMap(item_vectors, open_map(folder, manifest, factors), facts)
    return None if facts is None else Mean(item_vectors)
