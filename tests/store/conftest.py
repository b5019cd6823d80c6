"""A small model, and a store at a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore
from tests.models import catalogue_arrays

NOON = 1_700_000_000


@pytest.fixture
def catalogue() -> CatalogueArrays:
    return catalogue_arrays([-4, 9], ["a", "b", "\u00e9"], [[2, 0], [1]])


@pytest.fixture
def arrays() -> EmbeddingArrays:
    return EmbeddingArrays(
        user_vectors=np.array([[1, 0], [0, 2]], dtype=np.float32),
        item_vectors=np.array([[1, 1], [2, 2], [3, 0]], dtype=np.float32),
    )


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "home" / "models", clock=lambda: NOON)


@pytest.fixture
def publish(catalogue: CatalogueArrays, arrays: EmbeddingArrays) -> Callable[[ModelStore], Manifest]:
    def publish(store: ModelStore) -> Manifest:
        with store.stage() as staging:
            catalogue.write(staging.path)
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
