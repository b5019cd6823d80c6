"""Arrays of a version as files: one .npy each, never a pickle, with what each must be.

A kind of model declares its arrays as a dataclass of this base; what it adds is which contents can be served.
"""

from __future__ import annotations

import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from port_worker.store.errors import ModelDamaged, ModelRefused

Shape = tuple[int, ...]


class Problem(NamedTuple):
    """One way in which the arrays are not what they must be."""

    array: str
    expected: str
    found: object


class ArrayLayout(NamedTuple):
    """What the array of a field must be: `dtype` a native numpy type's name, or `int64 or bytes` for ids."""

    field: str
    dtype: str
    dimensions: int


ArraysT = TypeVar("ArraysT", bound="Arrays")

_UNREADABLE = (OSError, ValueError, TypeError, OverflowError, SyntaxError, tokenize.TokenError)
"""What numpy raises for a header that is none: it tries to read one as Python 2 would have written it."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """Base of a kind's arrays; every field of a subclass is one array, and one file of its name."""

    LAYOUT: ClassVar[tuple[ArrayLayout, ...]]

    def write(self, folder: Path) -> None:
        """Check layout and contents, then write one file an array. Raises ModelRefused, OSError."""
        problem = self._problem() or self._content_problem()
        if problem:
            raise ModelRefused(*problem)
        for name, array in self._named().items():
            np.save(folder / file_name(name), array, allow_pickle=False)

    @classmethod
    def open(cls: type[ArraysT], folder: Path, *, mmap: bool = True) -> ArraysT:
        """Map (or read) the arrays of a version's folder and check how they fit together.

        Takes no time that grows with the model when mapped: the contents were checked by `write`, and that they have
        not changed since is what `ModelStore.verify` proves. Raises ModelDamaged.
        """
        arrays = cls(**{field.name: _load(folder, field.name, mmap) for field in fields(cls)})
        problem = arrays._problem()
        if problem:
            raise ModelDamaged(folder.name, file_name(problem.array), problem.expected, problem.found)
        return arrays

    @classmethod
    def files(cls) -> tuple[str, ...]:
        """The names of the files, for a check against a manifest."""
        return tuple(file_name(field.name) for field in fields(cls))

    def _fit_problem(self) -> Problem | None:
        """How the arrays do not fit together, found without reading all of them."""
        raise NotImplementedError

    def _content_problem(self) -> Problem | None:
        """What in them cannot be served."""
        raise NotImplementedError

    def _problem(self) -> Problem | None:
        return self._layout_problem() or self._fit_problem()

    def _named(self) -> dict[str, NDArray[Any]]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _layout_problem(self) -> Problem | None:
        for name, dtypes, dimensions in self.LAYOUT:
            array: NDArray[Any] = getattr(self, name)
            if array.ndim != dimensions or not _dtype_fits(array.dtype, dtypes) or not array.flags.c_contiguous:
                found = f"{array.dtype} of shape {array.shape}"
                return Problem(name, f"a C-ordered {dtypes} array of {dimensions} dimension(s)", found)
        return None

    def _shape_problem(self, expected: Mapping[str, Shape]) -> Problem | None:
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                return Problem(name, f"shape {shape}", found)
        return None


def file_name(array: str) -> str:
    """The file that holds the array of that name."""
    return f"{array}.npy"


def not_finite(name: str, array: NDArray[np.floating]) -> Problem | None:
    """Whether some of the numbers are none."""
    bad = int(np.count_nonzero(~np.isfinite(array)))
    return Problem(name, "finite numbers", f"{bad} that are not") if bad else None


def rows_problem(name: str, rows: NDArray[np.integer], count: int) -> Problem | None:
    """Whether some of the rows are none of `count`."""
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        return Problem(name, f"rows 0 to {count - 1}", f"{rows.min()}, {rows.max()}")
    return None


def indptr_problem(name: str, indptr: NDArray[np.int64], count: int) -> Problem | None:
    """Whether the first and last offset are not those of `count` elements."""
    first, last = int(indptr[0]), int(indptr[-1])
    return None if (first, last) == (0, count) else Problem(name, f"a range from 0 to {count}", f"{first} to {last}")


def descending_problem(name: str, indptr: NDArray[np.int64]) -> Problem | None:
    """Whether some offset is below the one before it."""
    return Problem(name, "ascending offsets", "descending ones") if np.any(np.diff(indptr) < 0) else None


def _dtype_fits(dtype: np.dtype[Any], expected: str) -> bool:
    return ("bytes" in expected and dtype.kind == "S") or (dtype.isnative and dtype.name == expected.split(" ")[0])


def read_array(folder: Path, array: str) -> NDArray[Any]:
    """The array of that name, read into memory. Raises ModelDamaged."""
    return _load(folder, array, mmap=False)


def _load(folder: Path, array: str, mmap: bool) -> NDArray[Any]:
    path = folder / file_name(array)
    try:
        # Unlike np.load this reads .npy alone, so a zip or a pickle put in its place is refused by its first bytes.
        mapped = np.lib.format.open_memmap(path, mode="r")
    except _UNREADABLE as error:
        raise ModelDamaged(folder.name, path.name, "a readable .npy file", error) from error
    # As a plain ndarray: indexing np.memmap runs Python code on each access.
    return np.asarray(mapped) if mmap else np.array(mapped, subok=False)
