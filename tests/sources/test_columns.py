from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.sources.columns import (
    MAX_ID_BYTES,
    TEXT_RULES,
    TYPED_RULES,
    IdArray,
    IdColumn,
    Interactions,
    Rule,
    Rules,
    id_of,
    key_of,
)

NUMBERLIKE = st.sampled_from(
    ["1", "-3", "2.5", "1e3", "nan", "inf", "1_0", " 4 ", "", "x", "1e400", "1e39", "٣", "\udcff"]
)
TEXTS = st.one_of(NUMBERLIKE, st.text(st.characters(), max_size=5), st.integers().map(str))
VALUES = st.one_of(TEXTS, st.integers(), st.floats(), st.none(), st.booleans(), st.binary(max_size=3))


def rules_of(rules: Rules) -> list[Rule]:
    return [rules.integer_id, rules.text_id, rules.weight, rules.time]


@pytest.mark.parametrize("rule", rules_of(TEXT_RULES))
@given(values=st.lists(TEXTS, min_size=1, max_size=6))
def test_a_column_of_text_is_refused_exactly_if_one_of_its_values_is(rule: Rule, values: list[str]) -> None:
    assert refused(rule, values) == (rule.first_refused(values) is not None)


@pytest.mark.parametrize("rule", rules_of(TYPED_RULES))
@given(values=st.lists(VALUES, min_size=1, max_size=6))
def test_a_typed_column_is_refused_exactly_if_one_of_its_values_is(rule: Rule, values: list[object]) -> None:
    assert refused(rule, values) == (rule.first_refused(values) is not None)


def refused(rule: Rule, values: list[object] | list[str]) -> bool:
    try:
        rule.convert(values)
    except (ValueError, TypeError, OverflowError):
        return True
    return False


@pytest.mark.parametrize("text", ["0", "7", "-7", str(2**63 - 1), str(-(2**63))])
def test_canonical_integers_of_64_bits_are_integer_ids(text: str) -> None:
    assert TEXT_RULES.id_rule(text).convert([text]).tolist() == [int(text)]


@pytest.mark.parametrize("text", ["007", "+7", "-0", "1_000", " 7", "7.0", "٣", str(2**63), "9" * 200])
def test_other_writings_of_numbers_are_text_ids(text: str) -> None:
    assert TEXT_RULES.id_rule(text).convert([text]).tolist() == [text.encode()]


@pytest.mark.parametrize("text", ["", "a\0b", "\udcff", "x" * (MAX_ID_BYTES + 1), "é" * 128])
def test_text_that_is_no_id(text: str) -> None:
    assert not TEXT_RULES.text_id.accepts(text)


def test_the_longest_id_is_kept_whole() -> None:
    longest = "é" * 127 + "x"
    assert id_of(TEXT_RULES.text_id.convert([longest])[0]) == longest


@pytest.mark.parametrize("text", ["", "five", "nan", "inf", "-inf", "1_0", "٣", "1e39", "0x10", "1,5"])
def test_text_that_is_no_weight(text: str) -> None:
    assert not TEXT_RULES.weight.accepts(text)


@pytest.mark.parametrize("text", ["", "today", "2025-01-01", "nan", str(2**53), str(-(2**53))])
def test_text_that_is_no_time(text: str) -> None:
    assert not TEXT_RULES.time.accepts(text)


def test_times_are_whole_seconds() -> None:
    assert TEXT_RULES.time.convert(["12", "12.9", "-0.5", "1e3"]).tolist() == [12, 12, -1, 1000]


@pytest.mark.parametrize("value", [True, None, "1", b"1", 2**63])
def test_typed_values_that_are_no_integer_id(value: object) -> None:
    assert not TYPED_RULES.integer_id.accepts(value)


def test_keys_find_only_ids_of_their_own_type() -> None:
    numbers: IdArray = np.array([1, 2], dtype=np.int64)
    texts: IdArray = np.array([b"1", b"ab"])
    assert [key_of(numbers, value) for value in (2, "2", True, 2**63)] == [2, None, None, None]
    assert [key_of(texts, value) for value in ("ab", 1, "ab\0", "\udcff")] == [b"ab", None, None, None]


def test_a_column_writes_each_id_once() -> None:
    column = IdColumn.of(np.array([b"b", b"a", b"b"]))
    assert (column.ids.tolist(), column.codes.tolist(), column.counts.tolist()) == ([b"a", b"b"], [1, 0, 1], [1, 2])
    assert (column.values.tolist(), len(column)) == ([b"b", b"a", b"b"], 3)
    assert column.codes.dtype == np.int32


def test_some_rows_know_only_their_own_ids() -> None:
    users, items = IdColumn.of(np.array([3, 1, 2, 1])), IdColumn.of(np.array([b"x", b"y", b"x", b"z"]))
    data = Interactions(users, items, np.arange(4, dtype=np.float32), np.arange(4) * 10, skipped=2)
    some = data.at(np.array([True, False, False, True]))
    assert (some.users.ids.tolist(), some.users.codes.tolist()) == ([1, 3], [1, 0])
    assert (some.items.values.tolist(), some.items.ids.tolist()) == ([b"x", b"z"], [b"x", b"z"])
    assert (some.weights.tolist(), some.times.tolist(), some.skipped) == ([0, 3], [0, 30], 2)
    assert data.at(np.array([3, 0])).users.values.tolist() == [1, 3]
