"""A column of ids as it comes, in pieces: each piece becomes numbers at once, so that no id is kept twice.

The ids of a piece are told apart by pyarrow's hash table where it is installed, else by numpy's sort, which takes a few
times as long. Both give the same column.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from port_worker.sources.columns import IdArray, IdColumn, look_up
from port_worker.sources.growing import GrowingArray

UUID = np.dtype("V16")
"""An id as a database keeps it: 16 bytes, which become the 36 characters of its text at the end."""

_MERGE_ROWS = 1 << 19  # distinct ids of pieces that wait to be told apart: 8 MB of UUIDs
_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], dtype="S2")
_GROUPS = (4, 2, 2, 2, 6)  # bytes of a UUID between its dashes

Codes: TypeAlias = NDArray[np.int32]
AnyIds: TypeAlias = NDArray[Any]  # an IdArray, or of dtype UUID


class IdEncoder:
    """Takes pieces of one column, and gives the whole as an IdColumn."""

    def __init__(self) -> None:
        self._ids: AnyIds | None = None  # distinct, in no order
        self._codes = GrowingArray(np.int32)  # rows of `_ids`
        self._waiting: list[tuple[AnyIds, Codes]] = []  # distinct ids of a piece, and its rows of them
        self._waiting_ids = 0

    def add(self, ids: AnyIds) -> None:
        """Append ids: int64, bytes 'S<k>' or UUID, the same kind throughout. They are not kept."""
        distinct, codes = _distinct(ids)
        self._waiting.append((distinct, codes))
        self._waiting_ids += len(distinct)
        # Those that are merged already are merged again, so the more there are, the more must wait.
        if self._waiting_ids > _MERGE_ROWS + (0 if self._ids is None else len(self._ids)):
            self._merge()

    def column(self) -> IdColumn:
        """Everything that was added, at least one id; the encoder is empty afterwards."""
        self._merge()
        assert self._ids is not None
        ids, codes = _as_text(self._ids), self._codes.taken()
        self._ids = None
        order = np.argsort(ids)
        places = np.empty(len(ids), dtype=np.int32)
        places[order] = np.arange(len(ids), dtype=np.int32)
        return IdColumn(look_up(places, codes), ids[order])

    def _merge(self) -> None:
        pieces = [distinct for distinct, _ in self._waiting]
        if self._ids is not None:
            pieces.insert(0, self._ids)
        self._ids, places = _distinct(np.concatenate(pieces), keep_order=True)
        start = len(places) - self._waiting_ids
        for distinct, codes in self._waiting:
            self._codes.append(places[start : start + len(distinct)][codes])
            start += len(distinct)
        self._waiting, self._waiting_ids = [], 0


def _distinct(ids: AnyIds, *, keep_order: bool = False) -> tuple[AnyIds, Codes]:
    """The distinct ids and each id's place among them. With `keep_order`, those that come first have lower places, so
    that ids that are distinct at the head stay where they are."""
    try:
        import pyarrow as pa
    except ImportError:
        return _distinct_by_sort(ids) if not keep_order else _in_order_of_appearance(ids)
    if ids.dtype.kind == "i":
        found = pa.array(ids).dictionary_encode()
        return found.dictionary.to_numpy(), found.indices.to_numpy()
    width = ids.dtype.itemsize
    buffer = pa.py_buffer(np.ascontiguousarray(ids))
    found = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(ids), [None, buffer]).dictionary_encode()
    octets = found.dictionary.buffers()[1]
    return np.frombuffer(octets, dtype=ids.dtype, count=len(found.dictionary)), found.indices.to_numpy()


def _distinct_by_sort(ids: AnyIds) -> tuple[AnyIds, Codes]:
    comparable = ids.view("S16") if ids.dtype == UUID else ids  # of one width, so trailing zeros are no padding
    distinct, codes = np.unique(comparable, return_inverse=True)
    return distinct.astype(comparable.dtype).view(ids.dtype), codes.astype(np.int32)


def _in_order_of_appearance(ids: AnyIds) -> tuple[AnyIds, Codes]:
    comparable = ids.view("S16") if ids.dtype == UUID else ids
    _, first, codes = np.unique(comparable, return_index=True, return_inverse=True)
    order = np.argsort(first)
    places = np.empty(len(order), dtype=np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return ids[first[order]], places[codes]


def _as_text(ids: AnyIds) -> IdArray:
    """UUIDs as text in lower case with dashes; other ids as they are. Both have the same order."""
    if ids.dtype != UUID:
        return cast("IdArray", ids)
    digits = _HEX[np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), 16)].view("S1").reshape(len(ids), 32)
    text = np.full((len(ids), 36), b"-", dtype="S1")
    start = 0
    for group, size in enumerate(_GROUPS):
        text[:, 2 * start + group : 2 * (start + size) + group] = digits[:, 2 * start : 2 * (start + size)]
        start += size
    return text.view("S36").reshape(len(ids))
