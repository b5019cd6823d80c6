"""Homes of a real worker: with a model, which was never trained, and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from port_worker.fixture.database import write_world
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.models import ModelStore
from tests.models import catalogue_arrays, publish_embedding

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
    catalogue = catalogue_arrays([1, 2], range(_ITEMS), [[2], []], popularity=range(_ITEMS))
    vectors = EmbeddingArrays(
        user_vectors=np.ones((2, 1), dtype=np.float32),
        item_vectors=np.linspace(1, 2, _ITEMS, dtype=np.float32).reshape(-1, 1),
    )
    versions = [publish_embedding(store, catalogue, vectors) for _ in range(2)]
    store.activate(versions[-1])
    return untrained_home
