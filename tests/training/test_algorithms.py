"""Every algorithm trains, and the arrays that are served rank as LibRecommender's own model does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from port_worker.serving.opening import ServedModel, open_model
from port_worker.serving.requests import RecommendRequest
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.models import ModelStore
from port_worker.training import catalogue, dataset, fit
from port_worker.training.catalogue import ALGORITHMS
from port_worker.training.dataset import TrainingData
from port_worker.training.errors import TrainingError
from port_worker.training.export import catalogue_arrays, catalogue_part
from port_worker.training.exported import Exported
from port_worker.training.progress import Progress, Reporter
from tests.models import NothingNew
from tests.serving.asking import Seen, recommend
from tests.training.conftest import make_interactions
from tests.training.exports import vectors_of

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
    ],
)


def params_of(name: str, data: TrainingData, **given: object) -> catalogue.Params:
    known = {parameter.name for parameter in ALGORITHMS[name].parameters}
    quick = {key: value for key, value in _QUICK.items() if key in known}
    return fit.fitting_params(name, catalogue.validate(name, {**quick, **given}), len(data.item_ids))


def silent(_progress: Progress) -> None:
    """Hear nothing."""


def served(name: str, exported: Exported, data: TrainingData, root: Path) -> ServedModel:
    """The model as a worker serves it: written, published, opened."""
    store = ModelStore(root)
    shared = catalogue_part(data)
    with store.stage() as staging:
        shared.write(staging.path)
        exported.write(staging.path)
        manifest = staging.publish(
            algorithm=name, kind=exported.kind, params={}, users=len(data.user_ids), items=len(data.item_ids),
            rows=1, source="test", libraries={}, facts=shared.facts | exported.facts,
        )  # fmt: skip
    return open_model(store, manifest.version, NothingNew())


def ours(model: ServedModel, data: TrainingData, *, filter_consumed: bool) -> list[Seen]:
    users = [user.decode() for user in data.user_ids[:USERS_COMPARED].tolist()]
    requests = [RecommendRequest(user, LENGTH, filter_consumed=filter_consumed) for user in users]
    return recommend(model.recommender, requests)


@each_algorithm
def test_what_is_served_equals_its_own_recommendations(name: str, data: TrainingData, tmp_path: Path) -> None:
    """LibRecommender's neighbourhood models give fewer items in silence, or popular ones at random where they have
    none (massquantity/LibRecommender's `recommend_one`); there only what the model ranked is compared.
    """
    model, exported = fit.fitted(name, params_of(name, data), data, Reporter(silent))
    ready = served(name, exported, data, tmp_path)
    for filter_consumed in (True, False):
        theirs = model.recommend_user(list(range(USERS_COMPARED)), LENGTH, filter_consumed=filter_consumed)
        for row, answer in enumerate(ours(ready, data, filter_consumed=filter_consumed)):
            if answer.scored < LENGTH:
                assert ALGORITHMS[name].kind == "neighbourhood"
            else:
                same_but_for_ties(answer, data.item_ids[theirs[row]].tolist())


def same_but_for_ties(answer: Seen, theirs: list[int]) -> None:
    """Their list is ours, but for items whose scores are within TIE of each other, also of the first left out."""
    assert answer.source == "model"
    scores = dict(answer.items)
    missing = [item for item in scores if item not in theirs]
    last = answer.items[-1][1]
    assert all(scores[item] - last <= TIE * max(1.0, abs(last)) for item in missing)
    in_their_order = [scores[item] for item in theirs if item in scores]
    falls = np.diff(in_their_order)
    assert (falls <= TIE * np.maximum(1.0, np.abs(in_their_order[1:]))).all()


def test_there_are_all_of_librecommender_s() -> None:
    assert len(ALGORITHMS) == 29


@each_algorithm
def test_epochs_and_losses_are_heard(name: str, data: TrainingData) -> None:
    heard: list[Progress] = []
    clock = iter(range(10**9))
    fit.fitted(name, params_of(name, data), data, Reporter(heard.append, clock=lambda: float(next(clock))))
    epochs = [progress.epoch for progress in heard if progress.epoch is not None]
    assert epochs == sorted(epochs)
    assert set(epochs) == ({1} if ALGORITHMS[name].kind == "neighbourhood" else {1, 2})
    shares = [progress.share for progress in heard]
    assert shares == sorted(shares)
    with_loss = [progress.loss for progress in heard if progress.loss is not None]
    assert bool(with_loss) is (ALGORITHMS[name].family in {"tensorflow", "torch"})
    assert all(np.isfinite(loss) for loss in with_loss)


@each_algorithm
def test_the_same_seed_gives_the_same_model(name: str, data: TrainingData, tmp_path: Path) -> None:
    if ALGORITHMS[name].needs_graph:
        import torch

        torch.set_num_threads(1)  # with more, NGCF's sums differ in their last bits, and its training makes much of it
    first, again = (
        ours(
            served(name, fit.fit(name, params_of(name, data), data, Reporter(silent)), data, tmp_path / place),
            data,
            filter_consumed=True,
        )
        for place in ("first", "again")
    )
    for one, other in zip(first, again, strict=True):
        np.testing.assert_allclose(
            [score for _, score in one.items], [score for _, score in other.items], rtol=1e-4, atol=1e-6
        )


@each_algorithm
def test_the_least_data_is_enough(name: str, tmp_path: Path) -> None:
    whole = make_interactions()
    last_items = whole.items.codes >= len(whole.items.ids) - 12
    least = dataset.prepare(whole.at((whole.users.codes < 3) & last_items))
    assert len(least.item_ids) < 12
    ready = served(name, fit.fit(name, params_of(name, least), least, Reporter(silent)), least, tmp_path)
    for answer in ours(ready, least, filter_consumed=False):
        assert len(answer.items) == min(LENGTH, len(least.item_ids))
        assert np.isfinite([score for _, score in answer.items]).all()


def test_vectors_belong_to_the_ids_beside_them(data: TrainingData) -> None:
    """Items of a user's own taste score higher, which numbers mixed up would not show."""
    arrays = vectors_of(fit.fit("ALS", catalogue.validate("ALS", {}), data, Reporter(silent)))
    kinds = ((1000 - data.item_ids.astype(np.int64)) // 7) % 3
    number_of = {(user * 7919) % 1009: user for user in range(230)}
    tastes = np.array([number_of[int(user.decode()[5:])] for user in data.user_ids.tolist()]) % 3
    scores = arrays.user_vectors @ arrays.item_vectors.T
    own = tastes[:, None] == kinds[None, :]
    assert scores[own].mean() > 3 * scores[~own].mean()


def test_als_learns_from_weights(data: TrainingData) -> None:
    weights = np.ones_like(data.weights)
    flat = replace(data, weights=weights, kinds=None, user_features=None, item_features=None)
    params = params_of("ALS", data)
    weighted, unweighted = (vectors_of(fit.fit("ALS", params, each, Reporter(silent))) for each in (data, flat))
    assert not np.allclose(weighted.item_vectors, unweighted.item_vectors)


def test_too_many_negatives_for_so_few_items_are_refused(data: TrainingData) -> None:
    with pytest.raises(TrainingError, match="num_neg: expected less than the number of items, which is 90") as caught:
        params_of("BPR", data, num_neg=90)
    assert caught.value.code == "invalid_hyperparameter"


@pytest.mark.parametrize(("name", "items", "users"), [("RsItemCF", 46_341, 9), ("RsUserCF", 9, 46_341)])
def test_more_pairs_than_recfarm_can_number_are_refused(name: str, items: int, users: int) -> None:
    params = catalogue.validate(name, {})
    with pytest.raises(TrainingError, match="mode: expected forward, since there are more than 46340"):
        fit.fitting_params(name, params, items, users)
    assert fit.fitting_params(name, params, users, items) == params
    assert fit.fitting_params(name, {**params, "mode": "forward"}, items, users)["mode"] == "forward"


def test_youtube_s_negatives_are_no_more_than_the_items(data: TrainingData) -> None:
    assert params_of("YouTubeRetrieval", data)["num_sampled_per_batch"] == len(data.item_ids)
    assert params_of("YouTubeRetrieval", data, num_sampled_per_batch=7)["num_sampled_per_batch"] == 7


def test_pairs_that_are_not_positive_count_as_consumed_and_teach_nothing(data: TrainingData) -> None:
    weights = data.weights.copy()
    weights[::7] = 0
    rated = replace(data, weights=weights, kinds=None, user_features=None, item_features=None)
    arrays: CatalogueArrays = catalogue_arrays(rated)
    for user in range(20):
        part = slice(*arrays.consumed_indptr[user : user + 2])
        assert data.items[data.users == user].tolist() == arrays.consumed_items[part].tolist()  # in order of time
        assert weights[data.users == user].tolist() == arrays.consumed_weights[part].tolist()
    assert arrays.item_popularity.sum() == np.count_nonzero(weights)
    assert catalogue_part(rated).facts["all_teach"] is False
    assert catalogue_part(data).facts["all_teach"] is True
