"""What an embedding model keeps so that a user whom it has not learnt gets a vector from the items that they met.

The manifest's fact `fold_in` names the method and its numbers; a method that needs arrays has a class for them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import ArrayLayout, Arrays, Problem, not_finite
from port_worker.store.errors import ModelDamaged
from port_worker.store.manifest import FILE_NAME, Json, Manifest

FACT = "fold_in"
"""The manifest's fact: {"method": one of METHODS, and that method's numbers by name}."""


@dataclass(frozen=True, eq=False)
class GramArrays(Arrays):
    """For `least_squares`.

    gram: (d, d) float64, item_vectors.T @ item_vectors.
    """

    gram: NDArray[np.float64]

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]] = (ArrayLayout("gram", "float64", 2),)

    @property
    def factors(self) -> int:
        """The model's d."""
        return len(self.gram)

    def _fit_problem(self) -> Problem | None:
        return self._shape_problem({"gram": (self.factors, self.factors)})

    def _content_problem(self) -> Problem | None:
        return not_finite("gram", self.gram)


@dataclass(frozen=True, eq=False)
class MapArrays(Arrays):
    """For `map`: constant + (shrunken mean of item vectors, seen from the centre) @ map.

    fold_in_center: (d,) float32, the mean over users of the mean of their items.
    fold_in_map: (d, d) float32, from what a user met to their vector.
    fold_in_constant: (d,) float32, the vector of one of whom nothing is known.
    """

    fold_in_center: NDArray[np.float32]
    fold_in_map: NDArray[np.float32]
    fold_in_constant: NDArray[np.float32]

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]] = (
        ArrayLayout("fold_in_center", "float32", 1),
        ArrayLayout("fold_in_map", "float32", 2),
        ArrayLayout("fold_in_constant", "float32", 1),
    )

    @property
    def factors(self) -> int:
        """The model's d."""
        return len(self.fold_in_constant)

    def _fit_problem(self) -> Problem | None:
        return self._shape_problem({"fold_in_center": (self.factors,), "fold_in_map": (self.factors, self.factors)})

    def _content_problem(self) -> Problem | None:
        problems = (not_finite(name, array) for name, array in self._named().items())
        return next((problem for problem in problems if problem), None)


@dataclass(frozen=True)
class LeastSquaresFacts:
    """The exact step of ALS: a pair's confidence is 1 + `alpha` * its weight; `reg` is added to the diagonal."""

    reg: float
    alpha: float
    method: ClassVar[str] = "least_squares"


@dataclass(frozen=True)
class MeanFacts:
    """The plain mean of the item vectors, which is how the model itself makes its users."""

    method: ClassVar[str] = "mean"


@dataclass(frozen=True)
class MapFacts:
    """A linear map learnt from the users that the model has.

    `prior` is the weight, beside log(1 + weight) of each item, of a mean user's items; `explained` the share of the
    variance of user vectors that the map accounts for.
    """

    prior: float
    explained: float
    method: ClassVar[str] = "map"


FoldInFacts = LeastSquaresFacts | MeanFacts | MapFacts

METHODS: Mapping[str, type[FoldInFacts]] = {kind.method: kind for kind in (LeastSquaresFacts, MeanFacts, MapFacts)}


def fact_of(facts: FoldInFacts) -> dict[str, Json]:
    """What the manifest holds under `fold_in`."""
    return {"method": facts.method, **vars(facts)}


def read_facts(manifest: Manifest) -> FoldInFacts | None:
    """What a manifest says of it; None if nothing. Raises ModelDamaged for a method or numbers unknown here."""
    fact = manifest.facts.get(FACT)
    if fact is None:
        return None
    kind = METHODS.get(str(fact.get("method"))) if isinstance(fact, dict) else None
    if kind is None:
        raise ModelDamaged(manifest.version, FILE_NAME, f"a {FACT} of method {', '.join(METHODS)}", fact)
    assert isinstance(fact, dict)
    numbers = {name: float(value) for name, value in fact.items() if isinstance(value, int | float)}
    try:
        return kind(**numbers)
    except TypeError as error:
        raise ModelDamaged(manifest.version, FILE_NAME, f"the numbers of {FACT} {kind.method}", fact) from error


def open_gram(folder: Path, manifest: Manifest, factors: int) -> GramArrays:
    """The arrays for `least_squares`. Raises ModelDamaged."""
    _check_listed(GramArrays, manifest)
    arrays = GramArrays.open(folder)
    _check_factors("gram.npy", arrays.factors, factors, manifest)
    return arrays


def open_map(folder: Path, manifest: Manifest, factors: int) -> MapArrays:
    """The arrays for `map`. Raises ModelDamaged."""
    _check_listed(MapArrays, manifest)
    arrays = MapArrays.open(folder)
    _check_factors("fold_in_constant.npy", arrays.factors, factors, manifest)
    return arrays


def _check_listed(kind: type[Arrays], manifest: Manifest) -> None:
    missing = sorted(set(kind.files()) - manifest.files.keys())
    if missing:
        raise ModelDamaged(manifest.version, FILE_NAME, "all arrays listed", f"no {', '.join(missing)}")


def _check_factors(file: str, found: int, expected: int, manifest: Manifest) -> None:
    if found != expected:
        raise ModelDamaged(manifest.version, file, f"{expected} factors, as item_vectors has", found)
