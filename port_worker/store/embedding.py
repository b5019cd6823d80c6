"""The arrays of an embedding model, as they lie in a version's folder: one .npy file each, never a pickle."""

from __future__ import annotations

import tokenize
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.store.errors import ModelDamaged, ModelRefused

KIND = "embedding"
"""What a manifest calls a version that holds these arrays."""


class Problem(NamedTuple):
    """One way in which the arrays are not what they must be."""

    array: str
    expected: str
    found: object


@dataclass(frozen=True, eq=False)
class EmbeddingArrays:
    """Everything that serving needs; `d` is the number of factors, `nnz` the number of distinct (user, item) pairs.

    user_ids, item_ids: (users,), (items,) int64, or 'S<k>' of UTF-8 bytes; strictly ascending. Row r of the other
        arrays belongs to the r-th id.
    user_vectors, item_vectors: (users, d), (items, d) float32, C order. A score is the product of two rows, so biases
        are factors too.
    consumed_indptr, consumed_items: (users + 1,) int64 and (nnz,) int32. User r has had the item rows
        consumed_items[indptr[r]:indptr[r + 1]], ascending, each once.
    item_popularity: (items,) int64, distinct users of each item.
    """

    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    user_vectors: NDArray[np.float32]
    item_vectors: NDArray[np.float32]
    consumed_indptr: NDArray[np.int64]
    consumed_items: NDArray[np.int32]
    item_popularity: NDArray[np.int64]

    def write(self, folder: Path) -> None:
        """Check layout and contents, then write one file an array. Raises ModelRefused, OSError."""
        problem = self._layout_problem() or self._content_problem()
        if problem:
            raise ModelRefused(*problem)
        for name, array in self._named().items():
            np.save(folder / file_name(name), array, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path, *, mmap: bool = True) -> EmbeddingArrays:
        """Map (or read) the arrays of a version's folder and check how they fit together.

        Takes no time that grows with the model when mapped: the contents were checked by `write`, and that they have
        not changed since is what `ModelStore.verify` proves. Raises ModelDamaged.
        """
        arrays = cls(**{field.name: _load(folder, field.name, mmap) for field in fields(cls)})
        problem = arrays._layout_problem()
        if problem:
            raise ModelDamaged(folder.name, file_name(problem.array), problem.expected, problem.found)
        return arrays

    def _named(self) -> dict[str, NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _layout_problem(self) -> Problem | None:
        for name, dtypes, dimensions in _LAYOUT:
            array: NDArray[Any] = getattr(self, name)
            if array.ndim != dimensions or not _dtype_fits(array.dtype, dtypes) or not array.flags.c_contiguous:
                found = f"{array.dtype} of shape {array.shape}"
                return Problem(name, f"a C-ordered {dtypes} array of {dimensions} dimension(s)", found)
        return self._size_problem() or self._indptr_problem()

    def _size_problem(self) -> Problem | None:
        users, items, factors = len(self.user_ids), len(self.item_ids), self.item_vectors.shape[1]
        expected_shapes = {
            "user_vectors": (users, factors),
            "item_vectors": (items, factors),
            "consumed_indptr": (users + 1,),
            "item_popularity": (items,),
        }
        for name, shape in expected_shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                return Problem(name, f"shape {shape}", found)
        if min(users, items, factors) == 0:
            return Problem("item_vectors", "at least one user, item and factor", f"{users}, {items} and {factors}")
        return None

    def _indptr_problem(self) -> Problem | None:
        first, last, nnz = int(self.consumed_indptr[0]), int(self.consumed_indptr[-1]), len(self.consumed_items)
        if (first, last) != (0, nnz):
            return Problem("consumed_indptr", f"a range from 0 to {nnz}", f"{first} to {last}")
        return None

    def _content_problem(self) -> Problem | None:
        return (
            _ids_problem("user_ids", self.user_ids)
            or _ids_problem("item_ids", self.item_ids)
            or self._vectors_problem()
            or self._consumed_problem()
            or self._popularity_problem()
        )

    def _vectors_problem(self) -> Problem | None:
        for name in ("user_vectors", "item_vectors"):
            bad = int(np.count_nonzero(~np.isfinite(getattr(self, name))))
            if bad:
                return Problem(name, "finite numbers", f"{bad} that are not")
        # Cauchy-Schwarz: below this bound no score, nor any partial sum of one, leaves float32. Ranking relies on it,
        # because minus infinity marks what must not be returned.
        bound = _longest(self.user_vectors) * _longest(self.item_vectors)
        if bound >= float(np.finfo(np.float32).max):
            return Problem("item_vectors", "products with user_vectors within float32", f"up to {bound:.3g}")
        return None

    def _consumed_problem(self) -> Problem | None:
        if np.any(np.diff(self.consumed_indptr) < 0):
            return Problem("consumed_indptr", "ascending offsets", "descending ones")
        columns = self.consumed_items
        if columns.size and (columns.min() < 0 or columns.max() >= len(self.item_ids)):
            return Problem("consumed_items", f"rows 0 to {len(self.item_ids) - 1}", f"{columns.min()}, {columns.max()}")
        ascends = np.diff(columns) > 0
        starts = self.consumed_indptr[1:-1]
        ascends[starts[(starts > 0) & (starts < columns.size)] - 1] = True  # where one user's items end
        if not ascends.all():
            return Problem("consumed_items", "each user's items ascending, each once", "others")
        return None

    def _popularity_problem(self) -> Problem | None:
        lowest = int(self.item_popularity.min())
        return Problem("item_popularity", "counts", lowest) if lowest < 0 else None


FILES = tuple(f"{field.name}.npy" for field in fields(EmbeddingArrays))
"""The names of the files, for a check against a manifest."""

_UNREADABLE = (OSError, ValueError, TypeError, OverflowError, SyntaxError, tokenize.TokenError)
"""What numpy raises for a header that is none: it tries to read one as Python 2 would have written it."""

_LAYOUT = (
    ("user_ids", "int64 or bytes", 1),
    ("item_ids", "int64 or bytes", 1),
    ("user_vectors", "float32", 2),
    ("item_vectors", "float32", 2),
    ("consumed_indptr", "int64", 1),
    ("consumed_items", "int32", 1),
    ("item_popularity", "int64", 1),
)


def file_name(array: str) -> str:
    """The file that holds the array of that name."""
    return f"{array}.npy"


def _dtype_fits(dtype: np.dtype[Any], expected: str) -> bool:
    return ("bytes" in expected and dtype.kind == "S") or (dtype.isnative and dtype.name == expected.split(" ")[0])


def _load(folder: Path, array: str, mmap: bool) -> NDArray[Any]:
    path = folder / file_name(array)
    try:
        # Unlike np.load this reads .npy alone, so a zip or a pickle put in its place is refused by its first bytes.
        mapped = np.lib.format.open_memmap(path, mode="r")
    except _UNREADABLE as error:
        raise ModelDamaged(folder.name, path.name, "a readable .npy file", error) from error
    # As a plain ndarray: indexing np.memmap runs Python code on each access.
    return np.asarray(mapped) if mmap else np.array(mapped, subok=False)


def _longest(vectors: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64).max()))


def _ids_problem(name: str, ids: NDArray[Any]) -> Problem | None:
    if not bool(np.all(ids[:-1] < ids[1:])):
        return Problem(name, "strictly ascending ids", "others")
    if ids.dtype.kind == "S":
        return _text_problem(name, ids)
    return None


def _text_problem(name: str, ids: NDArray[np.bytes_]) -> Problem | None:
    if ids[0] == b"":
        return Problem(name, "ids with at least one character", "an empty one")
    try:
        b"\n".join(ids.tolist()).decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(name, "UTF-8", error)
    return None
