"""LibRecommender's numbers of features are the ones that the layout tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.sources.features import UNKNOWN, DenseColumn, FeatureTable, SparseColumn
from port_worker.training import catalogue, dataset, fit
from port_worker.training.dataset import TrainingData
from port_worker.training.feature_columns import Scale
from port_worker.training.feature_layout import FeatureLayout, feature_layout
from port_worker.training.progress import Reporter
from tests.training.exports import vectors_of

BOTH: frozenset[catalogue.Owner] = frozenset({"user", "item"})
PLATFORMS = ("desktop", "mobile", "quest")
STYLES = ("arctic", "neon")

pytestmark = pytest.mark.usefixtures("_libraries")


def sparse(codes: NDArray[Any], vocabulary: tuple[str, ...]) -> SparseColumn:
    return SparseColumn(codes.astype(np.int32), vocabulary)


def dense(values: NDArray[Any], known: NDArray[np.bool_]) -> DenseColumn:
    return DenseColumn(np.where(known, values, 0).astype(np.float32), known)


@pytest.fixture(scope="module")
def featured(data: TrainingData) -> TrainingData:
    """Users and items with features of one name; some users' interest is unknown, and some items' size."""
    users, items = np.arange(len(data.user_ids)), np.arange(len(data.item_ids))
    interests = np.where(users % 5 == 0, UNKNOWN, users % 2)
    return replace(
        data,
        user_features=FeatureTable(
            {"platform": sparse(users % 3, PLATFORMS), "interest": sparse(interests, STYLES)},
            {"age": dense(20.0 + users % 40, users >= 0)},
        ),
        item_features=FeatureTable(
            {"platform": sparse(items // 2 % 3, PLATFORMS)},
            {"size": dense(1e6 + 1e3 * items, items % 4 != 0), "constant": dense(0.0 * items + 7, items >= 0)},
        ),
    )


def made(data: TrainingData, features: frozenset[catalogue.Owner] = BOTH) -> tuple[Any, Any, FeatureLayout]:
    train_set, info = dataset.train_set(data, weighted=False, seed=1, features=features)
    layout = feature_layout(info, data)
    assert layout is not None
    return train_set, info, layout


def test_the_facts_of_each_side(featured: TrainingData) -> None:
    _, _, layout = made(featured)
    assert layout.facts["sparse_size"] == 12
    user, item = layout.facts["user"], layout.facts["item"]
    assert isinstance(user, dict)
    assert isinstance(item, dict)
    assert user["sparse"] == [
        {
            **{"name": "platform", "field": 0, "indices": {"desktop": 0, "mobile": 1, "quest": 2}},
            **{"unknown": 3, "unknown_learnt": False},
        },
        {
            **{"name": "interest", "field": 1, "indices": {"arctic": 4, "neon": 5}},
            **{"unknown": 6, "unknown_learnt": True},
        },
    ]
    assert item["sparse"] == [
        {
            **{"name": "platform", "field": 2, "indices": {"desktop": 8, "mobile": 9, "quest": 10}},
            **{"unknown": 11, "unknown_learnt": False},
        }
    ]
    ages, sizes = 20 + np.arange(230) % 40, 1e6 + 1e3 * np.array([row for row in range(90) if row % 4])
    assert user["dense"] == [
        {"name": "age", "field": 0, "mean": pytest.approx(ages.mean()), "std": pytest.approx(ages.std())}
    ]
    assert item["dense"] == [
        {"name": "size", "field": 1, "mean": pytest.approx(sizes.mean()), "std": pytest.approx(sizes.std())},
        {"name": "constant", "field": 2, "mean": 7, "std": 1},
    ]


def test_the_rows_of_known_users_and_items(featured: TrainingData) -> None:
    _, _, layout = made(featured)
    assert layout.user_sparse[:6].tolist() == [[0, 6], [1, 5], [2, 4], [0, 5], [1, 4], [2, 6]]
    assert layout.item_sparse[:5].tolist() == [[8], [8], [9], [9], [10]]
    assert layout.user_dense.shape == (230, 1)
    assert abs(layout.user_dense.mean()) < 1e-6
    assert layout.user_dense.std() == pytest.approx(1)
    size, constant = layout.item_dense.T
    assert (size[::4] == 0).all()
    assert size[np.arange(90) % 4 != 0].std() == pytest.approx(1)
    assert (constant == 0).all()
    types = [array.dtype for array in (layout.user_sparse, layout.item_sparse, layout.user_dense, layout.item_dense)]
    assert types == [np.int32, np.int32, np.float32, np.float32]


def test_what_is_trained_on_is_a_user_s_row_and_then_an_item_s(featured: TrainingData) -> None:
    train_set, _, layout = made(featured)
    users, items = featured.users[featured.positive], featured.items[featured.positive]
    together = np.hstack([layout.user_sparse[users], layout.item_sparse[items]])
    np.testing.assert_array_equal(train_set.sparse_indices, together)
    np.testing.assert_array_equal(
        train_set.dense_values, np.hstack([layout.user_dense[users], layout.item_dense[items]])
    )


def test_the_embedding_has_as_many_rows_as_the_facts_say(featured: TrainingData) -> None:
    from libreco.utils.validate import dense_field_size, sparse_feat_size

    _, info, layout = made(featured)
    assert layout.facts["sparse_size"] == sparse_feat_size(info)
    assert dense_field_size(info) == layout.user_dense.shape[1] + layout.item_dense.shape[1]


def test_one_side_alone(featured: TrainingData) -> None:
    _, info, layout = made(featured, frozenset({"user"}))
    assert info.item_col == []
    assert layout.facts["item"] == {"sparse": [], "dense": []}
    assert (layout.item_sparse.shape, layout.item_dense.shape) == ((90, 0), (90, 0))
    _, _, both = made(featured)
    np.testing.assert_array_equal(layout.user_sparse, both.user_sparse)


def test_dense_features_alone(featured: TrainingData) -> None:
    assert featured.user_features is not None
    ages = replace(featured, user_features=FeatureTable({}, featured.user_features.dense))
    train_set, _, layout = made(ages, frozenset({"user"}))
    assert layout.facts["sparse_size"] == 0
    assert layout.user_sparse.shape == (230, 0)
    assert train_set.sparse_indices is None


def test_a_set_of_no_features_has_no_layout(featured: TrainingData, data: TrainingData) -> None:
    for given, features in ((data, BOTH), (featured, frozenset[catalogue.Owner]())):
        train_set, info = dataset.train_set(given, weighted=False, seed=1, features=features)
        assert (train_set.sparse_indices, train_set.dense_values) == (None, None)
        assert feature_layout(info, given) is None


def test_inner_ids_and_sequences_are_the_same_with_features(featured: TrainingData) -> None:
    _, plain = dataset.train_set(featured, weighted=False, seed=1)
    _, info, _ = made(featured)
    assert info.user_consumed == plain.user_consumed
    assert info.item_unique_vals.tolist() == list(range(90))


def test_librecommender_s_class_keeps_nothing(featured: TrainingData) -> None:
    from libreco.data import DatasetFeat

    before = dict(vars(DatasetFeat)), DatasetFeat.user_unique_vals, DatasetFeat.train_called
    made(featured)
    assert (dict(vars(DatasetFeat)), DatasetFeat.user_unique_vals, DatasetFeat.train_called) == before


def test_the_mean_of_large_numbers_is_not_lost() -> None:
    column = dense(np.array([3e38, 1e38, -3e38, 5]), np.array([True, True, True, False]))
    scale = Scale.of(column)
    assert scale.mean == pytest.approx(1e38 / 3)
    assert np.isfinite(scale.std)


@pytest.mark.parametrize("name", ["TwoTower", "YouTubeRetrieval"])
def test_the_layout_feeds_the_model_itself(name: str, featured: TrainingData) -> None:
    """What a call's features become by the layout is what LibRecommender makes of them."""
    params = fit.fitting_params(name, catalogue.validate(name, {"n_epochs": 1, "seed": 3}), len(featured.item_ids))
    model, exported = fit.fitted(name, params, featured, Reporter(lambda progress: None))
    layout = feature_layout(model.data_info, featured)
    assert layout is not None
    assert bool(layout.item_sparse.shape[1]) is (name == "TwoTower")
    quest, neon, aged = PLATFORMS.index("quest"), STYLES.index("neon"), layout.user_dense[7, 0]
    given = {"user:platform": quest, "user:interest": neon, "user:age": aged}
    theirs = model.dyn_user_embedding(3, user_feats=given, inner_id=True, include_bias=True)
    feed = {
        model.user_sparse_indices: [[index_of(layout, 0, "quest"), index_of(layout, 1, "neon")]],
        model.user_dense_values: [[aged]],
        model.is_training: False,
    }
    if name == "TwoTower":
        feed[model.user_indices] = [3]
    else:
        sequence = model.user_consumed[3][-model.max_seq_len :]
        feed[model.item_interaction_indices] = np.zeros((len(sequence), 2), dtype=np.int64)
        feed[model.item_interaction_values] = sequence
        feed[model.modified_batch_size] = 1
    ours = model.sess.run(model.user_embeds, feed)[0]
    np.testing.assert_allclose(ours, theirs[: len(ours)], rtol=1e-4, atol=1e-6)
    assert not np.allclose(vectors_of(exported).user_vectors[3, : len(ours)], ours, rtol=1e-2)


def index_of(layout: FeatureLayout, column: int, value: str) -> int:
    user = layout.facts["user"]
    assert isinstance(user, dict)
    assert isinstance(user["sparse"], list)
    facts = user["sparse"][column]
    assert isinstance(facts, dict)
    assert isinstance(facts["indices"], dict)
    index = facts["indices"][value]
    assert isinstance(index, int)
    return index
