"""Every algorithm trains, and the arrays that are served rank as LibRecommender's own model does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.embedding import EmbeddingModel, RecommendRequest
from port_worker.store.embedding import KIND, EmbeddingArrays
from port_worker.store.models import ModelStore
from port_worker.training import catalogue, dataset, fit
from port_worker.training.catalogue import ALGORITHMS
from port_worker.training.dataset import TrainingData
from port_worker.training.errors import TrainingError
from port_worker.training.progress import Progress, Reporter
from tests.training.conftest import make_interactions

USERS_COMPARED = 200
LENGTH = 10
TIE = 1e-4
_QUICK: dict[str, object] = {"n_epochs": 2, "seed": 3}

pytestmark = pytest.mark.usefixtures("_libraries")

each_algorithm = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.graph] if algorithm.needs_graph else [])
        for name, algorithm in ALGORITHMS.items()
        if algorithm.kind == "embedding"
    ],
)


def params_of(name: str, data: TrainingData, **given: object) -> catalogue.Params:
    return fit.fitting_params(name, catalogue.validate(name, {**_QUICK, **given}), len(data.item_ids))


def silent(_progress: Progress) -> None:
    """Hear nothing."""


def stored(name: str, arrays: EmbeddingArrays, root: Path) -> EmbeddingModel:
    """The model as a worker serves it: written, published, mapped."""
    store = ModelStore(root)
    with store.stage() as staging:
        arrays.write(staging.path)
        users, items = len(arrays.user_ids), len(arrays.item_ids)
        manifest = staging.publish(
            algorithm=name, kind=KIND, params={}, users=users, items=items, rows=1, source="test", libraries={}
        )
    return EmbeddingModel.from_store(store, manifest.version)


@each_algorithm
def test_what_is_served_equals_its_own_recommendations(name: str, data: TrainingData, tmp_path: Path) -> None:
    model, arrays = fit.fitted(name, params_of(name, data), data, Reporter(silent))
    theirs = model.recommend_user(list(range(USERS_COMPARED)), LENGTH)
    users = [user.decode() for user in data.user_ids[:USERS_COMPARED].tolist()]
    answers = stored(name, arrays, tmp_path).recommend([RecommendRequest(user, LENGTH) for user in users])
    for row, answer in enumerate(answers):
        expected = data.item_ids[theirs[row]].tolist()
        found, scores = zip(*answer.items, strict=True)
        assert answer.source == "model"
        # The scores of their items in their order are ours in our order: only equal ones may have changed places.
        expected_scores = arrays.item_vectors[theirs[row]] @ arrays.user_vectors[row]
        np.testing.assert_allclose(expected_scores, scores, rtol=1e-5, atol=1e-6)
        apart = {item for item, others in zip(found, _gaps(scores), strict=True) if others > TIE}
        assert apart <= set(expected)


def _gaps(scores: tuple[float, ...]) -> NDArray[np.float64]:
    """How far each score is from the last of the list, where another item may stand in its place."""
    return np.array(scores) - scores[-1]


@each_algorithm
def test_epochs_and_losses_are_heard(name: str, data: TrainingData) -> None:
    heard: list[Progress] = []
    clock = iter(range(10**9))
    fit.fitted(name, params_of(name, data), data, Reporter(heard.append, clock=lambda: float(next(clock))))
    epochs = [progress.epoch for progress in heard if progress.epoch is not None]
    assert epochs == sorted(epochs)
    assert set(epochs) == {1, 2}
    shares = [progress.share for progress in heard]
    assert shares == sorted(shares)
    with_loss = [progress.loss for progress in heard if progress.loss is not None]
    assert bool(with_loss) is (ALGORITHMS[name].family in {"tensorflow", "torch"})
    assert all(np.isfinite(loss) for loss in with_loss)


@each_algorithm
def test_the_same_seed_gives_the_same_model(name: str, data: TrainingData) -> None:
    if ALGORITHMS[name].needs_graph:
        import torch

        torch.set_num_threads(
            1
        )  # with more, NGCF's sums differ in their last bits, and its training makes much of that
    first, again = (fit.fit(name, params_of(name, data), data, Reporter(silent)) for _ in range(2))
    np.testing.assert_allclose(first.item_vectors, again.item_vectors, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(first.user_vectors, again.user_vectors, rtol=1e-4, atol=1e-6)


@each_algorithm
def test_the_least_data_is_enough(name: str) -> None:
    whole = make_interactions()
    rows = np.isin(whole.users, np.unique(whole.users)[:3]) & np.isin(whole.items, np.unique(whole.items)[-12:])
    least = dataset.prepare(type(whole)(whole.users[rows], whole.items[rows], whole.weights[rows], whole.times[rows]))
    assert len(least.item_ids) < 12
    arrays = fit.fit(name, params_of(name, least), least, Reporter(silent))
    assert np.isfinite(arrays.item_vectors).all()
    assert len(arrays.user_vectors) == len(least.user_ids)


def test_vectors_belong_to_the_ids_beside_them(data: TrainingData) -> None:
    """Items of a user's own taste score higher, which numbers mixed up would not show."""
    arrays = fit.fit("ALS", catalogue.validate("ALS", {}), data, Reporter(silent))
    kinds = ((1000 - arrays.item_ids) // 7) % 3
    number_of = {(user * 7919) % 1009: user for user in range(230)}
    tastes = np.array([number_of[int(user.decode()[5:])] for user in arrays.user_ids.tolist()]) % 3
    scores = arrays.user_vectors @ arrays.item_vectors.T
    own = tastes[:, None] == kinds[None, :]
    assert scores[own].mean() > 3 * scores[~own].mean()


def test_als_learns_from_weights(data: TrainingData) -> None:
    weights = np.ones_like(data.weights)
    flat = TrainingData(data.user_ids, data.item_ids, data.users, data.items, weights, data.rows)
    params = params_of("ALS", data)
    weighted, unweighted = (fit.fit("ALS", params, each, Reporter(silent)) for each in (data, flat))
    assert not np.allclose(weighted.item_vectors, unweighted.item_vectors)


def test_too_many_negatives_for_so_few_items_are_refused(data: TrainingData) -> None:
    with pytest.raises(TrainingError, match="num_neg: expected less than the number of items, which is 90") as caught:
        params_of("BPR", data, num_neg=90)
    assert caught.value.code == "invalid_hyperparameter"


def test_youtube_s_negatives_are_no_more_than_the_items(data: TrainingData) -> None:
    assert params_of("YouTubeRetrieval", data)["num_sampled_per_batch"] == len(data.item_ids)
    assert params_of("YouTubeRetrieval", data, num_sampled_per_batch=7)["num_sampled_per_batch"] == 7


def test_pairs_that_are_not_positive_are_not_recommended(data: TrainingData) -> None:
    weights = data.weights.copy()
    weights[::7] = 0
    rated = TrainingData(data.user_ids, data.item_ids, data.users, data.items, weights, data.rows)
    arrays = fit.fit("ALS", params_of("ALS", rated), rated, Reporter(silent))
    for user in range(20):
        start, end = arrays.consumed_indptr[user : user + 2]
        assert set(data.items[data.users == user]) == set(arrays.consumed_items[start:end].tolist())
    assert arrays.item_popularity.sum() == np.count_nonzero(weights)
