"""What `COPY ... TO STDOUT (FORMAT binary)` writes, for rows of columns that all have a fixed width and no NULL.

A row is its number of columns, then for each a length and the value, all big-endian: a structured array of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.sources import sql_types
from port_worker.sources.encoding import UUID

_HEADER_BYTES = 19
_TRAILER_BYTES = 2
_MICROSECONDS = 1_000_000
_DAY_S = 86_400
_FIXED: dict[int, Any] = {
    **sql_types.INTEGERS,
    **sql_types.FLOATS,
    sql_types.UUID: UUID,
    sql_types.TIMESTAMP: ">i8",
    sql_types.TIMESTAMPTZ: ">i8",
    sql_types.DATE: ">i4",
}


def has_fixed_width(kind: int) -> bool:
    """Whether values of a type can be read here."""
    return kind in _FIXED


class RowFormat:
    """Rows of columns of these types."""

    def __init__(self, kinds: Sequence[int]) -> None:
        widths = [np.dtype(_FIXED[kind]) for kind in kinds]
        fields: list[tuple[str, Any]] = [("columns", ">i2")]
        for place, width in enumerate(widths):
            fields += [(f"length{place}", ">i4"), (f"value{place}", width)]
        self._dtype = np.dtype(fields)
        self._widths = [width.itemsize for width in widths]

    def columns(self, page: bytes | memoryview) -> list[NDArray[Any]] | None:
        """The columns of a whole page, views of it; None if any of its values is NULL."""
        octets = len(page) - _HEADER_BYTES - _TRAILER_BYTES
        rows, rest = divmod(octets, self._dtype.itemsize)
        if rest:
            return None
        found = np.frombuffer(page, self._dtype, rows, _HEADER_BYTES)
        if not all((found[f"length{place}"] == width).all() for place, width in enumerate(self._widths)):
            return None
        return [found[f"value{place}"] for place in range(len(self._widths))]


def seconds(values: NDArray[Any], kind: int) -> NDArray[np.float64] | NDArray[np.int64]:
    """A column of times as unix seconds; what is infinite is past any calendar."""
    if kind in sql_types.TIMES:
        found = values.astype(np.int64)
        limits = np.iinfo(values.dtype)  # which stand for the infinities
        infinite = (found == limits.max) | (found == limits.min)
        found = found * _DAY_S if kind == sql_types.DATE else found // _MICROSECONDS
        return np.where(infinite, np.iinfo(np.int64).max, found + sql_types.EPOCH_S)
    return values.astype(np.int64) if kind in sql_types.INTEGERS else np.floor(values.astype(np.float64))


def uuid_text(value: np.void) -> str:
    """A UUID as SQL takes it."""
    return value.tobytes().hex()
