"""A stored encoder computes what LibRecommender's model does: of what it has learnt, of any sequence, of features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.encoders.encoder import ArrayEncoder
from port_worker.serving.ranking import OptionError
from port_worker.sources.features import UNKNOWN, DenseColumn, FeatureTable, SparseColumn
from port_worker.store.encoder import EncoderArrays
from port_worker.training import catalogue, fit
from port_worker.training.dataset import TrainingData
from port_worker.training.encoder_export import encoder_arrays
from port_worker.training.progress import Reporter
from tests.training.conftest import N_ITEMS, N_USERS
from tests.training.exports import vectors_of

STRANGER = -1
LANGUAGES = ("de", "en", "fr", "ja")
_QUICK: dict[str, object] = {"n_epochs": 2, "seed": 3}

SEQUENTIAL: list[tuple[str, dict[str, object]]] = [
    ("RNN4Rec", {}),
    ("RNN4Rec", {"hidden_units": [12, 8], "use_layer_norm": True, "norm_embed": True, "dropout_rate": 0.2}),
    ("RNN4Rec", {"rnn_type": "lstm", "hidden_units": [8, 12], "recent_num": 4}),
    ("RNN4Rec", {"rnn_type": "lstm", "hidden_units": [12], "use_layer_norm": True}),
    ("Caser", {"recent_num": 13, "nh_filters": 3, "dropout_rate": 0.2}),
    ("Caser", {"norm_embed": True, "use_bn": True, "recent_num": 1}),
    ("WaveNet", {"n_blocks": 2, "n_filters": 9}),
    ("WaveNet", {"norm_embed": True, "use_bn": True, "recent_num": None, "random_num": 3}),
    ("YouTubeRetrieval", {"dropout_rate": 0.2}),
    ("YouTubeRetrieval", {"use_bn": False, "norm_embed": True, "hidden_units": [24], "recent_num": 6}),
]
WITHOUT_SEQUENCE: list[tuple[str, dict[str, object]]] = [
    ("TwoTower", {}),
    ("TwoTower", {"use_bn": False, "norm_embed": False, "hidden_units": [12]}),
]
WITH_FEATURES: list[tuple[str, dict[str, object]]] = [
    ("TwoTower", {}),
    ("TwoTower", {"use_bn": False, "norm_embed": False, "loss_type": "cross_entropy"}),
    ("YouTubeRetrieval", {}),
    ("YouTubeRetrieval", {"use_bn": False, "norm_embed": True}),
]

pytestmark = pytest.mark.usefixtures("_libraries")


class Case(NamedTuple):
    """LibRecommender's fitted model, and the encoder as a worker opens it."""

    model: Any
    stored: EncoderArrays
    encoder: ArrayEncoder


def fitted(name: str, params: dict[str, object], data: TrainingData, folder: Path) -> Case:
    checked = fit.fitting_params(name, catalogue.validate(name, {**_QUICK, **params}), len(data.item_ids))
    model, exported = fit.fitted(name, checked, data, Reporter(lambda _: None))
    arrays = encoder_arrays(model, data)
    assert arrays is not None
    arrays.write(folder)
    stored = EncoderArrays.open(folder, json.loads(json.dumps(arrays.description.to_json())), vectors_of(exported))
    return Case(model, stored, ArrayEncoder(stored))


def named(variant: tuple[str, dict[str, object]]) -> str:
    return "-".join([variant[0], *(f"{key}={value}" for key, value in variant[1].items())])


@pytest.fixture(scope="module", params=SEQUENTIAL, ids=named)
def sequential(
    request: pytest.FixtureRequest, data: TrainingData, _libraries: None, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    name, params = request.param
    return fitted(name, params, data, tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def described(data: TrainingData) -> TrainingData:
    """The same with features: one that all have, one that some have, and a number that some have."""
    rng = np.random.default_rng(11)
    has = rng.random(N_USERS) < 0.7
    languages = np.where(has, rng.integers(0, 4, N_USERS), UNKNOWN).astype(np.int32)
    users = FeatureTable(
        {
            "language": SparseColumn(languages, LANGUAGES),
            "platform": SparseColumn(rng.integers(0, 3, N_USERS).astype(np.int32), ("desktop", "headset", "phone")),
        },
        {"age": DenseColumn(np.where(has, rng.integers(14, 70, N_USERS), 0).astype(np.float32), has)},
    )
    kinds = SparseColumn((np.arange(N_ITEMS) % 3).astype(np.int32), ("avatar", "map", "prop"))
    sizes = DenseColumn(rng.random(N_ITEMS).astype(np.float32), np.ones(N_ITEMS, dtype=np.bool_))
    return replace(data, user_features=users, item_features=FeatureTable({"sort": kinds}, {"size": sizes}))


@pytest.fixture(scope="module", params=WITH_FEATURES, ids=named)
def featured(
    request: pytest.FixtureRequest, described: TrainingData, _libraries: None, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    name, params = request.param
    return fitted(name, params, described, tmp_path_factory.mktemp("encoder"))


def assert_close(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)


def rows_of(items: Sequence[int]) -> NDArray[np.int32]:
    return np.array(items, dtype=np.int32)


def learnt(case: Case) -> NDArray[np.float32]:
    """The encoder's vectors of what the model was trained on."""
    sequences = [rows_of(case.model.user_consumed[user]) for user in range(N_USERS)]
    return case.encoder.vectors(sequences, range(N_USERS), [None] * N_USERS)


def test_of_what_was_learnt_it_makes_the_vectors_that_were_learnt(sequential: Case) -> None:
    assert sequential.encoder.takes_sequence
    assert_close(learnt(sequential), sequential.model.user_embeds_np[:N_USERS])


@pytest.mark.parametrize(
    "items", [[7], [7, 3], [5, 5, 5], list(range(40, 60)), [89, 0]], ids=["one", "two", "thrice", "long", "ends"]
)
@pytest.mark.parametrize("user", [0, 17, STRANGER])
def test_of_any_sequence_it_makes_the_same_vector(sequential: Case, user: int, items: list[int]) -> None:
    theirs = sequential.model.dyn_user_embedding(user, seq=items, include_bias=True)
    ours = sequential.encoder.vectors([rows_of(items)], [None if user == STRANGER else user], [None])
    assert_close(ours, theirs[None])


def test_a_stranger_without_a_sequence_is_as_one_without_is_to_the_model(sequential: Case) -> None:
    theirs = sequential.model.dyn_user_embedding(STRANGER, include_bias=True)
    assert_close(sequential.encoder.vectors([rows_of([])], [None], [None]), theirs[None])


def test_its_vectors_rank_as_the_model_does(sequential: Case) -> None:
    items = [3, 6, 9, 12, 15, 18]
    theirs = sequential.model.recommend_user(STRANGER, 10, seq=items)[STRANGER]
    item_vectors = sequential.model.item_embeds_np[:N_ITEMS]
    scores = item_vectors @ sequential.encoder.vectors([rows_of(items)], [None], [None])[0]
    best = np.argsort(-scores, kind="stable")[:10]
    assert_close(scores[theirs], scores[best])


@pytest.mark.parametrize("variant", WITHOUT_SEQUENCE, ids=named)
def test_a_tower_without_features_makes_the_vectors_that_were_learnt(
    variant: tuple[str, dict[str, object]], data: TrainingData, tmp_path: Path
) -> None:
    case = fitted(*variant, data, tmp_path)
    assert (case.encoder.takes_sequence, case.encoder.takes_features) == (False, False)
    assert_close(learnt(case), case.model.user_embeds_np[:N_USERS])
    with pytest.raises(OptionError, match="none: the model has none"):
        case.encoder.check_features({"language": "de"})


def test_learnt_features_make_the_vectors_that_were_learnt(featured: Case) -> None:
    assert featured.encoder.takes_features
    assert_close(learnt(featured), featured.model.user_embeds_np[:N_USERS])


@pytest.mark.parametrize("user", [0, 17, STRANGER])
@pytest.mark.parametrize(
    "given",
    [
        {"platform": "phone"},
        {"platform": "desktop", "language": "ja"},
        {"platform": "headset", "language": "de", "age": 33.5},
        {"platform": "headset", "age": 20},
    ],
    ids=str,
)
def test_features_of_a_call_make_the_same_vector(
    featured: Case, described: TrainingData, user: int, given: dict[str, str | float]
) -> None:
    feats = as_trained(given, described)
    if user == STRANGER:  # what lacking one means was learnt; LibRecommender has a stranger lack it in another way
        feats.setdefault("user:language", len(LANGUAGES))
    theirs = featured.model.dyn_user_embedding(user, user_feats=feats, include_bias=True)
    sequence = rows_of([] if user == STRANGER else featured.model.user_consumed[user])
    checked, unmet = featured.encoder.check_features(given)
    ours = featured.encoder.vectors([sequence], [None if user == STRANGER else user], [checked])
    assert unmet == []
    assert_close(ours, theirs[None])


def as_trained(given: dict[str, str | float], data: TrainingData) -> dict[str, float]:
    """The call's features as LibRecommender knows them: categories are codes, numbers are scaled."""
    table = data.user_features
    assert table is not None
    age = table.dense["age"]
    known = age.values[age.known].astype(np.float64)
    return {
        f"user:{name}": (
            table.sparse[name].vocabulary.index(value)
            if isinstance(value, str)
            else float((value - known.mean()) / known.std())
        )
        for name, value in given.items()
    }


def test_a_value_that_was_never_met_is_named_and_left_out(featured: Case) -> None:
    checked, unmet = featured.encoder.check_features({"language": "tlh", "platform": "phone"})
    assert (dict(checked), unmet) == ({"platform": "phone"}, ["language"])
    ours = featured.encoder.vectors([rows_of([])] * 2, [None, None], [checked, {"platform": "phone"}])
    np.testing.assert_array_equal(ours[0], ours[1])


def test_what_nobody_lacked_in_training_is_the_mean_where_it_lacks(featured: Case) -> None:
    """LibRecommender leaves there what it was initialised to. Of `language` it has learnt what lacking one means."""
    platform = next(each for each in featured.stored.description.features.sparse if each.name == "platform")
    embeds = featured.stored.arrays["sparse_embeds"]
    assert not platform.unknown_learnt
    np.testing.assert_allclose(
        embeds[platform.unknown], embeds[list(platform.indices.values())].mean(axis=0), rtol=1e-6
    )
    assert [each.unknown_learnt for each in featured.stored.description.features.sparse] == [True, False]


def test_sequence_and_features_together(described: TrainingData, tmp_path: Path) -> None:
    case = fitted("YouTubeRetrieval", {}, described, tmp_path)
    given: dict[str, str | float] = {"platform": "phone", "language": "fr", "age": 41.0}
    feats = as_trained(given, described)
    theirs = case.model.dyn_user_embedding(STRANGER, user_feats=feats, seq=[4, 7], include_bias=True)
    assert_close(case.encoder.vectors([rows_of([4, 7])], [None], [given]), theirs[None])


def test_what_computes_no_vectors_has_no_encoder(data: TrainingData) -> None:
    model, _ = fit.fitted("ALS", catalogue.validate("ALS", {"n_epochs": 1}), data, Reporter(lambda _: None))
    assert encoder_arrays(model, data) is None
