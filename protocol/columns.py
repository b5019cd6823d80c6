"""Ids and scores as arrays: read from the binaries that hosts send, laid out as the bytes of a reply.

A column is `{Kind, Binary}`, without padding: numbers little-endian, `uuid` 16 bytes each. A list of
`{Id, Score}` is written by numpy into the very bytes of External Term Format, a few array operations for all of it.

Ids are arrays of int64, or 'S<k>' of UTF-8 bytes without NUL, as a model's are.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from protocol.atoms import Atom
from protocol.etf import Laid, write
from protocol.refusal import defect

Ids: TypeAlias = NDArray[Any]
"""(n,) int64, or 'S<k>'."""

Numbers: TypeAlias = NDArray[Any]
"""(n,) int64 or float32."""

_UUID_BYTES, _UUID_CHARACTERS = 16, 36
_DASHES = (8, 13, 18, 23)
_DIGIT_PLACES = np.array([place for place in range(_UUID_CHARACTERS) if place not in _DASHES])
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_NO_DIGIT = 255
_NIBBLES = np.full(256, _NO_DIGIT, np.uint8)
_NIBBLES[_DIGITS] = np.arange(16)

_ITEM_BYTES = {"int64": 8, "uuid": _UUID_BYTES}
_NUMBERS: dict[str, np.dtype[Any]] = {"int64": np.dtype("<i8"), "float32": np.dtype("<f4")}
_INTEGERS = {np.dtype(np.int32): Atom("int32"), np.dtype(np.uint8): Atom("uint8")}


def read_ids(kind: str, raw: bytes) -> Ids:
    """The ids of a column: int64, or UUIDs as 'S36' text. Raises ValueError when the bytes are not whole ids."""
    if len(raw) % _ITEM_BYTES[kind]:
        raise ValueError(f"a multiple of {_ITEM_BYTES[kind]} bytes")
    return np.frombuffer(raw, "<i8").astype(np.int64, copy=False) if kind == "int64" else _uuid_texts(raw)


def read_numbers(kind: str, raw: bytes) -> Numbers:
    """The values of a column: int64 or float32, read-only. Raises ValueError when the bytes are not whole values."""
    dtype = _NUMBERS[kind]
    if len(raw) % dtype.itemsize:
        raise ValueError(f"a multiple of {dtype.itemsize} bytes")
    return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="), copy=False)


def first_outside(numbers: Numbers, least: float, most: float) -> int | None:
    """The place of the first number that is not from `least` to `most`, as NaN is not; None where all are."""
    inside = (numbers >= least) & (numbers <= most)
    return None if inside.all() else int(inside.argmin())


def id_column(ids: Ids) -> Any:
    """A term: the column `{int64, _}` or `{uuid, _}`, or a list of binaries where the ids are other texts."""
    if ids.dtype.kind == "i":
        return Atom("int64"), ids.astype("<i8", copy=False).tobytes()
    raw = _uuid_bytes(ids)
    return ids.tolist() if raw is None else (Atom("uuid"), raw)


def score_column(scores: NDArray[np.floating]) -> Any:
    """A term: the column `{float32, _}`."""
    return Atom("float32"), scores.astype("<f4", copy=False).tobytes()


def integer_column(values: NDArray[Any]) -> Any:
    """A term: the column `{int32, _}` or `{uint8, _}`, row by row, as the dtype says."""
    kind = _INTEGERS[values.dtype]
    return kind, values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _uuid_texts(raw: bytes) -> Ids:
    octets = np.frombuffer(raw, np.uint8).reshape(-1, _UUID_BYTES)
    texts = np.full((len(octets), _UUID_CHARACTERS), ord("-"), np.uint8)
    texts[:, _DIGIT_PLACES[0::2]] = _DIGITS[octets >> 4]
    texts[:, _DIGIT_PLACES[1::2]] = _DIGITS[octets & 15]
    return texts.view(f"S{_UUID_CHARACTERS}").reshape(-1)


def _uuid_bytes(ids: Ids) -> bytes | None:
    """The UUIDs as raw bytes; None unless every id is one in canonical form (lower case, with dashes)."""
    if ids.dtype.itemsize != _UUID_CHARACTERS:
        return None
    texts = _octets(ids)
    nibbles = _NIBBLES[texts[:, _DIGIT_PLACES]]
    if (texts[:, _DASHES] != ord("-")).any() or (nibbles == _NO_DIGIT).any():
        return None
    return (nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).tobytes()


def _octets(ids: Ids) -> NDArray[np.uint8]:
    """(n, k) the bytes of 'S<k>' ids, filled up with NUL."""
    return np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), ids.dtype.itemsize)


Write: TypeAlias = Callable[[bytes], object]

_FEW = 16
"""Below this a loop over the pairs is done before numpy has begun."""


class Pairs(Laid):
    """A list of `{Id, Score}`.

    Args:
        ids: (n,) int64 or 'S<k>'.
        scores: (n,) float32 or float64, finite.
    """

    __slots__ = ("ids", "scores")

    def __init__(self, ids: Ids, scores: NDArray[np.floating]) -> None:
        self.ids = ids
        self.scores = scores

    def write(self, out: Write) -> None:
        """As External Term Format."""
        few = len(self.ids) < _FEW
        _write_list(out, len(self.ids), (_joined_pairs if few else _laid_pairs)(self.ids, self.scores)[0])

    def term(self) -> Any:
        """As (id, score) tuples; ids that are text are `str`, as a worker's texts are."""
        ids = self.ids.tolist()
        if self.ids.dtype.kind == "S":
            ids = [text.decode() for text in ids]
        return list(zip(ids, self.scores.tolist(), strict=True))


class PairLists(Laid):
    """A list of lists of `{Id, Score}`, all of the same length.

    Args:
        ids: (b, n) int64 or 'S<k>'.
        scores: (b, n) float32 or float64, finite.
    """

    __slots__ = ("ids", "scores")

    def __init__(self, ids: Ids, scores: NDArray[np.floating]) -> None:
        self.ids = ids
        self.scores = scores

    def write(self, out: Write) -> None:
        """As External Term Format."""
        lists, pairs = self.ids.shape
        layout = _fixed_layout(self.ids, pairs) if self.ids.size else None
        if layout is None:
            parts: list[bytes] = []
            for part in self._parts():
                part.write(parts.append)
            _write_list(out, lists, b"".join(parts))
            return
        rows = _blank(layout, lists)
        _put(rows["pairs"], layout, self.ids, self.scores)
        _write_list(out, lists, rows.tobytes())

    def term(self) -> Any:
        """As lists of (id, score) tuples."""
        return [part.term() for part in self._parts()]

    def _parts(self) -> list[Pairs]:
        return [Pairs(ids, scores) for ids, scores in zip(self.ids, self.scores, strict=True)]


def pair_batch(parts: Sequence[tuple[Ids, NDArray[np.floating]]]) -> list[Laid]:
    """For each (ids, scores) its list of `{Id, Score}`; all of them are laid out in one go, when the first is written.

    The ids of all parts have one dtype.
    """
    if len(parts) < 2:
        return [Pairs(*part) for part in parts]
    batch = _Batch(np.concatenate([ids for ids, _ in parts]), np.concatenate([scores for _, scores in parts]))
    ends = np.cumsum([len(ids) for ids, _ in parts]).tolist()
    return [_Part(batch, start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


class _Batch:
    def __init__(self, ids: Ids, scores: NDArray[np.floating]) -> None:
        self.pairs = Pairs(ids, scores)
        self._laid: tuple[bytes, Sequence[int]] | None = None

    def between(self, start: int, end: int) -> bytes:
        if self._laid is None:
            self._laid = _laid_pairs(self.pairs.ids, self.pairs.scores)
        octets, starts = self._laid
        return octets[starts[start] : starts[end]]


class _Part(Laid):
    """One list of a batch."""

    __slots__ = ("_batch", "_end", "_start")

    def __init__(self, batch: _Batch, start: int, end: int) -> None:
        self._batch = batch
        self._start = start
        self._end = end

    def write(self, out: Write) -> None:
        _write_list(out, self._end - self._start, self._batch.between(self._start, self._end))

    def term(self) -> Any:
        part = slice(self._start, self._end)
        return Pairs(self._batch.pairs.ids[part], self._batch.pairs.scores[part]).term()


def _write_list(out: Write, count: int, elements: bytes) -> None:
    if count:
        out(_list_head(count))
        out(elements)
    out(_NIL)


def _list_head(count: int) -> bytes:
    return _pack_list_head(0x6C, count)


_pack_list_head = struct.Struct(">BI").pack


_NIL = b"\x6a"


def _joined_pairs(ids: Ids, scores: NDArray[np.floating]) -> tuple[bytes, None]:
    """The bytes of all pairs, one by one."""
    numbers = scores.tolist()
    if not math.isfinite(sum(numbers)):
        raise defect("a score that is not finite")
    if ids.dtype.kind == "S":
        pairs = zip(ids.tolist(), numbers, strict=True)
        return b"".join([_TEXT_HEADS[len(text)] + text + _pack_score(_NEW_FLOAT, score) for text, score in pairs]), None
    if _fixed_layout(ids) == _SMALL_IDS:
        return b"".join(map(_pack_pair, repeat(_PAIR_HEADS["int32"]), ids.tolist(), repeat(_NEW_FLOAT), numbers)), None
    parts: list[bytes] = []
    write(parts.append, zip(ids.tolist(), numbers, strict=True))
    return b"".join(parts), None


def _laid_pairs(ids: Ids, scores: NDArray[np.floating]) -> tuple[bytes, Sequence[int]]:
    """The bytes of all pairs, and where each of them starts, with the end of the last behind."""
    layout = _fixed_layout(ids)
    if layout is None:
        return _ragged(ids, scores)
    pairs = _blank(layout, len(ids))
    _put(pairs, layout, ids, scores)
    return pairs.tobytes(), range(0, pairs.nbytes + 1, pairs.itemsize)


class _Layout(NamedTuple):
    """How the bytes of one element lie: a pair, or a list of `pairs` pairs where that is above 0."""

    id_kind: str
    id_bytes: int
    pairs: int


_PAIR_HEADS = {"int32": b"\x68\x02\x62", "int64": b"\x68\x02\x6e\x08", "text": b"\x68\x02\x6d"}
"""SMALL_TUPLE_EXT of 2, then INTEGER_EXT, SMALL_BIG_EXT of 8 bytes, or BINARY_EXT, whose length follows."""

_NEW_FLOAT = 70
_TEXT_HEADS = [_PAIR_HEADS["text"] + size.to_bytes(4, "big") for size in range(256)]
_SMALL_IDS = _Layout("int32", 4, 0)
_pack_pair = struct.Struct(">3siBd").pack
_pack_score = struct.Struct(">Bd").pack


def _fixed_layout(ids: Ids, pairs: int = 0) -> _Layout | None:
    """The layout when all ids take the same number of bytes; else None. There must be an id where `pairs` is not 0."""
    if ids.dtype.kind == "i":
        fits = not ids.size or (ids.min() >= -(2**31) and ids.max() < 2**31)
        return _Layout("int32", 4, pairs) if fits else _Layout("int64", 8, pairs)
    texts = _octets(ids.reshape(-1))
    return _Layout("text", ids.dtype.itemsize, pairs) if texts[:, -1].all() else None


def _dtype(layout: _Layout) -> np.dtype[np.void]:
    head = ("head", f"V{len(_pair_head(layout))}")
    fields = {
        "int32": [head, ("id", "u4")],
        "int64": [head, ("sign", "u1"), ("id", "u8")],
        "text": [head, ("id", f"S{layout.id_bytes}")],
    }[layout.id_kind]
    pair = np.dtype([*fields, ("tag", "u1"), ("score", "u8")])
    return np.dtype([("head", "V5"), ("pairs", pair, (layout.pairs,)), ("end", "V1")]) if layout.pairs else pair


def _pair_head(layout: _Layout) -> bytes:
    head = _PAIR_HEADS[layout.id_kind]
    return head + layout.id_bytes.to_bytes(4, "big") if layout.id_kind == "text" else head


def _blank(layout: _Layout, rows: int) -> NDArray[np.void]:
    """Elements whose constant bytes are there already. The next call may return the same memory."""
    if rows * max(layout.pairs, 1) > _KEPT_PAIRS:
        return _made_blank(layout, rows)
    return _kept_blank(layout, max(64, 1 << (rows - 1).bit_length()))[:rows]


_KEPT_PAIRS = 16_384


def _made_blank(layout: _Layout, rows: int) -> NDArray[np.void]:
    blank = np.zeros(rows, _dtype(layout))
    pairs = blank
    if layout.pairs:
        blank["head"] = np.void(_list_head(layout.pairs))
        blank["end"] = np.void(_NIL)
        pairs = blank["pairs"]
    pairs["head"] = np.void(_pair_head(layout))
    pairs["tag"] = _NEW_FLOAT
    return blank


_kept_blank = lru_cache(maxsize=8)(_made_blank)


def _put(pairs: NDArray[np.void], layout: _Layout, ids: Ids, scores: NDArray[np.floating]) -> None:
    """Write what differs. Cast first and then copied as raw words: numpy casts into strided memory slowly."""
    if not np.isfinite(scores).all():
        raise defect("a score that is not finite")
    if layout.id_kind == "int32":
        pairs["id"] = ids.astype(">i4").view("u4")
    elif layout.id_kind == "int64":
        pairs["sign"] = ids < 0
        # The magnitude of -2**63 has the bits of -2**63.
        pairs["id"] = np.abs(ids).astype("<i8", copy=False).view("u8")
    else:
        pairs["id"] = ids
    pairs["score"] = scores.astype(">f8").view("u8")


def _ragged(ids: Ids, scores: NDArray[np.floating]) -> tuple[bytes, Sequence[int]]:
    """Texts of different lengths: laid out at the width of the longest, then without what they do not fill."""
    width = ids.dtype.itemsize
    layout = _Layout("text", width, 0)
    pairs = _made_blank(layout, len(ids))
    _put(pairs, layout, ids, scores)
    lengths = np.count_nonzero(_octets(ids), axis=1)
    octets = pairs.view(np.uint8).reshape(len(ids), pairs.itemsize)
    octets[:, 3:7] = lengths.astype(">u4").view(np.uint8).reshape(-1, 4)
    kept = np.ones(octets.shape, np.bool_)
    kept[:, 7 : 7 + width] = np.arange(width) < lengths[:, None]
    ends = np.cumsum(lengths + (pairs.itemsize - width))
    return octets[kept].tobytes(), [0, *ends.tolist()]
