from __future__ import annotations

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.serving.ids import IdIndex

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
ANY = st.one_of(st.integers(), st.text(), st.booleans(), st.floats(), st.none(), st.binary())


def _strings(ids: set[str]) -> IdIndex:
    return IdIndex(np.array(sorted(text.encode() for text in ids)))


@given(st.sets(INT64, min_size=1), ANY)
def test_integers_are_found_and_nothing_else_is(ids: set[int], other: object) -> None:
    index = IdIndex(np.array(sorted(ids), dtype=np.int64))
    rows = [index.lookup(wanted) for wanted in sorted(ids)]
    assert rows == list(range(len(ids)))
    assert index.ids(np.arange(len(ids))) == sorted(ids)
    assert (index.lookup(other) is not None) == (type(other) is int and other in ids)
    assert (len(index), index.id_type) == (len(ids), "integer")


@given(st.sets(TEXT, min_size=1), ANY)
def test_strings_are_found_and_nothing_else_is(ids: set[str], other: object) -> None:
    index = _strings(ids)
    found = [index.lookup(wanted) for wanted in ids]
    assert sorted(row for row in found if row is not None) == list(range(len(ids)))
    rows = np.array(found, dtype=np.intp)
    assert index.ids(rows) == list(ids)
    assert (index.lookup(other) is not None) == (type(other) is str and other in ids)
    assert (len(index), index.id_type) == (len(ids), "string")


@given(st.sets(TEXT, min_size=1), TEXT)
def test_what_is_longer_or_shorter_than_an_id_is_another(ids: set[str], more: str) -> None:
    index = _strings(ids)
    for text in ids:
        for other in (text + more, text[:-1], text + "\0", "\0" + text):
            assert (index.lookup(other) is not None) == (other in ids)


def test_uuids() -> None:
    ids = {str(uuid.UUID(int=number * 7919**9)) for number in range(1_000)}
    index = _strings(ids)
    assert index.ids(np.array([index.lookup(text) for text in sorted(ids)])) == sorted(ids)
    assert index.lookup(str(uuid.UUID(int=5))) is None


@pytest.mark.parametrize("wanted", [True, False, 1.0, np.int64(1), "1", b"1", None, 2**63, -(2**63) - 1, 2**200])
def test_another_type_is_another_id(wanted: object) -> None:
    assert IdIndex(np.array([0, 1, 2])).lookup(wanted) is None


@pytest.mark.parametrize("wanted", [1, True, b"1", None, "", "\0", "1\0", "\ud800", "11", "2\0", "\x002"])
def test_text_that_is_no_id(wanted: object) -> None:
    assert IdIndex(np.array([b"1", b"2", b"longer"])).lookup(wanted) is None


SOME_TEXTS = ["", "\0", "1", "1\0", "\x002", "2", "longer", "longer than any", "\ud800"]


@pytest.mark.parametrize("ids", [np.array([-5, 0, 1, 2]), np.array([b"1", b"2", b"longer"])])
@given(wanted=st.lists(ANY | st.integers(-6, 3) | st.sampled_from(SOME_TEXTS), max_size=12))
def test_many_are_found_as_one_by_one(ids: np.ndarray[tuple[int], np.dtype[np.int64]], wanted: list[object]) -> None:
    index = IdIndex(ids)
    many = wanted * 9
    expected = [-1 if (row := index.lookup(one)) is None else row for one in many]
    assert index.places(many).tolist() == expected
    assert index.places(wanted).tolist() == expected[: len(wanted)]
    assert index.rows(many).tolist() == [row for row in expected if row >= 0]
