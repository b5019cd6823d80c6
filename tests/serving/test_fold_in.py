"""Each method of folding in against its definition, and its explanations against its scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from port_worker.serving.fold_in import FoldIn, LeastSquares, LinearMap, Mean, open_fold_in
from port_worker.store.errors import ModelDamaged
from port_worker.store.fold_in import (
    FACT,
    FoldInFacts,
    GramArrays,
    LeastSquaresFacts,
    MapArrays,
    MapFacts,
    MeanFacts,
    fact_of,
)
from port_worker.store.manifest import FileEntry, Json, Manifest

ITEMS, FACTORS = 40, 6
_RANDOM = np.random.default_rng(11)
VECTORS = _RANDOM.normal(size=(ITEMS, FACTORS)).astype(np.float32)
GRAM = GramArrays(VECTORS.astype(np.float64).T @ VECTORS.astype(np.float64))
MAP = MapArrays(
    fold_in_center=VECTORS.mean(axis=0),
    fold_in_map=_RANDOM.normal(size=(FACTORS, FACTORS)).astype(np.float32),
    fold_in_constant=_RANDOM.normal(size=FACTORS).astype(np.float32),
)
LEAST_SQUARES = LeastSquaresFacts(reg=2.0, alpha=1.5)
LEARNT = MapFacts(prior=1.0, explained=0.5)


def methods() -> list[FoldIn]:
    return [LeastSquares(VECTORS, GRAM.gram, LEAST_SQUARES), Mean(VECTORS), LinearMap(VECTORS, MAP, LEARNT)]


def by_definition(method: FoldIn, items: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    vectors = VECTORS.astype(np.float64)
    if method.method == "least_squares":
        confidence, wanted = np.ones(ITEMS), np.zeros(ITEMS)
        confidence[items] += LEAST_SQUARES.alpha * weights.astype(np.float64)
        wanted[items] = 1
        system = vectors.T @ np.diag(confidence) @ vectors + LEAST_SQUARES.reg * np.eye(FACTORS)
        found = np.linalg.inv(system) @ vectors.T @ np.diag(confidence) @ wanted
        return np.asarray(found, dtype=np.float64)
    if method.method == "mean":
        return np.array([sum(column) for column in vectors[items].T]) / len(items)
    counted = np.log1p(weights.astype(np.float64))
    total = sum(count * vectors[item] for count, item in zip(counted, items, strict=True))
    shrunken = (total + LEARNT.prior * MAP.fold_in_center) / (counted.sum() + LEARNT.prior)
    found = MAP.fold_in_constant + (shrunken - MAP.fold_in_center) @ MAP.fold_in_map.astype(np.float64)
    return np.asarray(found, dtype=np.float64)


@st.composite
def histories(draw: st.DrawFn) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    items = draw(st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=ITEMS, unique=True))
    weights = [draw(st.integers(1, 400)) / 8 for _ in items]
    return np.array(items, dtype=np.int32), np.array(weights, dtype=np.float32)


@given(st.lists(histories(), min_size=1, max_size=4))
def test_vectors_are_as_defined(users: list[tuple[NDArray[np.int32], NDArray[np.float32]]]) -> None:
    items, weights = zip(*users, strict=True)
    for method in methods():
        found = method.vectors(items, weights)
        assert found.dtype == np.float32
        expected = [by_definition(method, *user) for user in users]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=method.method)


@given(histories(), st.integers(0, ITEMS - 1))
def test_contributions_add_up_to_the_score(user: tuple[NDArray[np.int32], NDArray[np.float32]], row: int) -> None:
    items, weights = user
    for method in methods():
        score = float(method.vectors([items], [weights])[0] @ VECTORS[row])
        of_nobody = float(MAP.fold_in_constant @ VECTORS[row]) if isinstance(method, LinearMap) else 0.0
        contributions = method.contributions(items, weights, row)
        assert contributions.shape == items.shape
        assert contributions.dtype == np.float32
        assert contributions.sum() == pytest.approx(score - of_nobody, rel=1e-3, abs=1e-4), method.method


@given(histories(), st.integers(0, ITEMS - 1))
def test_the_order_of_the_items_does_not_matter(user: tuple[NDArray[np.int32], NDArray[np.float32]], row: int) -> None:
    items, weights = user
    for method in methods():
        forth = method.contributions(items, weights, row)
        back = method.contributions(items[::-1], weights[::-1], row)
        np.testing.assert_allclose(back[::-1], forth, rtol=1e-4, atol=1e-5)


def test_an_item_s_own_contribution_is_the_largest_where_vectors_are_apart() -> None:
    apart = np.eye(FACTORS, dtype=np.float32)
    method = LeastSquares(apart, np.eye(FACTORS), LEAST_SQUARES)
    items, weights = np.arange(3, dtype=np.int32), np.ones(3, dtype=np.float32)
    found = method.contributions(items, weights, 1)
    assert np.argmax(found) == 1
    assert found[1] > 0
    assert found[[0, 2]].tolist() == [0, 0]


@pytest.mark.parametrize("weight", [1e-45, 1e30, 3.4e38])
def test_absurd_weights_give_finite_vectors(weight: float) -> None:
    items = np.array([2, 5], dtype=np.int32)
    weights = np.array([weight, 1], dtype=np.float32)
    for method in methods():
        found = method.vectors([items], [weights])
        assert np.isfinite(found).all(), method.method
        if method.method == "least_squares" and weight > 1:  # as sure as that, its score is what is wanted: 1
            assert float(found[0] @ VECTORS[2]) == pytest.approx(1, abs=1e-3)


def test_vectors_of_zeros_do_no_harm() -> None:
    vectors = VECTORS.copy()
    vectors[4] = 0
    gram = vectors.astype(np.float64).T @ vectors.astype(np.float64)
    items, weights = np.array([4, 9], dtype=np.int32), np.array([2, 3], dtype=np.float32)
    method = LeastSquares(vectors, gram, LEAST_SQUARES)
    alone = method.vectors([items[1:]], [weights[1:]])
    np.testing.assert_allclose(method.vectors([items], [weights]), alone, rtol=1e-6)
    assert method.contributions(items, weights, 9)[0] == 0


def manifest_of(fact: Json, files: tuple[str, ...]) -> Manifest:
    entries = {name: FileEntry(1, "0" * 64) for name in files}
    return Manifest("v1", 0, "ALS", "embedding", {}, 2, ITEMS, 1, "", {}, entries, {FACT: fact})


@pytest.mark.parametrize(
    ("facts", "arrays"), [(LEAST_SQUARES, GRAM), (MeanFacts(), None), (LEARNT, MAP)], ids=["gram", "mean", "map"]
)
def test_what_was_stored_is_opened(tmp_path: Path, facts: FoldInFacts, arrays: GramArrays | MapArrays | None) -> None:
    if arrays is not None:
        arrays.write(tmp_path)
    fact = json.loads(json.dumps(fact_of(facts)))
    manifest = manifest_of(fact, tuple(path.name for path in tmp_path.iterdir()))
    opened = open_fold_in(tmp_path, manifest, VECTORS)
    assert opened is not None
    built = next(method for method in methods() if method.method == facts.method)
    items, weights = np.array([3, 1], dtype=np.int32), np.array([1, 4], dtype=np.float32)
    assert opened.vectors([items], [weights]).tolist() == built.vectors([items], [weights]).tolist()
    assert opened.exact == (facts.method != "map")


def test_a_version_may_have_no_method(tmp_path: Path) -> None:
    assert open_fold_in(tmp_path, replace(manifest_of(None, ()), facts={}), VECTORS) is None


@pytest.mark.parametrize(
    ("fact", "files", "message"),
    [
        ({"method": "guess"}, (), "a fold_in of method least_squares, mean, map"),
        ("mean", (), "a fold_in of method least_squares, mean, map"),
        ({"method": "least_squares", "reg": 1.0}, ("gram.npy",), "the numbers of fold_in least_squares"),
        ({"method": "mean", "more": 1.0}, (), "the numbers of fold_in mean"),
        ({"method": "map", "prior": 1.0, "explained": 0.5}, ("fold_in_map.npy",), "no fold_in_center.npy, fold_in_"),
        ({"method": "least_squares", "reg": 1.0, "alpha": 1.0}, (), "no gram.npy"),
    ],
)
def test_what_cannot_be_is_called_damaged(tmp_path: Path, fact: Json, files: tuple[str, ...], message: str) -> None:
    with pytest.raises(ModelDamaged, match=message):
        open_fold_in(tmp_path, manifest_of(fact, files), VECTORS)


@pytest.mark.parametrize(("facts", "arrays"), [(LEAST_SQUARES, GRAM), (LEARNT, MAP)], ids=["gram", "map"])
def test_arrays_of_another_model_are_called_damaged(
    tmp_path: Path, facts: FoldInFacts, arrays: GramArrays | MapArrays
) -> None:
    arrays.write(tmp_path)
    manifest = manifest_of(fact_of(facts), arrays.files())
    with pytest.raises(ModelDamaged, match=f"5 factors, as item_vectors has, found {FACTORS}"):
        open_fold_in(tmp_path, manifest, VECTORS[:, :5])
