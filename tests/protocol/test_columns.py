"""Columns, and lists of pairs laid out by numpy: the same terms as those that are written one by one."""

from __future__ import annotations

import struct
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from protocol.atoms import Atom
from protocol.columns import (
    PairLists,
    Pairs,
    first_outside,
    id_column,
    integer_column,
    pair_batch,
    read_ids,
    read_numbers,
    score_column,
)
from protocol.errors import ProtocolError
from protocol.etf import decode, encode

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
UUIDS = st.uuids().map(str)
SCORES = st.floats(allow_nan=False, allow_infinity=False, width=32)
LISTS = st.one_of(*(st.lists(st.tuples(ids, SCORES), max_size=40) for ids in (INT32, INT64, TEXT, UUIDS)))


def arrays(pairs: list[tuple[Any, float]]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    ids = [one for one, _ in pairs]
    texts = bool(ids) and isinstance(ids[0], str)
    column = np.array([text.encode() for text in ids]) if texts else np.array(ids, dtype=np.int64)
    return column, np.array([score for _, score in pairs], dtype=np.float32)


def plainly(pairs: list[tuple[Any, float]]) -> Any:
    """What a host decodes from the same pairs, written one by one."""
    return decode(encode([(one, float(np.float32(score))) for one, score in pairs]))


@given(LISTS)
def test_pairs_are_what_the_plain_writer_writes(pairs: list[tuple[Any, float]]) -> None:
    laid = Pairs(*arrays(pairs))
    assert decode(encode(laid)) == plainly(pairs)
    assert decode(encode(laid.term())) == plainly(pairs)


@given(st.lists(st.lists(st.tuples(INT64, SCORES), max_size=30), max_size=5))
def test_a_batch_of_integer_ids_is_each_of_its_parts(parts: list[list[tuple[int, float]]]) -> None:
    laid = pair_batch([arrays(part) for part in parts])
    assert decode(encode(laid)) == [plainly(part) for part in parts]
    assert [decode(encode(part.term())) for part in laid] == [plainly(part) for part in parts]


@given(st.lists(st.lists(st.tuples(TEXT, SCORES), min_size=1, max_size=30), min_size=1, max_size=5))
def test_a_batch_of_texts_is_each_of_its_parts(parts: list[list[tuple[str, float]]]) -> None:
    width = max(len(text.encode()) for part in parts for text, _ in part)
    columns = [(ids.astype(f"S{width}"), scores) for ids, scores in map(arrays, parts)]
    assert decode(encode(pair_batch(columns))) == [plainly(part) for part in parts]


@pytest.mark.parametrize("first", [0, 2**31, -(2**63)])
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1000, 10), (30, 300), (0, 5), (5, 0), (0, 0)])
def test_lists_of_pairs(shape: tuple[int, int], first: int) -> None:
    ids = first + np.arange(shape[0] * shape[1], dtype=np.int64).reshape(shape)
    scores = np.linspace(-1, 1, ids.size, dtype=np.float32).reshape(shape)
    laid = PairLists(ids, scores)
    expected = [list(zip(*row, strict=True)) for row in zip(ids.tolist(), scores.tolist(), strict=True)]
    assert decode(encode(laid)) == expected
    assert laid.term() == expected


@pytest.mark.parametrize("lengths", [[36] * 60, [1, 2, 36, 7] * 15])
def test_lists_of_pairs_with_texts(lengths: list[int]) -> None:
    texts = [f"{number:x}".ljust(length, "x")[:length].encode() for number, length in enumerate(lengths)]
    ids, scores = np.array(texts).reshape(3, 20), np.arange(60.0).reshape(3, 20)
    expected = [list(zip(*row, strict=True)) for row in zip(ids.tolist(), scores.tolist(), strict=True)]
    assert decode(encode(PairLists(ids, scores))) == expected


def test_what_was_laid_out_first_is_not_changed_by_the_next() -> None:
    ids, scores = np.arange(50), np.zeros(50)
    first = encode(Pairs(ids, scores))
    encode(Pairs(ids + 7, scores + 1))
    assert first == encode(Pairs(ids, scores))


@pytest.mark.parametrize("count", [2, 100])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_a_defect(count: int, bad: float) -> None:
    scores = np.zeros(count)
    scores[-1] = bad
    for laid in (Pairs(np.arange(count), scores), PairLists(np.arange(count)[None], scores[None])):
        with pytest.raises(ProtocolError, match="expected one that the protocol sends") as error:
            encode(laid)
        assert error.value.code == "internal"


@given(st.lists(INT64))
def test_a_column_of_integers_is_what_struct_packs(ids: list[int]) -> None:
    raw = struct.pack(f"<{len(ids)}q", *ids)
    assert read_ids("int64", raw).tolist() == ids
    assert id_column(np.array(ids, dtype=np.int64)) == (Atom("int64"), raw)


@given(st.lists(st.uuids(), min_size=1))
def test_a_column_of_uuids_is_their_bytes(ids: list[uuid.UUID]) -> None:
    raw = b"".join(one.bytes for one in ids)
    texts = read_ids("uuid", raw)
    assert [text.decode() for text in texts.tolist()] == [str(one) for one in ids]
    assert id_column(texts) == (Atom("uuid"), raw)


@pytest.mark.parametrize(
    "other",
    [b"00112233-4455-6677-8899-AABBCCDDEEFF", b"00112233_4455_6677_8899_aabbccddeeff", b"short", b"x" * 36, b"x" * 40],
)
def test_ids_that_are_not_all_uuids_stay_texts(other: bytes) -> None:
    ids = [b"00112233-4455-6677-8899-aabbccddeeff", other]
    assert id_column(np.array(ids)) == ids


def test_a_column_of_scores_is_what_struct_packs() -> None:
    assert score_column(np.array([0.5, -1.25])) == (Atom("float32"), struct.pack("<2f", 0.5, -1.25))


@pytest.mark.parametrize(("kind", "size"), [("int64", 8), ("uuid", 16)])
def test_a_column_has_whole_values(kind: str, size: int) -> None:
    assert len(read_ids(kind, b"")) == 0
    for extra in range(1, size):
        with pytest.raises(ValueError, match=f"a multiple of {size} bytes"):
            read_ids(kind, bytes(size + extra))


@pytest.mark.parametrize(("kind", "dtype"), [("int32", np.int32), ("uint8", np.uint8)])
def test_integers_are_sent_little_endian_row_by_row(kind: str, dtype: type[np.integer[Any]]) -> None:
    values = np.array([[1, 2, 3], [250, 5, 6]], dtype=dtype)
    term = (Atom(kind), values.astype(np.dtype(dtype).newbyteorder("<")).tobytes())
    assert integer_column(values) == term
    assert integer_column(np.asfortranarray(values)) == term
    assert decode(encode(integer_column(values))) == term


@pytest.mark.parametrize(("kind", "dtype"), [("int64", "<i8"), ("float32", "<f4")])
def test_numbers_are_read_as_they_were_written(kind: str, dtype: str) -> None:
    values = np.array([1, -2, 3], dtype=dtype)
    read = read_numbers(kind, values.tobytes())
    assert (read.dtype, read.tolist()) == (np.dtype(dtype), values.tolist())
    assert read_numbers(kind, b"").tolist() == []
    with pytest.raises(ValueError, match=f"a multiple of {values.itemsize} bytes"):
        read_numbers(kind, values.tobytes()[1:])


def test_the_first_number_outside_is_found_nan_too() -> None:
    assert first_outside(np.array([0, 5, 10]), 0, 10) is None
    assert first_outside(np.array([0, 11, -1]), 0, 10) == 1
    assert first_outside(np.array([1.0, np.nan, np.inf], dtype=np.float32), 0, 10) == 1
    assert first_outside(np.array([]), 0, 10) is None
