from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.store.catalogue import CatalogueArrays, by_popularity
from port_worker.store.errors import ModelRefused
from tests.models import catalogue_arrays


def test_users_without_any_item_are_kept(tmp_path: Path) -> None:
    catalogue_arrays([1, 2], ["a"], [[], []]).write(tmp_path)
    assert CatalogueArrays.open(tmp_path).consumed_items.size == 0


@pytest.mark.parametrize("consumed", [[[], [2, 0, 1]], [[2, 0, 1], []], [[1, 0], [1, 0]]])
def test_each_user_has_an_order_of_their_own(tmp_path: Path, consumed: list[list[int]]) -> None:
    catalogue_arrays([1, 2], [1, 2, 3], consumed).write(tmp_path)
    assert CatalogueArrays.open(tmp_path).consumed_items.tolist() == [row for some in consumed for row in some]


def test_the_most_popular_come_first_and_equals_in_order() -> None:
    assert by_popularity(np.array([1, 3, 0, 3])).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("user_ids", np.array([9, -4]), "strictly ascending"),
        ("user_ids", np.array([9, 9]), "strictly ascending"),
        ("user_ids", np.array([1.0, 2.0]), "int64 or bytes"),
        ("user_ids", np.array([1, 2], dtype=np.int32), "int64 or bytes"),
        ("user_ids", np.array([1, 2], dtype=">i8"), "int64 or bytes"),
        ("user_ids", np.array(["a", "b"], dtype=object), "int64 or bytes"),
        ("user_ids", np.array([[1, 2]]), "1 dimension"),
        ("item_ids", np.array([b"", b"a", b"b"]), "at least one character"),
        ("item_ids", np.array([b"a", b"b", b"\xff"]), "UTF-8"),
        ("consumed_indptr", np.array([0, 3]), r"shape \(3,\)"),
        ("consumed_indptr", np.array([1, 2, 3]), "a range from 0 to 3"),
        ("consumed_indptr", np.array([0, 2, 4]), "a range from 0 to 3"),
        ("consumed_items", np.array([0, 0, 1], dtype=np.int32), "each user's items once"),
        ("consumed_items", np.array([0, 3, 1], dtype=np.int32), "rows 0 to 2"),
        ("consumed_items", np.array([-1, 0, 1], dtype=np.int32), "rows 0 to 2"),
        ("consumed_weights", np.array([1, np.nan, 1], dtype=np.float32), "finite numbers"),
        ("consumed_weights", np.array([1, 1], dtype=np.float32), r"shape \(3,\)"),
        ("item_popularity", np.array([1, -1, 1]), "counts"),
        ("popular_items", np.array([2, 1, 0], dtype=np.int32), "descending popularity"),
        ("popular_items", np.array([0, 1], dtype=np.int32), r"shape \(3,\)"),
        ("item_kinds", np.array([0, 1], dtype=np.uint8), r"shape \(3,\)"),
    ],
)
def test_what_cannot_be_served_is_refused(
    catalogue: CatalogueArrays, tmp_path: Path, name: str, value: NDArray[Any], message: str
) -> None:
    broken = replace(catalogue, **{name: value})
    with pytest.raises(ModelRefused, match=message) as refused:
        broken.write(tmp_path)
    assert f"{refused.value.details['array']}.npy" in CatalogueArrays.files()
    assert list(tmp_path.iterdir()) == []


def test_descending_offsets_are_refused(catalogue: CatalogueArrays, tmp_path: Path) -> None:
    broken = replace(catalogue, user_ids=np.array([1, 2, 3]), consumed_indptr=np.array([0, 2, 1, 3]))
    with pytest.raises(ModelRefused, match="ascending offsets"):
        broken.write(tmp_path)


def test_no_users_at_all_are_refused(tmp_path: Path) -> None:
    empty = replace(catalogue_arrays([1], [1]), user_ids=np.zeros(0, dtype=np.int64), consumed_indptr=np.zeros(1, int))
    with pytest.raises(ModelRefused, match="at least one user"):
        empty.write(tmp_path)
