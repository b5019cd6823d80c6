from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.errors import ModelRefused


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("user_vectors", np.array([[1, np.nan], [0, 0]], dtype=np.float32), "finite numbers, found 1"),
        ("user_vectors", np.array([[1, np.inf], [0, 0]], dtype=np.float32), "finite numbers, found 1"),
        ("user_vectors", np.full((2, 2), 1e38, dtype=np.float32), "within float32"),
        ("user_vectors", np.ones((2, 2)), "float32"),
        ("user_vectors", np.ones((2, 3), dtype=np.float32), r"shape \(2, 2\)"),
        ("user_vectors", np.ones((2, 2), dtype=np.float32, order="F"), "C-ordered"),
        ("item_vectors", np.ones(3, dtype=np.float32), "2 dimension"),
        ("item_vectors", np.ones((3, 0), dtype=np.float32), "at least one user, item and factor"),
        ("user_vectors", np.ones((0, 2), dtype=np.float32), "at least one user, item and factor"),
    ],
)
def test_what_cannot_be_served_is_refused(
    arrays: EmbeddingArrays, tmp_path: Path, name: str, value: NDArray[Any], message: str
) -> None:
    broken = replace(arrays, **{name: value})
    with pytest.raises(ModelRefused, match=message) as refused:
        broken.write(tmp_path)
    assert f"{refused.value.details['array']}.npy" in EmbeddingArrays.files()
    assert list(tmp_path.iterdir()) == []
