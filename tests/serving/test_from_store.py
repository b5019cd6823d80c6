from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from port_worker.serving.embedding import EmbeddingModel, RecommendRequest
from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.errors import ModelDamaged, UnknownVersion
from port_worker.store.models import ModelStore

ARRAYS = EmbeddingArrays(
    user_ids=np.array([b"u1", b"u2"]),
    item_ids=np.array([5, 6, 7]),
    user_vectors=np.array([[1, 0], [0, 2]], dtype=np.float32),
    item_vectors=np.array([[1, 1], [2, 2], [3, 0]], dtype=np.float32),
    consumed_indptr=np.array([0, 1, 1]),
    consumed_items=np.array([2], dtype=np.int32),
    item_popularity=np.array([0, 0, 1]),
)


def _publish(store: ModelStore, *, kind: str = KIND, users: int = 2, without: str | None = None) -> str:
    with store.stage() as staging:
        ARRAYS.write(staging.path)
        if without:
            (staging.path / without).unlink()
        return staging.publish(
            algorithm="BPR", kind=kind, params={}, users=users, items=3, rows=1, source="", libraries={}
        ).version


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


def test_a_stored_version_answers(store: ModelStore) -> None:
    version = _publish(store)
    model = EmbeddingModel.from_store(store, version)
    assert (model.version, model.algorithm, model.created_at) == (version, "BPR", store.read(version).created_at)
    [answer] = model.recommend([RecommendRequest("u1", 5)])
    assert answer.items == [(6, 2.0), (5, 1.0)]


def test_it_answers_on_when_its_folder_is_deleted(store: ModelStore) -> None:
    version = _publish(store)
    model = EmbeddingModel.from_store(store, version)
    for path in store.folder(version).iterdir():
        path.unlink()
    assert model.recommend([RecommendRequest("u2", 1)])[0].items == [(6, 4.0)]


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"kind": "graph"}, "expected kind embedding, found graph"),
        ({"without": "item_ids.npy"}, r"found no item_ids\.npy"),
        ({"users": 9}, r"expected \(9, 3\) users and items, found \(2, 3\)"),
    ],
)
def test_a_version_that_is_no_embedding_model_is_refused(
    store: ModelStore, published: dict[str, str], message: str
) -> None:
    version = _publish(store, **published)  # type: ignore[arg-type]
    with pytest.raises(ModelDamaged, match=message):
        EmbeddingModel.from_store(store, version)


def test_an_unknown_version_is_refused(store: ModelStore) -> None:
    with pytest.raises(UnknownVersion):
        EmbeddingModel.from_store(store, "20240101T000000Z-als-000000")


def test_serving_imports_numpy_and_nothing_heavier() -> None:
    code = "import sys, port_worker.serving.embedding; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    root = Path(__file__).resolve().parents[2]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert "numpy" in loaded.split()
    assert not {"tensorflow", "libreco", "pandas", "scipy", "torch", "pyarrow"} & set(loaded.split())
