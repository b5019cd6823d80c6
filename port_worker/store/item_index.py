"""The inverted file beside an embedding model's vectors: items in lists of near ones, so that few have to be read.

Optional. The manifest's fact `index` says whether there is one, and what was measured of it when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from port_worker.store.arrays import (
    ArrayLayout,
    Arrays,
    Problem,
    descending_problem,
    indptr_problem,
    not_finite,
)
from port_worker.store.errors import ModelDamaged
from port_worker.store.manifest import FILE_NAME, Json, Manifest

FACT = "index"
"""The manifest's fact; see `training/index_export.py` for what it holds."""

KIND = "inverted_file"
"""What the fact's `kind` is when the arrays below are there; `exact` when they are not."""


@dataclass(frozen=True, eq=False)
class IndexArrays(Arrays):
    """`d` factors, `lists` lists that hold each item once.

    index_vectors: (items, d) float32, the item vectors list by list, so that a list is read straight on.
    index_rows: (items,) int32, the item row of each of them; ascending within a list.
    index_offsets: (lists + 1,) int64. List l is index_vectors[index_offsets[l]:index_offsets[l + 1]].
    index_centres: (lists, d) float32, the mean of each list.
    index_longest: (lists,) float32, the length of the longest vector of each list.
    """

    index_vectors: NDArray[np.float32]
    index_rows: NDArray[np.int32]
    index_offsets: NDArray[np.int64]
    index_centres: NDArray[np.float32]
    index_longest: NDArray[np.float32]

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]] = (
        ArrayLayout("index_vectors", "float32", 2),
        ArrayLayout("index_rows", "int32", 1),
        ArrayLayout("index_offsets", "int64", 1),
        ArrayLayout("index_centres", "float32", 2),
        ArrayLayout("index_longest", "float32", 1),
    )

    @property
    def lists(self) -> int:
        """How many lists."""
        return len(self.index_centres)

    def _fit_problem(self) -> Problem | None:
        items, factors = self.index_vectors.shape
        if min(items, factors, self.lists) == 0:
            return Problem("index_vectors", "at least one item, factor and list", f"{items}, {factors}, {self.lists}")
        shapes = {
            "index_rows": (items,),
            "index_offsets": (self.lists + 1,),
            "index_centres": (self.lists, factors),
            "index_longest": (self.lists,),
        }
        return self._shape_problem(shapes) or indptr_problem("index_offsets", self.index_offsets, items)

    def _content_problem(self) -> Problem | None:
        for name in ("index_vectors", "index_centres", "index_longest"):
            problem = not_finite(name, getattr(self, name))
            if problem:
                return problem
        if not np.array_equal(np.sort(self.index_rows), np.arange(len(self.index_rows))):
            return Problem("index_rows", "each row once", "others")
        return descending_problem("index_offsets", self.index_offsets)


@dataclass(frozen=True)
class IndexFacts:
    """What searching needs of the fact: how many lists are to be read for the n best, by n."""

    probes: Mapping[int, int]


def open_index(
    folder: Path, manifest: Manifest, item_vectors: NDArray[np.float32]
) -> tuple[IndexArrays, IndexFacts] | None:
    """The index of a version, mapped; None if it has none. Raises ModelDamaged."""
    fact = manifest.facts.get(FACT)
    if not isinstance(fact, dict) or fact.get("kind") != KIND:
        return None
    missing = sorted(set(IndexArrays.files()) - manifest.files.keys())
    if missing:
        raise ModelDamaged(manifest.version, FILE_NAME, "all arrays listed", f"no {', '.join(missing)}")
    arrays = IndexArrays.open(folder)
    if arrays.index_vectors.shape != item_vectors.shape:
        found = arrays.index_vectors.shape
        raise ModelDamaged(
            manifest.version, "index_vectors.npy", f"the shape of item_vectors, {item_vectors.shape}", found
        )
    return arrays, IndexFacts(_probes(manifest, fact.get("probes"), arrays.lists))


def _probes(manifest: Manifest, found: Json, lists: int) -> dict[int, int]:
    try:
        assert isinstance(found, dict)
        probes = {
            int(n): count for n, count in found.items() if type(count) is int and 0 < count <= lists and int(n) > 0
        }
        assert len(probes) == len(found) > 0
    except (AssertionError, ValueError) as error:
        expected = f"{FACT}.probes to be numbers of lists, 1 to {lists}, by n"
        raise ModelDamaged(manifest.version, FILE_NAME, expected, found) from error
    return dict(sorted(probes.items()))
