"""What all arrays of a version have in common: files, layout, damage; seen with those of an embedding model."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.errors import ModelDamaged


@pytest.mark.parametrize("mmap", [True, False])
def test_what_was_written_is_opened(catalogue: CatalogueArrays, tmp_path: Path, mmap: bool) -> None:
    catalogue.write(tmp_path)
    opened = CatalogueArrays.open(tmp_path, mmap=mmap)
    for field in fields(CatalogueArrays):
        found: NDArray[Any] = getattr(opened, field.name)
        assert found.tolist() == getattr(catalogue, field.name).tolist()
        assert type(found) is np.ndarray
        assert (found.base is not None) == mmap
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(CatalogueArrays.files())


@pytest.mark.parametrize("data", [None, b"", b"\x93NUMPY", b"PK\x03\x04rest", b"\x80\x04N."])
def test_a_file_that_is_no_array_is_named(arrays: EmbeddingArrays, tmp_path: Path, data: bytes | None) -> None:
    arrays.write(tmp_path)
    path = tmp_path / "item_vectors.npy"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelDamaged, match=r"item_vectors\.npy") as damaged:
        EmbeddingArrays.open(tmp_path)
    assert damaged.value.details["file"] == "item_vectors.npy"


def test_pickled_objects_are_never_loaded(arrays: EmbeddingArrays, tmp_path: Path) -> None:
    arrays.write(tmp_path)
    np.save(tmp_path / "user_vectors.npy", np.array([[1, "x"]], dtype=object), allow_pickle=True)
    with pytest.raises(ModelDamaged, match=r"user_vectors\.npy"):
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
