"""What LibRecommender's models in Rust have learnt. They show it to nobody, but they save it, and this reads the file.

recfarm 0.2 writes bincode 1.3, gzipped: fields in the order of the struct, numbers little-endian and of fixed width,
lengths as 8 bytes before what they count, a `usize` as 8 bytes. Source: rust/src/{item_cf,user_cf,swing}.rs.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.training.errors import TrainingError

_NAME = "model"
_PAIR = np.dtype([("row", "<i4"), ("similarity", "<f4")])
_CUMULATED_BYTES = 24
"""An entry of `cum_values`, which only retraining on a delta needs: its key, two rows, a product and a count."""


class Neighbours(NamedTuple):
    """Others of one row, the most similar first: (m,) int32 rows and (m,) float32 similarities."""

    rows: NDArray[np.int32]
    similarities: NDArray[np.float32]


def neighbours(rust_model: Any, save: Callable[[Any, str, str], None]) -> dict[int, Neighbours]:
    """All neighbours of each row that has some, in the model's own order.

    `save` is recfarm's function for this model's class. Raises TrainingError `training_failed` for a file that is not
    laid out as this knows it.
    """
    # A new folder each time: over a longer file, recfarm leaves the longer one's end behind the new one's.
    with tempfile.TemporaryDirectory(prefix="port_worker-recfarm-") as folder:
        save(rust_model, folder, _NAME)
        file = _File(gzip.decompress((Path(folder) / f"{_NAME}.gz").read_bytes()))
    return _READERS[type(rust_model).__name__](file)


class _File:
    """Bytes read from their start on."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        self._at += count
        if self._at > len(self._content):
            raise _unknown_layout(f"{self._at} bytes", len(self._content))

    def number(self, dtype: str) -> int:
        """One integer."""
        return int(self._array(dtype, 1)[0])

    def length(self) -> int:
        """How many elements follow."""
        return self.number("<u8")

    def vector(self, dtype: str | np.dtype[Any]) -> NDArray[Any]:
        """A length, and so many elements."""
        return self._array(dtype, self.length())

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._content):
            raise _unknown_layout(f"{self._at} bytes", len(self._content))

    def _array(self, dtype: str | np.dtype[Any], count: int) -> NDArray[Any]:
        start = self._at
        self.skip(np.dtype(dtype).itemsize * count)
        return np.frombuffer(self._content, dtype, count, start)


def _collaborative(file: _File) -> dict[int, Neighbours]:
    file.skip(file.length())  # the task's name
    file.skip(4 * 8)  # k_sim, n_users, n_items, min_common
    file.vector("<f4")  # squared norms
    file.skip(_CUMULATED_BYTES * file.length())
    found = {file.number("<i4"): Neighbours(file.vector("<i4"), file.vector("<f4")) for _ in range(file.length())}
    _skip_the_rest(file)
    return found


def _swing(file: _File) -> dict[int, Neighbours]:
    file.skip(8 + 4 + 3 * 8)  # top_k, alpha, max_cache_num, n_users, n_items
    found = {}
    for _ in range(file.length()):
        row, pairs = file.number("<i4"), file.vector(_PAIR)
        found[row] = Neighbours(np.ascontiguousarray(pairs["row"]), np.ascontiguousarray(pairs["similarity"]))
    _skip_the_rest(file)
    return found


def _skip_the_rest(file: _File) -> None:
    """Pass over the interactions, both ways round, what users consumed, and the default: so the layout is proved."""
    for _ in range(2):
        for dtype in ("<i4", "<u8", "<f4"):
            file.vector(dtype)
    for _ in range(file.length()):
        file.skip(4)
        file.vector("<i4")
    file.skip(4)
    file.end()


_READERS: dict[str, Callable[[_File], dict[int, Neighbours]]] = {
    "ItemCF": _collaborative,
    "UserCF": _collaborative,
    "Swing": _swing,
}


def _unknown_layout(expected: str, found: int) -> TrainingError:
    message = f"recfarm's saved model: expected {expected}, found {found}: is it another version than 0.2?"
    return TrainingError("training_failed", message, {"expected": expected, "found": found})
