"""Which arrays for folding in can be stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.store.errors import ModelRefused
from port_worker.store.fold_in import GramArrays, MapArrays

GRAM = GramArrays(np.eye(3))
MAP = MapArrays(*(np.ones(shape, dtype=np.float32) for shape in ((3,), (3, 3), (3,))))


@pytest.mark.parametrize("arrays", [GRAM, MAP], ids=["gram", "map"])
def test_what_was_written_is_opened(arrays: GramArrays | MapArrays, tmp_path: Path) -> None:
    arrays.write(tmp_path)
    opened = type(arrays).open(tmp_path)
    assert {name: array.tolist() for name, array in vars(opened).items()} == {
        name: array.tolist() for name, array in vars(arrays).items()
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(arrays.files())


@pytest.mark.parametrize(
    ("arrays", "name", "value", "message"),
    [
        (GRAM, "gram", np.eye(3, dtype=np.float32), "float64"),
        (GRAM, "gram", np.ones((3, 2)), r"shape \(3, 3\)"),
        (GRAM, "gram", np.full((3, 3), np.nan), "finite numbers, found 9"),
        (MAP, "fold_in_map", np.ones((2, 3), dtype=np.float32), r"shape \(3, 3\)"),
        (MAP, "fold_in_map", np.full((3, 3), np.inf, dtype=np.float32), "finite numbers, found 9"),
        (MAP, "fold_in_center", np.ones(2, dtype=np.float32), r"shape \(3,\)"),
        (MAP, "fold_in_center", np.ones(3), "float32"),
        (MAP, "fold_in_constant", np.array([1, np.nan, 1], dtype=np.float32), "finite numbers, found 1"),
    ],
)
def test_what_cannot_be_served_is_refused(
    arrays: GramArrays | MapArrays, name: str, value: NDArray[Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelRefused, match=message):
        type(arrays)(**{**vars(arrays), name: value}).write(tmp_path)
