"""A small model, and a store at a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore

NOON = 1_700_000_000


@pytest.fixture
def arrays() -> EmbeddingArrays:
    return EmbeddingArrays(
        user_ids=np.array([-4, 9], dtype=np.int64),
        item_ids=np.array([b"a", b"b", "\u00e9".encode()]),
        user_vectors=np.array([[1, 0], [0, 2]], dtype=np.float32),
        item_vectors=np.array([[1, 1], [2, 2], [3, 0]], dtype=np.float32),
        consumed_indptr=np.array([0, 2, 3], dtype=np.int64),
        consumed_items=np.array([0, 2, 1], dtype=np.int32),
        item_popularity=np.array([1, 1, 1], dtype=np.int64),
    )


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "home" / "models", clock=lambda: NOON)


@pytest.fixture
def publish(arrays: EmbeddingArrays) -> Callable[[ModelStore], Manifest]:
    def publish(store: ModelStore) -> Manifest:
        with store.stage() as staging:
            arrays.write(staging.path)
            return staging.publish(
                algorithm="ALS",
                kind=KIND,
                params={"lr": 0.1, "layers": [3, 2], "loss": None},
                users=2,
                items=3,
                rows=4,
                source="csv:x.csv",
                libraries={"numpy": "2.4.6"},
            )

    return publish
