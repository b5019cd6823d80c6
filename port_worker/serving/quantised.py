"""Item vectors in 8 bits, with how far each may be off: a score that is found quickly, and bounds that hold it.

Scalar quantisation: v = scale * code + rest, and u likewise. So u.v is the product of the codes, which is exact, times
both scales; what that misses is at most |u| * |rest of v| + |rest of u| * |v|, by Cauchy and Schwarz.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.int8_product import LARGEST, Int8Product
from port_worker.serving.products import score

GROUP = 32
"""Items that share a scale and are first looked at through their highest score."""

_LINE = 16
"""Groups are a multiple of it, so that each user's products begin with a line of the cache: a tenth quicker."""

_LEAST = 1e-5
"""Of the longest item, times the root of d: a group's largest component counts as that at least. So what stands for a
masked product, -2**31, times the least scale is below every score, which is less than 90 * root of d * the longest."""

LENGTHS = (1e-15, 1e15)
"""Of the longest item, between which float32 holds all that is made of it here."""


class Quantised(NamedTuple):
    """Vectors of users in 8 bits.

    wide: (b, d) float64, the vectors themselves. scaled: (b, d) float64, each times a number of its own, so that its
    largest component is LARGEST; zeros stay zeros. codes: (b, d) float64, the whole numbers next to it. lengths: (b,)
    float32 of the scaled vectors. rest: no codes miss a larger share of their vector.
    """

    wide: NDArray[np.float64]
    scaled: NDArray[np.float64]
    codes: NDArray[np.float64]
    lengths: NDArray[np.float32]
    rest: float

    def part(self, some: slice) -> Quantised:
        """Some of them."""
        return Quantised(self.wide[some], self.scaled[some], self.codes[some], self.lengths[some], self.rest)


def quantised(vectors: NDArray[np.float64]) -> Quantised | None:
    """Of `vectors` (b, d); None if one is not finite, or there is one alone and it is of zeros."""
    if len(vectors) == 1:
        return _quantised_alone(vectors)
    largest = np.maximum.reduce(np.abs(vectors), axis=1, keepdims=True)
    if not (largest < np.inf).all():
        return None
    largest[largest == 0] = 1.0
    scaled = vectors * (LARGEST / largest)
    codes = np.rint(scaled)
    missed = scaled - codes
    lengths = np.sqrt(np.vecdot(scaled, scaled))
    rest = float((np.sqrt(np.vecdot(missed, missed)) / np.maximum(lengths, 1.0)).max(initial=0.0))
    return Quantised(vectors, scaled, codes, lengths.astype(np.float32), rest)


def _quantised_alone(vector: NDArray[np.float64]) -> Quantised | None:
    """The same by fewer steps. That each component is off by a half at most is a bound that costs nothing to find."""
    largest = float(np.maximum.reduce(np.abs(vector), axis=None))
    if not 0 < largest < math.inf:
        return None
    scaled = vector * (LARGEST / largest)
    length = math.sqrt(float(np.vdot(scaled, scaled)))
    rest = math.sqrt(vector.shape[1]) / 2 / length
    return Quantised(vector, scaled, np.rint(scaled), np.array([length], dtype=np.float32), rest)


class Block(Protocol):
    """Scores of some items that are found quickly, and how far they may be off.

    Item i is in group i % groups. Each group has GROUP places; the last ones may be nobody's.
    """

    rows: int
    """How many items."""
    scales: NDArray[np.float32]
    """(groups,): what the products of a group's items are multiplied with to be scores for a scaled vector."""

    def products(self, vectors: Quantised) -> NDArray[np.int32] | NDArray[np.float32]:
        """(b, GROUP * groups), there until the next products; the caller may overwrite them."""
        ...

    def rests(self, rest: float) -> NDArray[np.float32]:
        """(groups,): by how much a score for a scaled vector of length 1 may be off, whose codes miss `rest` of it."""
        ...


class QuantisedBlock:
    """A `Block` in 8 bits, of which it holds a byte for each number."""

    def __init__(self, vectors: NDArray[np.float32], longest: float, buffer: NDArray[np.int32], threads: int) -> None:
        """`vectors` (rows, d) are read twice and not kept. `longest`: the longest of these and others, see LENGTHS.

        buffer: where products go.
        """
        self.rows, factors = vectors.shape
        groups = _LINE * -(-self.rows // (GROUP * _LINE))
        ranks = _ranks(vectors, groups)
        largest = np.full(groups, longest * math.sqrt(factors) * _LEAST, dtype=np.float32)
        for part, some in ranks:
            np.maximum(largest[some], np.abs(part).max(axis=1), out=largest[some])
        self.scales = np.asarray(largest / LARGEST, dtype=np.float32)
        codes = np.zeros((GROUP, groups, factors), dtype=np.int8)
        lengths, rests = np.zeros((2, groups), dtype=np.float32)
        for (part, some), place in zip(ranks, codes, strict=False):
            scaled = part / self.scales[some, None]
            rounded = np.rint(scaled)
            place[some] = rounded
            np.maximum(lengths[some], _lengths(scaled), out=lengths[some])
            np.maximum(rests[some], _lengths(scaled - rounded), out=rests[some])
        lengths += rests  # at least as long as the codes are
        self._lengths = lengths * self.scales
        self._rests = (rests + lengths * _rounded(factors)) * self.scales
        self._product = Int8Product(codes.reshape(-1, factors).T, buffer, threads)

    def products(self, vectors: Quantised) -> NDArray[np.int32]:
        """As `Block.products`."""
        return self._product(vectors.codes)

    def rests(self, rest: float) -> NDArray[np.float32]:
        """As `Block.rests`."""
        found: NDArray[np.float32] = self._lengths * np.float32(rest)
        found += self._rests
        return found


class PlainBlock:
    """A `Block` of the vectors themselves, which are read where they are: for what would take too much memory."""

    def __init__(self, vectors: NDArray[np.float32], longest: float, buffer: NDArray[np.int32]) -> None:
        """`vectors` (rows, d). `longest`, `buffer`: as for a QuantisedBlock."""
        self.rows, factors = vectors.shape
        self.scales = np.ones(-(-self.rows // GROUP), dtype=np.float32)
        self._vectors = vectors
        self._buffer = buffer.view(np.float32)
        self._rests = self.scales * np.float32(longest * _rounded(factors))

    def products(self, vectors: Quantised) -> NDArray[np.float32]:
        """As `Block.products`."""
        users = len(vectors.scaled)
        scores = self._buffer[: GROUP * len(self.scales) * users].reshape(-1, users)
        score(self._vectors, vectors.scaled.astype(np.float32), scores[: self.rows])
        return scores.T

    def rests(self, rest: float) -> NDArray[np.float32]:  # noqa: ARG002 it does without the codes
        """As `Block.rests`."""
        return self._rests


def _ranks(vectors: NDArray[np.float32], groups: int) -> list[tuple[NDArray[np.float32], slice]]:
    """The first item of each group, the second of each, ..., and which groups those are."""
    parts = [vectors[start : start + groups] for start in range(0, len(vectors), groups)]
    return [(part, slice(len(part))) for part in parts]


def _rounded(factors: int) -> np.float32:
    """Of two lengths' product: more than what float32 rounds away of a sum of products and of the bounds around it."""
    return np.float32((factors + 32) * 2.0**-23)


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return found
