from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving import screening
from port_worker.serving.opening import open_model
from port_worker.serving.quantised import Quantised, quantised
from port_worker.serving.requests import RecommendRequest
from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.errors import ModelDamaged, UnknownVersion
from port_worker.store.models import ModelStore
from tests.models import NothingNew, catalogue_arrays, publish_embedding
from tests.serving.asking import recommend

CATALOGUE = catalogue_arrays(["u1", "u2"], [5, 6, 7], [[2], []])
VECTORS = EmbeddingArrays(
    user_vectors=np.array([[1, 0], [0, 2]], dtype=np.float32),
    item_vectors=np.array([[1, 1], [2, 2], [3, 0]], dtype=np.float32),
)


def _publish(store: ModelStore, *, kind: str = KIND, users: int = 2, without: str = "", **facts: Any) -> str:
    with store.stage() as staging:
        CATALOGUE.write(staging.path)
        VECTORS.write(staging.path)
        if without:
            (staging.path / without).unlink()
        return staging.publish(
            algorithm="BPR", kind=kind, params={}, users=users, items=3, rows=1, source="", libraries={}, facts=facts
        ).version


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


def test_a_stored_version_answers(store: ModelStore) -> None:
    version = publish_embedding(store, CATALOGUE, VECTORS, algorithm="BPR")
    model = open_model(store, version, NothingNew())
    assert (model.version, model.algorithm, model.kind) == (version, "BPR", "embedding")
    [answer] = recommend(model.recommender, [RecommendRequest("u1", 5)])
    assert answer.items == [(6, 2.0), (5, 1.0)]


def test_many_items_are_screened_once_it_is_prepared(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening, "LEAST_NUMBERS", VECTORS.item_vectors.size)
    monkeypatch.setattr(screening, "_SHARE_WANTED", 1)
    coded: list[int] = []

    def told(vectors: NDArray[np.float64]) -> Quantised | None:
        coded.append(len(vectors))
        return quantised(vectors)

    monkeypatch.setattr(screening, "quantised", told)
    model = open_model(store, publish_embedding(store, CATALOGUE, VECTORS), NothingNew())
    request = [RecommendRequest("u1", 5)]
    before = recommend(model.recommender, request)
    assert coded == []
    assert len(list(model.prepare())) > 1
    assert len(model.preparations) == 1
    assert recommend(model.recommender, request) == before
    assert coded == [1]


def test_it_answers_on_when_its_folder_is_deleted(store: ModelStore) -> None:
    version = publish_embedding(store, CATALOGUE, VECTORS)
    model = open_model(store, version, NothingNew())
    for path in store.folder(version).iterdir():
        path.unlink()
    assert recommend(model.recommender, [RecommendRequest("u2", 1)])[0].items == [(6, 4.0)]


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"kind": "graph"}, "expected a kind of embedding, .*, found graph"),
        ({"without": "item_ids.npy"}, r"found no item_ids\.npy"),
        ({"without": "item_vectors.npy"}, r"found no item_vectors\.npy"),
        ({"users": 9}, r"expected \(9, 3\) users and items, found \(2, 3\)"),
        ({"kinds": "map"}, r"facts\.kinds to be a list of names, found map"),
        ({"fold_in": {"method": "magic"}}, "a fold_in of method"),
        ({"fold_in": {"method": "least_squares", "reg": 1.0, "alpha": 1.0}}, r"found no gram\.npy"),
        ({"encoder": {"algorithm": "magic"}}, "the description of an encoder"),
        ({"kind": "two_stage"}, "."),
        ({"kind": "neighbourhood"}, "neighbourhood facts"),
    ],
)
def test_a_version_that_cannot_be_served_is_refused(store: ModelStore, published: dict[str, Any], message: str) -> None:
    version = _publish(store, **published)
    with pytest.raises(ModelDamaged, match=message):
        open_model(store, version, NothingNew())


def test_a_model_that_cannot_fold_in_says_so_and_answers_strangers_with_what_is_popular(store: ModelStore) -> None:
    model = open_model(store, _publish(store), NothingNew())
    assert not model.options & {"recent", "fold_in", "features"}
    [answer] = recommend(model.recommender, [RecommendRequest("stranger", 3)])
    assert (answer.ids, answer.source) == ([7, 5, 6], "popular")


def test_an_unknown_version_is_refused(store: ModelStore) -> None:
    with pytest.raises(UnknownVersion):
        open_model(store, "20240101T000000Z-als-000000", NothingNew())


def test_serving_imports_numpy_and_nothing_heavier(store: ModelStore) -> None:
    version = publish_embedding(store, CATALOGUE, VECTORS)
    code = f"""
import sys
from pathlib import Path
from port_worker.serving.opening import open_model
from port_worker.store.models import ModelStore
from tests.models import NothingNew
open_model(ModelStore(Path({str(store.root)!r})), {version!r}, NothingNew())
print(*sorted({{name.split('.')[0] for name in sys.modules}}))
"""
    root = Path(__file__).resolve().parents[2]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert "numpy" in loaded.split()
    assert not {"tensorflow", "libreco", "pandas", "scipy", "torch", "pyarrow", "onnxruntime"} & set(loaded.split())
