"""Columns of a reply, as lists; and what is in it for each user."""

from __future__ import annotations

import struct
import uuid
from typing import Any, NamedTuple

from protocol.atoms import Atom

_FORMATS = {"int64": "q", "int32": "i", "uint8": "B", "float32": "f"}


def values(column: Any) -> list[Any]:
    """The numbers, or the UUIDs as text, of a column; a list as it is."""
    if isinstance(column, list):
        return column
    kind, raw = column
    if kind == "uuid":
        return [str(uuid.UUID(bytes=raw[start : start + 16])) for start in range(0, len(raw), 16)]
    code = _FORMATS[kind]
    return list(struct.unpack(f"<{len(raw) // struct.calcsize(code)}{code}", raw))


def uuids(ids: list[str]) -> Any:
    """A column of them."""
    return Atom("uuid"), b"".join(uuid.UUID(one).bytes for one in ids)


class One(NamedTuple):
    """What one user of `recommend_many` gets."""

    ids: list[str]
    scores: list[float]
    source: str


def each_user(result: Any) -> list[One]:
    """The rows of a `recommend_many`, without what stands for no item; -1 and 0.0 are all that follows one such."""
    ids, n = values(result["ids"]), result["n"]
    assert len(set(ids)) == len(ids)
    places, scores, sources = (values(result[name]) for name in ("items", "scores", "sources"))
    assert len(places) == len(scores) == n * len(sources)
    assert set(places) - {-1} == set(range(len(ids)))
    return [
        _one(ids, places[row * n : row * n + n], scores[row * n : row * n + n], result["source_names"][source])
        for row, source in enumerate(sources)
    ]


def _one(ids: list[Any], places: list[int], scores: list[float], source: str) -> One:
    count = len(places) if -1 not in places else places.index(-1)
    assert places[count:] == [-1] * (len(places) - count)
    assert scores[count:] == [0.0] * (len(places) - count)
    return One([ids[place] for place in places[:count]], scores[:count], source)
