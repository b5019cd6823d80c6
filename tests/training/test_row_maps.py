"""Rows go with their ids: what is known keeps its own, what is new keeps what the seed gave it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.training.row_maps import carried, of_features, of_ids

ids = st.lists(st.integers(-50, 50), min_size=1, max_size=30, unique=True).map(sorted)


def table(rows: int, start: float) -> NDArray[np.float32]:
    return start + np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)


@given(ids, ids, st.booleans())
def test_known_rows_are_carried_and_new_ones_stay(old: list[int], new: list[int], padded: bool) -> None:
    before, fresh = table(len(old) + padded, 0.0), table(len(new) + padded, 1000.0)
    found = carried(before, fresh, of_ids(np.array(old), np.array(new)))
    for row, each in enumerate(new):
        expected = before[old.index(each)] if each in old else fresh[row]
        assert found[row].tolist() == expected.tolist()
    if padded:
        assert found[-1].tolist() == before[-1].tolist()
    assert fresh.tolist() == table(len(new) + padded, 1000.0).tolist()


def test_text_of_any_width_is_the_same_id() -> None:
    rows = of_ids(np.array([b"a", b"b"]), np.array([b"a", b"aardvark", b"b"]))
    assert (rows.old.tolist(), rows.new.tolist()) == ([0, 1], [0, 2])


def test_ids_of_another_type_are_nobody_known() -> None:
    rows = of_ids(np.array([1, 2]), np.array([b"1", b"2"]))
    assert (len(rows.old), len(rows.new), rows.old_size, rows.new_size) == (0, 0, 2, 2)


def test_what_is_nobody_s_is_carried_whole() -> None:
    assert carried(table(3, 0.0), table(3, 9.0), None).tolist() == table(3, 0.0).tolist()


@pytest.mark.parametrize(("rows", "width"), [(3, 2), (5, 2), (4, 3)])
def test_other_shapes_are_refused(rows: int, width: int) -> None:
    old = np.zeros((rows, width), dtype=np.float32)
    known = np.arange(4)
    with pytest.raises(ValueError, match=r"expected shape \(4, 2\), found"):
        carried(old, table(4, 0.0), of_ids(known, known))
    with pytest.raises(ValueError, match=r"expected shape \(4, 2\), found"):
        carried(old, table(4, 0.0), None)


def facts(platforms: dict[str, int], unknown: int, size: int) -> dict[str, Any]:
    feature = {"name": "platform", "field": 0, "indices": platforms, "unknown": unknown, "unknown_learnt": False}
    return {"sparse_size": size, "user": {"sparse": [feature], "dense": []}, "item": {"sparse": [], "dense": []}}


def test_values_of_a_feature_keep_their_rows_when_one_comes_between() -> None:
    old = facts({"desktop": 0, "quest": 1}, 2, 3)
    new = facts({"desktop": 0, "mobile": 1, "quest": 2}, 3, 4)
    found = carried(table(3, 0.0), table(4, 1000.0), of_features(old, new))
    assert found[:, 0].tolist() == [0.0, 1002.0, 2.0, 4.0]
