from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.store.errors import ModelDamaged, ModelRefused
from port_worker.store.neighbourhood import NeighbourhoodArrays, NeighbourhoodFacts


def ints(*values: int) -> NDArray[np.int32]:
    return np.array(values, dtype=np.int32)


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


@pytest.fixture
def of_items() -> NeighbourhoodArrays:
    """Three items: the first two are alike, the third like nothing."""
    return NeighbourhoodArrays(
        neighbours=np.array([[1, 0], [0, 0], [0, 0]], dtype=np.int32),
        similarities=np.array([[0.5, 0], [0.5, 0], [0, 0]], dtype=np.float32),
        alike_indptr=np.array([0, 1, 2, 2]),
        alike_items=ints(1, 0),
        alike_similarities=floats(0.5, 0.5),
        item_users_indptr=np.zeros(4, dtype=np.int64),
        item_users=ints(),
        user_sizes=ints(),
    )


@pytest.fixture
def of_users(of_items: NeighbourhoodArrays) -> NeighbourhoodArrays:
    """Two users: the first has the first two items, the second the second."""
    return replace(
        of_items,
        neighbours=np.array([[1], [0]], dtype=np.int32),
        similarities=np.array([[0.7], [0.7]], dtype=np.float32),
        item_users_indptr=np.array([0, 1, 3, 3]),
        item_users=ints(0, 0, 1),
        user_sizes=ints(2, 1),
    )


@pytest.mark.parametrize("basis", ["of_items", "of_users"])
def test_what_was_written_is_opened(basis: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    arrays: NeighbourhoodArrays = request.getfixturevalue(basis)
    arrays.write(tmp_path)
    opened = NeighbourhoodArrays.open(tmp_path)
    for field in fields(NeighbourhoodArrays):
        assert getattr(opened, field.name).tolist() == getattr(arrays, field.name).tolist()
    assert opened.of_users is (basis == "of_users")
    assert opened.items == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NeighbourhoodArrays.files())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("neighbours", np.zeros((2, 1)), "int32"),
        ("neighbours", ints(1, 0), "2 dimension"),
        ("neighbours", np.zeros((2, 0), dtype=np.int32), "at least one"),
        ("neighbours", np.zeros((3, 1), dtype=np.int32), r"shape \(3, 1\)"),
        ("neighbours", np.array([[2], [0]], dtype=np.int32), "rows 0 to 1"),
        ("neighbours", np.array([[-1], [0]], dtype=np.int32), "rows 0 to 1"),
        ("similarities", np.ones((2, 2), dtype=np.float32), r"shape \(2, 1\)"),
        ("similarities", np.array([[np.nan], [0]], dtype=np.float32), "finite"),
        ("similarities", np.array([[-0.5], [0]], dtype=np.float32), "0 and above"),
        ("similarities", np.full((2, 1), 2e38, dtype=np.float32), "within float32"),
        ("alike_indptr", np.array([0, 1, 2]), r"shape \(3,\)"),
        ("alike_indptr", np.array([0, 1, 2, 3]), "a range from 0 to 2"),
        ("alike_indptr", np.array([0, 2, 1, 2]), "ascending offsets"),
        ("alike_items", ints(1, 3), "rows 0 to 2"),
        ("alike_similarities", floats(0.5), r"shape \(2,\)"),
        ("alike_similarities", floats(0.5, np.inf), "finite"),
        ("item_users_indptr", np.array([0, 3, 3, 2]), "a range from 0 to 3"),
        ("item_users_indptr", np.array([0, 3, 1, 3]), "ascending offsets"),
        ("item_users", ints(0, 0, 2), "rows 0 to 1"),
        ("user_sizes", ints(2), r"shape \(2,\), found \(1,\)"),
        ("user_sizes", ints(2, 0), "at least one item"),
    ],
)
def test_what_cannot_be_served_is_refused(
    of_users: NeighbourhoodArrays, tmp_path: Path, name: str, value: NDArray[Any], message: str
) -> None:
    with pytest.raises(ModelRefused, match=message):
        replace(of_users, **{name: value}).write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_best_stand_first_in_each_row(of_items: NeighbourhoodArrays, tmp_path: Path) -> None:
    rising = np.array([[0.1, 0], [0.5, 0], [0.2, 0.2]], dtype=np.float32)
    replace(of_items, similarities=rising).write(tmp_path)
    with pytest.raises(ModelRefused, match="most similar first"):
        replace(of_items, similarities=rising[:, ::-1].copy()).write(tmp_path)
    one_row = {"alike_indptr": np.array([0, 0, 2, 2]), "alike_similarities": floats(0.1, 0.5)}
    with pytest.raises(ModelRefused, match="alike_similarities: expected the most similar first"):
        replace(of_items, **one_row).write(tmp_path)


def test_users_of_items_are_kept_where_users_are_neighbours_alone(
    of_items: NeighbourhoodArrays, tmp_path: Path
) -> None:
    pairs = {"item_users": ints(0), "item_users_indptr": np.array([0, 1, 1, 1])}
    with pytest.raises(ModelRefused, match=r"item_users: expected shape \(0,\)"):
        replace(of_items, **pairs).write(tmp_path)


@pytest.mark.parametrize("data", [None, b"", b"PK\x03\x04rest", b"\x80\x04N."])
def test_a_file_that_is_no_array_is_named(of_users: NeighbourhoodArrays, tmp_path: Path, data: bytes | None) -> None:
    of_users.write(tmp_path)
    path = tmp_path / "alike_items.npy"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelDamaged, match=r"alike_items\.npy"):
        NeighbourhoodArrays.open(tmp_path)


def test_arrays_that_do_not_fit_together_are_damage(of_users: NeighbourhoodArrays, tmp_path: Path) -> None:
    of_users.write(tmp_path)
    np.save(tmp_path / "similarities.npy", np.ones((5, 1), dtype=np.float32))
    with pytest.raises(ModelDamaged, match=r"similarities\.npy: expected shape \(2, 1\), found \(5, 1\)"):
        NeighbourhoodArrays.open(tmp_path)


def test_a_catalogue_of_another_size_is_noticed(of_users: NeighbourhoodArrays, of_items: NeighbourhoodArrays) -> None:
    assert of_users.catalogue_problem(2, 3) is None
    assert of_items.catalogue_problem(99, 3) is None
    problems = [of_users.catalogue_problem(3, 3), of_users.catalogue_problem(2, 4), of_items.catalogue_problem(2, 2)]
    assert [problem and problem.array for problem in problems] == ["neighbours", "alike_indptr", "alike_indptr"]


def test_facts_are_read_as_they_were_written() -> None:
    facts = NeighbourhoodFacts("jaccard", 3)
    assert NeighbourhoodFacts.from_json("v", facts.to_json()) == facts


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"metric": "cosine"},
        {"metric": "cosine", "min_common": 1, "more": 1},
        {"metric": "pearson", "min_common": 1},
        {"metric": ["cosine"], "min_common": 1},
        {"metric": "cosine", "min_common": 0},
        {"metric": "cosine", "min_common": True},
        {"metric": "cosine", "min_common": "1"},
    ],
)
def test_other_facts_are_damage(found: Any) -> None:
    with pytest.raises(ModelDamaged, match="neighbourhood facts"):
        NeighbourhoodFacts.from_json("v", found)
