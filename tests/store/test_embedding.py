from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.store.embedding import FILES, EmbeddingArrays
from port_worker.store.errors import ModelDamaged, ModelRefused


@pytest.mark.parametrize("mmap", [True, False])
def test_what_was_written_is_opened(arrays: EmbeddingArrays, tmp_path: Path, mmap: bool) -> None:
    arrays.write(tmp_path)
    opened = EmbeddingArrays.open(tmp_path, mmap=mmap)
    for field in fields(EmbeddingArrays):
        found: NDArray[Any] = getattr(opened, field.name)
        assert found.tolist() == getattr(arrays, field.name).tolist()
        assert type(found) is np.ndarray
        assert (found.base is not None) == mmap
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_users_without_any_item_are_kept(arrays: EmbeddingArrays, tmp_path: Path) -> None:
    empty = np.zeros(0, dtype=np.int32)
    replace(arrays, consumed_items=empty, consumed_indptr=np.zeros(3, dtype=np.int64)).write(tmp_path)
    assert EmbeddingArrays.open(tmp_path).consumed_items.size == 0


@pytest.mark.parametrize("indptr", [[0, 0, 3], [0, 3, 3]])
def test_each_user_starts_the_order_anew(arrays: EmbeddingArrays, tmp_path: Path, indptr: list[int]) -> None:
    replace(arrays, consumed_indptr=np.array(indptr), consumed_items=np.array([0, 1, 2], dtype=np.int32)).write(
        tmp_path
    )


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
        ("user_vectors", np.array([[1, np.nan], [0, 0]], dtype=np.float32), "finite numbers, found 1"),
        ("user_vectors", np.array([[1, np.inf], [0, 0]], dtype=np.float32), "finite numbers, found 1"),
        ("user_vectors", np.full((2, 2), 1e38, dtype=np.float32), "within float32"),
        ("user_vectors", np.ones((2, 2)), "float32"),
        ("user_vectors", np.ones((2, 3), dtype=np.float32), r"shape \(2, 2\)"),
        ("user_vectors", np.ones((2, 2), dtype=np.float32, order="F"), "C-ordered"),
        ("item_vectors", np.ones((2, 2), dtype=np.float32), r"shape \(3, 2\)"),
        ("consumed_indptr", np.array([0, 3]), r"shape \(3,\)"),
        ("consumed_indptr", np.array([1, 2, 3]), "a range from 0 to 3"),
        ("consumed_indptr", np.array([0, 2, 4]), "a range from 0 to 3"),
        ("consumed_indptr", np.array([0, 3, 3]), "each user's items ascending"),
        ("consumed_items", np.array([0, 0, 1], dtype=np.int32), "each user's items ascending"),
        ("consumed_items", np.array([0, 3, 1], dtype=np.int32), "rows 0 to 2"),
        ("consumed_items", np.array([-1, 0, 1], dtype=np.int32), "rows 0 to 2"),
        ("item_popularity", np.array([1, -1, 1]), "counts"),
    ],
)
def test_what_cannot_be_served_is_refused(
    arrays: EmbeddingArrays, tmp_path: Path, name: str, value: NDArray[Any], message: str
) -> None:
    broken = replace(arrays, **{name: value})
    with pytest.raises(ModelRefused, match=message) as refused:
        broken.write(tmp_path)
    assert f"{refused.value.details['array']}.npy" in FILES
    assert list(tmp_path.iterdir()) == []


def test_descending_offsets_are_refused(arrays: EmbeddingArrays, tmp_path: Path) -> None:
    broken = replace(
        arrays,
        user_ids=np.array([1, 2, 3]),
        user_vectors=np.ones((3, 2), dtype=np.float32),
        consumed_indptr=np.array([0, 2, 1, 3]),
    )
    with pytest.raises(ModelRefused, match="ascending offsets"):
        broken.write(tmp_path)


def test_no_users_at_all_are_refused(arrays: EmbeddingArrays, tmp_path: Path) -> None:
    broken = replace(
        arrays,
        user_ids=np.zeros(0, dtype=np.int64),
        user_vectors=np.zeros((0, 2), dtype=np.float32),
        consumed_indptr=np.zeros(1, dtype=np.int64),
        consumed_items=np.zeros(0, dtype=np.int32),
    )
    with pytest.raises(ModelRefused, match="at least one user"):
        broken.write(tmp_path)


def _damage(path: Path, data: bytes | None) -> None:
    path.unlink()
    if data is not None:
        path.write_bytes(data)


@pytest.mark.parametrize("data", [None, b"", b"\x93NUMPY", b"PK\x03\x04rest", b"\x80\x04N."])
def test_a_file_that_is_no_array_is_named(arrays: EmbeddingArrays, tmp_path: Path, data: bytes | None) -> None:
    arrays.write(tmp_path)
    _damage(tmp_path / "item_ids.npy", data)
    with pytest.raises(ModelDamaged, match=r"item_ids\.npy") as damaged:
        EmbeddingArrays.open(tmp_path)
    assert damaged.value.details["file"] == "item_ids.npy"


def test_pickled_objects_are_never_loaded(arrays: EmbeddingArrays, tmp_path: Path) -> None:
    arrays.write(tmp_path)
    np.save(tmp_path / "user_ids.npy", np.array([1, "x"], dtype=object), allow_pickle=True)
    with pytest.raises(ModelDamaged, match=r"user_ids\.npy"):
        EmbeddingArrays.open(tmp_path)


@pytest.mark.parametrize("mask", [0x01, 0x08, 0x20, 0x7F, 0x80])
def test_any_changed_byte_of_a_header_is_harmless_or_named(arrays: EmbeddingArrays, tmp_path: Path, mask: int) -> None:
    arrays.write(tmp_path)
    path = tmp_path / "user_vectors.npy"
    whole = path.read_bytes()
    refused = 0
    for place in range(128):
        changed = bytearray(whole)
        changed[place] ^= mask
        path.write_bytes(changed)
        try:
            assert EmbeddingArrays.open(tmp_path, mmap=False).user_vectors.shape == (2, 2)
        except ModelDamaged:
            refused += 1
    assert refused > 40


def test_arrays_that_do_not_fit_together_are_damage(arrays: EmbeddingArrays, tmp_path: Path) -> None:
    arrays.write(tmp_path)
    np.save(tmp_path / "user_vectors.npy", np.ones((2, 5), dtype=np.float32))
    with pytest.raises(ModelDamaged, match=r"user_vectors\.npy: expected shape \(2, 2\), found \(2, 5\)"):
        EmbeddingArrays.open(tmp_path)
