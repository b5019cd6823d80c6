"""Item vectors in 8 bits, with how far each may be off: a score that is found quickly, and bounds that hold it.

Scalar quantisation: v = scale * code + rest, and u likewise. So u.v is the product of the codes, which is exact, times
both scales; what that misses is at most |u| * |rest of v| + |rest of u| * |v|, by Cauchy and Schwarz.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.int8_product import LARGEST, Int8Product, model
from port_worker.serving.masks import BANNED, MASKED, Allowed, Masks, lowering
from port_worker.serving.products import score
from port_worker.serving.steps import Steps

GROUP = 32
"""Items that share a scale and are first looked at through their highest score."""

_LINE = 16
"""Groups come in multiples of it, so that each user's products begin with a line of the cache: a tenth quicker."""

_LEAST = 1e-5
"""Of the longest item, times the root of d: a group's largest component counts as that at least. So what stands for a
masked product, -2**30, times the least scale is below every score, which is less than 90 * root of d * the longest."""

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
        """(b, GROUP * groups), there until the next products."""
        ...

    def mask(self, products: NDArray[np.int32] | NDArray[np.float32], masks: Masks, first: int, *, whole: bool) -> None:
        """Put what must not come back, and nobody's places, below all others. As `Masks.apply`."""
        ...

    def least(self, products: NDArray[np.float32]) -> NDArray[np.int32] | NDArray[np.float32]:
        """The same as products can be: the lowest that is not below these, nor a masked one."""
        ...

    def rests(self, rest: float) -> NDArray[np.float32]:
        """(groups,): by how much a score for a scaled vector of length 1 may be off, whose codes miss `rest` of it."""
        ...


class Codes:
    """The codes of a block's items, and what they miss; made in slices of about a millisecond.

    Attributes:
        scales: (groups,) float32.
        lengths, rests: (groups,) float32 of the longest item of each group, and of what its codes miss at most; both in
            scales, that is as if each group's was 1.
    """

    def __init__(self, rows: int, factors: int) -> None:
        groups = _LINE * -(-rows // (GROUP * _LINE))
        self.rows, self.factors = rows, factors
        self.scales = np.empty(groups, dtype=np.float32)
        self.lengths, self.rests = np.zeros((2, groups), dtype=np.float32)
        self._codes = np.zeros((factors, GROUP, groups), dtype=np.int8)

    def find_scales(self, vectors: NDArray[np.float32], longest: float) -> Steps[None]:
        """So that no code is above LARGEST."""
        largest = np.full(len(self.scales), longest * math.sqrt(self.factors) * _LEAST, dtype=np.float32)
        for _place, some, part in self._ranks(vectors):
            np.maximum(largest[some], np.abs(part).max(axis=1), out=largest[some])
            yield
        self.scales[:] = largest / LARGEST

    def quantise(self, vectors: NDArray[np.float32]) -> Steps[None]:
        """Once there are scales."""
        for place, some, part in self._ranks(vectors):
            scaled = part / self.scales[some, None]
            rounded = np.rint(scaled)
            self._codes[:, place, some] = rounded.T
            np.maximum(self.lengths[some], _lengths(scaled), out=self.lengths[some])
            np.maximum(self.rests[some], _lengths(scaled - rounded), out=self.rests[some])
            yield

    def by_item(self) -> NDArray[np.int8]:
        """(d, GROUP * groups); zeros where there is no item."""
        return self._codes.reshape(self.factors, -1)

    def _ranks(self, vectors: NDArray[np.float32]) -> Iterator[tuple[int, slice, NDArray[np.float32]]]:
        """The first item of each group, the second of each, ...: their place, which groups they are of, themselves."""
        for place, start in enumerate(range(0, self.rows, len(self.scales))):
            part = vectors[start : start + len(self.scales)]
            yield place, slice(len(part)), part


class QuantisedBlock:
    """A `Block` in 8 bits, of which it holds a byte for each number."""

    def __init__(self, codes: Codes, product: Int8Product) -> None:
        """product: multiplies with the codes, item by item."""
        self.rows = codes.rows
        self.scales = codes.scales
        self._lengths = (codes.lengths + codes.rests) * codes.scales  # at least as long as the codes are
        self._rests = codes.rests * codes.scales + self._lengths * _rounded(codes.factors)
        self._product = product

    @classmethod
    def made(
        cls, vectors: NDArray[np.float32], longest: float, buffer: NDArray[np.int32], threads: int
    ) -> Steps[QuantisedBlock]:
        """Of `vectors` (rows, d), finite ones, which are read twice and not kept.

        longest: the longest of these and others, see LENGTHS. buffer: where products go.
        """
        codes = Codes(*vectors.shape)
        yield from codes.find_scales(vectors, longest)
        yield from codes.quantise(vectors)
        described = model(codes.by_item())
        yield
        return cls(codes, Int8Product(described, codes.by_item().shape, buffer, threads))

    def products(self, vectors: Quantised) -> NDArray[np.int32]:
        """As `Block.products`."""
        return self._product(vectors.codes)

    def mask(self, products: NDArray[Any], masks: Masks, first: int, *, whole: bool) -> None:
        """As `Block.mask`."""
        masks.apply_to_products(products[:, : self.rows], first, whole=whole)
        products[:, self.rows :] = BANNED

    def mask_alone(self, products: NDArray[np.int32], banned: NDArray[np.intp], allowed: Allowed) -> None:
        """The same for one user's (GROUP * groups,), where there is no other block."""
        if allowed is not None:
            products[: self.rows] += lowering(allowed)
        products[self.rows :] = products[banned] = BANNED

    def least(self, products: NDArray[np.float32]) -> NDArray[np.int32]:
        """As `Block.least`."""
        least = np.minimum(np.maximum(products, MASKED), -MASKED)  # as np.clip, which takes longer
        whole: NDArray[np.int32] = np.floor(least, out=least).astype(np.int32)
        return whole

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

    def mask(self, products: NDArray[Any], masks: Masks, first: int, *, whole: bool) -> None:
        """As `Block.mask`."""
        masks.apply(products.T[: self.rows], first, whole=whole)
        products[:, self.rows :] = -np.inf

    def least(self, products: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `Block.least`."""
        found: NDArray[np.float32] = np.maximum(products, np.finfo(np.float32).min)
        return found

    def rests(self, rest: float) -> NDArray[np.float32]:  # noqa: ARG002 it does without the codes
        """As `Block.rests`."""
        return self._rests


def _rounded(factors: int) -> np.float32:
    """Of two lengths' product: more than what float32 rounds away of a sum of products and of the bounds around it."""
    return np.float32((factors + 32) * 2.0**-23)


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return found
