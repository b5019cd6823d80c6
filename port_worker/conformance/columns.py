"""Columns as the kit needs them: ids and scores out of them, ids into them."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Sequence
from typing import Any

from port_worker.conformance.terms import Atom

_UUID_BYTES = 16


def column(kind: str, data: bytes) -> tuple[Atom, bytes]:
    """The term `{Kind, Binary}`."""
    return Atom(kind), data


def id_column(ids: Sequence[int | bytes]) -> tuple[Atom, bytes] | None:
    """The column that holds these ids; None where no kind does."""
    if all(type(each) is int for each in ids):
        return column("int64", struct.pack(f"<{len(ids)}q", *ids))
    try:
        values = [uuid.UUID(each.decode()) for each in ids if isinstance(each, bytes)]
    except ValueError:
        return None
    if [_text(value) for value in values] != list(ids):
        return None
    return column("uuid", b"".join(value.bytes for value in values))


def ids_in(term: Any) -> list[int | bytes] | None:
    """The ids of a reply in columns: of a column, or a list of binaries; None for anything else."""
    if isinstance(term, list):
        return term if all(isinstance(each, bytes) for each in term) else None
    data = _data(term, "int64", 8)
    if data is not None:
        return [each for (each,) in struct.iter_unpack("<q", data)]
    data = _data(term, "uuid", _UUID_BYTES)
    if data is None:
        return None
    starts = range(0, len(data), _UUID_BYTES)
    return [_text(uuid.UUID(bytes=data[start : start + _UUID_BYTES])) for start in starts]


def scores_in(term: Any) -> list[float] | None:
    """The scores of the column `{float32, _}`; None for anything else."""
    data = _data(term, "float32", 4)
    return None if data is None else [each for (each,) in struct.iter_unpack("<f", data)]


_INTEGERS = {"int32": ("<i", 4), "uint8": ("<B", 1)}


def integers_in(term: Any, kind: str) -> list[int] | None:
    """The values of a column of that kind, `int32` or `uint8`; None for anything else."""
    layout, width = _INTEGERS[kind]
    data = _data(term, kind, width)
    return None if data is None else [each for (each,) in struct.iter_unpack(layout, data)]


def as_float32(value: float) -> float:
    """The nearest value of single precision."""
    (nearest,) = struct.unpack("<f", struct.pack("<f", value))
    return float(nearest)


def _data(term: Any, kind: str, width: int) -> bytes | None:
    """The bytes of a column of a kind, if they are whole values."""
    if not isinstance(term, tuple) or len(term) != 2 or not isinstance(term[0], Atom) or term[0] != kind:
        return None
    data = term[1]
    return data if isinstance(data, bytes) and len(data) % width == 0 else None


def _text(value: uuid.UUID) -> bytes:
    return str(value).encode()
