"""What is exported for folding in makes of a user's items what the model would have made of them, or near it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.fixture.size import WorldSize
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.fold_in import LeastSquaresFacts, MapArrays, MapFacts
from port_worker.training import catalogue, dataset
from port_worker.training.dataset import TrainingData
from port_worker.training.export import catalogue_arrays
from port_worker.training.fold_in_export import PRIOR, RIDGE, bias_columns, export_fold_in
from tests.training.held_out import Split, folded_recall, method_of, popular_recall, split, trained

Histories = tuple[list[NDArray[np.int32]], list[NDArray[np.float32]]]

pytestmark = pytest.mark.usefixtures("_libraries")


def histories(arrays: CatalogueArrays) -> Histories:
    cuts = arrays.consumed_indptr[1:-1]
    return np.split(arrays.consumed_items, cuts), np.split(arrays.consumed_weights, cuts)


@pytest.mark.parametrize("alpha", [1.0, 10.0])
def test_als_refits_the_user_with_the_items_as_they_are(data: TrainingData, alpha: float) -> None:
    """As LibRecommender's own step does it, without conjugate gradients, for all users at once."""
    from libreco.algorithms._als import als_update

    params = catalogue.validate("ALS", {"n_epochs": 3, "alpha": alpha, "reg": 0.5})
    vectors = trained("ALS", params, data)
    interaction = dataset.train_set(data, weighted=True, seed=1)[0].sparse_interaction
    interaction.data = interaction.data * alpha + 1
    theirs = np.zeros_like(vectors.user_vectors)
    als_update(interaction, theirs, vectors.item_vectors.copy(), 0.5, task="ranking", use_cg=False)

    of_all = catalogue_arrays(data)
    ours = method_of(export_fold_in("ALS", params, vectors, of_all), vectors.item_vectors).vectors(*histories(of_all))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert np.abs(theirs).max() > 0.1


def test_als_takes_its_numbers_along(data: TrainingData) -> None:
    params = catalogue.validate("ALS", {"alpha": 3.0, "reg": 0.25})
    found = export_fold_in("ALS", params, _random_vectors(data), catalogue_arrays(data)).facts
    assert found == LeastSquaresFacts(reg=0.25, alpha=3.0)


def test_item2vec_s_users_are_the_means_of_their_items(data: TrainingData) -> None:
    params = catalogue.validate("Item2Vec", {"n_epochs": 1})
    vectors = trained("Item2Vec", params, data)
    of_all = catalogue_arrays(data)
    method = method_of(export_fold_in("Item2Vec", params, vectors, of_all), vectors.item_vectors)
    assert method.exact
    np.testing.assert_allclose(method.vectors(*histories(of_all)), vectors.user_vectors, atol=1e-6)


@pytest.mark.parametrize(("paradigm", "method"), [("i2i", "mean"), ("u2i", "map")])
def test_graph_models_are_folded_in_by_their_paradigm(data: TrainingData, paradigm: str, method: str) -> None:
    found = export_fold_in("PinSage", {"paradigm": paradigm}, _random_vectors(data), catalogue_arrays(data))
    assert found.facts.method == method


def test_the_map_is_the_ridge_regression_of_users_on_what_they_met(data: TrainingData) -> None:
    from sklearn.linear_model import Ridge

    vectors, of_all = _random_vectors(data), catalogue_arrays(data)
    export = export_fold_in("BPR", {}, vectors, of_all)
    facts, arrays = export
    assert isinstance(arrays, MapArrays)
    assert isinstance(facts, MapFacts)
    counted = [np.log1p(weights.astype(np.float64)) for weights in histories(of_all)[1]]
    sums = [count @ vectors.item_vectors[items] for count, items in zip(counted, histories(of_all)[0], strict=True)]
    center = np.mean([total / count.sum() for total, count in zip(sums, counted, strict=True)], axis=0)
    met = np.array(
        [(total + PRIOR * center) / (count.sum() + PRIOR) for total, count in zip(sums, counted, strict=True)]
    )
    reference = Ridge(alpha=RIDGE * len(met) * met.var(axis=0).mean()).fit(met, vectors.user_vectors)
    np.testing.assert_allclose(arrays.fold_in_center, center, atol=1e-5)
    np.testing.assert_allclose(arrays.fold_in_map, reference.coef_.T, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(arrays.fold_in_constant, reference.predict(center[None])[0], rtol=1e-3, atol=1e-4)
    predicted = reference.predict(met)
    folded = method_of(export, vectors.item_vectors).vectors(*histories(of_all))
    np.testing.assert_allclose(folded, predicted, rtol=1e-3, atol=1e-4)
    unexplained = np.sum((predicted - vectors.user_vectors) ** 2)
    whole = np.sum((vectors.user_vectors - vectors.user_vectors.mean(axis=0)) ** 2)
    assert facts.explained == pytest.approx(1 - unexplained / whole, abs=1e-3)


def test_what_teaches_nothing_changes_nothing(data: TrainingData) -> None:
    vectors = _random_vectors(data)
    weights = np.where(np.arange(len(data.weights)) % 5, data.weights, -1).astype(np.float32)
    left = weights > 0
    with_it = replace(data, weights=weights)
    without = replace(data, users=data.users[left], items=data.items[left], weights=weights[left])
    exports = [export_fold_in("SVD", {}, vectors, catalogue_arrays(each)) for each in (with_it, without)]
    first, again = (export.arrays for export in exports)
    assert isinstance(first, MapArrays)
    assert isinstance(again, MapArrays)
    np.testing.assert_allclose(first.fold_in_map, again.fold_in_map, rtol=1e-4, atol=1e-6)


def test_users_who_are_all_alike_give_their_own_vector(data: TrainingData) -> None:
    vectors = _random_vectors(data)
    alike = EmbeddingArrays(np.tile(vectors.user_vectors[:1], (len(data.user_ids), 1)), vectors.item_vectors[:1])
    same_items = EmbeddingArrays(alike.user_vectors, np.tile(alike.item_vectors, (len(data.item_ids), 1)))
    of_all = catalogue_arrays(data)
    export = export_fold_in("BPR", {}, same_items, of_all)
    found = method_of(export, same_items.item_vectors).vectors(*histories(of_all))
    np.testing.assert_allclose(found, same_items.user_vectors, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["BPR", "SVD", "YouTubeRetrieval", "ALS"])
def test_columns_of_biases_are_those_that_all_users_share(name: str, data: TrainingData) -> None:
    vectors = trained(name, catalogue.validate(name, {"n_epochs": 1}), data)
    factors = vectors.item_vectors.shape[1] - bias_columns(name)
    assert factors == 16
    shared = np.ptp(vectors.user_vectors, axis=0) == 0
    assert not shared[:factors].any()
    assert shared[-1] == (bias_columns(name) > 0)
    if name == "SVD":  # the bias of the user, times 1 for each item
        assert np.ptp(vectors.item_vectors[:, -2]) == 0


@pytest.fixture(scope="module")
def world() -> Split:
    return split(WorldSize(users=300, items=200, visits=15_000))


@pytest.fixture(scope="module")
def als(world: Split) -> EmbeddingArrays:
    return trained("ALS", catalogue.validate("ALS", {}), world.data)


@pytest.mark.parametrize(("name", "factor"), [("ALS", 1.3), ("LightGCN", 1.3), ("Item2Vec", 1.2)])
def test_strangers_find_more_than_what_is_popular(name: str, factor: float, world: Split, als: EmbeddingArrays) -> None:
    """Each method, on the vectors of ALS: the exact step, the map and the mean."""
    export = export_fold_in(name, catalogue.validate("ALS", {}), als, catalogue_arrays(world.data))
    method = method_of(export, als.item_vectors)
    popular = popular_recall(world.strangers, world.data)
    found = folded_recall(world.strangers, method, als.item_vectors)
    assert len(world.strangers) > 50
    assert found > factor * popular
    assert popular < folded_recall(world.strangers, method, als.item_vectors, first=5) < found


def _random_vectors(data: TrainingData) -> EmbeddingArrays:
    random = np.random.default_rng(8)
    shapes = ((len(data.user_ids), 5), (len(data.item_ids), 5))
    return EmbeddingArrays(*(random.normal(size=shape).astype(np.float32) for shape in shapes))
