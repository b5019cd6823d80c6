"""Homes of a real worker: with a model, which was never trained, and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from port_worker.fixture.database import write_world
from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.models import ModelStore

_ITEMS = 40


@pytest.fixture
def untrained_home(tmp_path: Path) -> Path:
    """A home with data and no model."""
    write_world(tmp_path / "world.sqlite", users=60, items=80, visits=1500)
    return tmp_path


@pytest.fixture
def home(untrained_home: Path) -> Path:
    """A home with data and two versions of a small model."""
    store = ModelStore(untrained_home / "models")
    arrays = EmbeddingArrays(
        user_ids=np.array([1, 2]),
        item_ids=np.arange(_ITEMS),
        user_vectors=np.ones((2, 1), dtype=np.float32),
        item_vectors=np.linspace(1, 2, _ITEMS, dtype=np.float32).reshape(-1, 1),
        consumed_indptr=np.array([0, 1, 1]),
        consumed_items=np.array([2], dtype=np.int32),
        item_popularity=np.arange(_ITEMS),
    )
    for _ in range(2):
        with store.stage() as staging:
            arrays.write(staging.path)
            manifest = staging.publish(
                algorithm="ALS", kind=KIND, params={}, users=2, items=_ITEMS, rows=1, source="", libraries={}
            )
    store.activate(manifest.version)
    return untrained_home
