"""A stored network scores and ranks as LibRecommender's model does: known users, any sequence, any features."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.serving.ranking import FullRanking, Ranked, Wanted
from port_worker.serving.subject import Subject
from port_worker.sources.features import UNKNOWN, DenseColumn, FeatureTable, SparseColumn
from port_worker.training.dataset import TrainingData
from tests.training.networks import NETWORKS, SEQUENTIAL, WITH_FEATURES, Case, arrays_of, fitted

USERS_COMPARED = 200
LENGTH = 10
TIE = 1e-4
"""Items whose scores are so close to the last one's may stand in each other's place."""

LANGUAGES = ("de", "en", "fr", "ja")
NOTHING = np.empty(0, dtype=np.int32)

VARIANTS: list[tuple[str, dict[str, object]]] = [
    ("NCF", {"use_bn": False, "dropout_rate": 0.2, "hidden_units": [8]}),
    ("FM", {"use_bn": False, "reg": 0.01}),
    ("WideDeep", {"lr_wide": 0.1, "lr_deep": 0.01, "lr_decay": True, "dropout_rate": 0.1}),
    ("DeepFM", {"use_bn": False, "hidden_units": [24, 12, 6, 3], "loss_type": "focal"}),
    ("AutoInt", {"att_embed_size": [4], "num_heads": 3, "use_residual": False}),
    ("YouTubeRanking", {"recent_num": None, "random_num": 4, "hidden_units": [16]}),
    ("DIN", {"use_tf_attention": True, "recent_num": 3}),
    ("DIN", {"use_bn": False, "embed_size": 6, "recent_num": 1}),
    ("Transformer", {"num_tfm_layers": 2, "num_heads": 4, "positional_embedding": "sinusoidal"}),
    ("Transformer", {"use_causal_mask": True, "feat_agg_mode": "elementwise", "use_bn": False}),
    ("SIM", {"search_topk": 2, "long_max_len": 4, "short_max_len": 3, "num_heads": 1, "alpha": 0.5}),
    ("SIM", {"use_bn": False, "hidden_units": [16], "short_max_len": 40}),
]

pytestmark = pytest.mark.usefixtures("_libraries")


def named(variant: tuple[str, dict[str, object]]) -> str:
    return "-".join([variant[0], *(f"{key}={value}" for key, value in variant[1].items())])


@pytest.fixture(scope="module")
def cases(data: TrainingData, _libraries: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Each network with its defaults, fitted once."""
    return functools.cache(lambda name: fitted(name, {}, data, tmp_path_factory.mktemp("network")))


@pytest.fixture(params=NETWORKS)
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


@pytest.fixture(params=SEQUENTIAL)
def sequential(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


@pytest.fixture(scope="module")
def described(data: TrainingData) -> TrainingData:
    """The same with features of users and items, sparse and dense, some of them unknown."""
    rng = np.random.default_rng(11)
    users, items = len(data.user_ids), len(data.item_ids)
    has = rng.random(users) < 0.7
    languages = np.where(has, rng.integers(0, len(LANGUAGES), users), UNKNOWN).astype(np.int32)
    kinds = SparseColumn((np.arange(items) % 3).astype(np.int32), ("avatar", "map", "prop"))
    return replace(
        data,
        user_features=FeatureTable(
            {"language": SparseColumn(languages, LANGUAGES)},
            {"age": DenseColumn(np.where(has, rng.integers(14, 70, users), 0).astype(np.float32), has)},
        ),
        item_features=FeatureTable(
            {"sort": kinds}, {"size": DenseColumn(rng.random(items).astype(np.float32), np.ones(items, dtype=np.bool_))}
        ),
    )


@pytest.fixture(scope="module", params=WITH_FEATURES)
def featured(
    request: pytest.FixtureRequest, described: TrainingData, _libraries: None, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    return fitted(request.param, {}, described, tmp_path_factory.mktemp("network"))


def assert_close(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=3e-6)


def scores(case: Case, *subjects: Subject) -> list[NDArray[np.float32]]:
    return arrays_of(case.scorer.scores(subjects))


def assert_ranked_alike(case: Case, ranked: Ranked, row: int, theirs: NDArray[np.int64]) -> None:
    """The scores of their items in their order are ours in our order: only equal ones may have changed places."""
    whole = case.their_scores(row)
    assert_close(ranked.scores, whole[theirs])
    gaps = ranked.scores - ranked.scores[-1]
    apart = {int(item) for item, gap in zip(ranked.rows, gaps, strict=True) if gap > TIE}
    assert apart <= set(theirs.tolist())


@pytest.mark.parametrize("filter_consumed", [True, False])
def test_what_is_served_equals_its_own_recommendations(case: Case, filter_consumed: bool) -> None:
    users = range(USERS_COMPARED)
    theirs = case.model.recommend_user(list(users), LENGTH, filter_consumed=filter_consumed)
    banned = [case.consumed(row) if filter_consumed else np.empty(0, dtype=np.intp) for row in users]
    wanted = [Wanted(case.subject(row), LENGTH, banned[row], None) for row in users]
    ranked = [each for each in FullRanking(case.scorer).rank(wanted) if each is not None]
    for row, best in enumerate(ranked):
        assert case.scorer.source(wanted[row].subject) == "model"
        assert_ranked_alike(case, best, row, theirs[row])


@pytest.mark.parametrize("variant", VARIANTS, ids=named)
def test_every_hyper_parameter_is_served(
    variant: tuple[str, dict[str, object]], data: TrainingData, tmp_path_factory: pytest.TempPathFactory
) -> None:
    name, params = variant
    case = fitted(name, params, data, tmp_path_factory.mktemp("network"))
    for row in range(0, 200, 40):
        assert_close(scores(case, case.subject(row))[0], case.their_scores(row))


@pytest.mark.parametrize("length", [1, 2, 9, 10, 11, 60])
def test_any_sequence_is_scored_as_it_scores_it(sequential: Case, length: int) -> None:
    sequence = np.random.default_rng(length).permutation(sequential.items)[:length].astype(np.int32)
    weights = np.ones(length, dtype=np.float32)
    for row in (3, None):
        subject = Subject(row, sequence, weights, fresh=True)
        theirs = sequential.their_scores(sequential.users if row is None else row, sequence.tolist())
        assert sequential.scorer.source(subject) == "fold_in"
        assert_close(scores(sequential, subject)[0], theirs)


def test_nothing_recent_leaves_what_was_learnt(sequential: Case) -> None:
    subject = Subject(5, NOTHING, np.empty(0, dtype=np.float32), fresh=True)
    assert sequential.scorer.source(subject) == "model"
    assert_close(scores(sequential, subject)[0], sequential.their_scores(5))


def test_what_one_side_determines_is_not_computed_for_pairs(cases: Callable[[str], Case]) -> None:
    program = cases("Transformer").program
    of_subjects, of_pairs = (
        [step.operation for step in steps] for steps in (program.subject_steps, program.pair_steps)
    )
    assert {"erf", "einsum", "rsqrt"} <= set(of_subjects)  # its layers over the sequence
    assert not {"erf", "einsum", "rsqrt", "gather", "concat"} & set(of_pairs)


def test_features_may_be_put_together_elementwise(
    described: TrainingData, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = fitted("Transformer", {"feat_agg_mode": "elementwise"}, described, tmp_path_factory.mktemp("network"))
    assert_close(scores(case, case.subject(9))[0], case.their_scores(9))


def test_features_are_learnt_and_served(featured: Case) -> None:
    for row in range(0, 200, 20):
        assert_close(scores(featured, featured.subject(row))[0], featured.their_scores(row))


@pytest.mark.parametrize("given", [{"language": "fr"}, {"age": 50.0}, {"language": "de", "age": 14.0}])
def test_features_of_a_call_replace_those_that_are_known(featured: Case, given: dict[str, object]) -> None:
    """LibRecommender takes codes and scaled values, as it was trained on."""
    age = featured.scorer._features._dense["age"][1]
    codes: dict[str, object] = {}
    if "language" in given:
        codes["user:language"] = LANGUAGES.index(str(given["language"]))
    if "age" in given:
        codes["user:age"] = (float(str(given["age"])) - age.mean) / age.std
    features, unmet = featured.scorer.check_features(given)  # type: ignore[arg-type]
    assert not unmet
    subject = featured.subject(7, features)
    assert featured.scorer.source(subject) == "features"
    assert_close(scores(featured, subject)[0], featured.their_scores(7, features=codes))


def test_an_unknown_user_with_features_is_scored_by_them(featured: Case) -> None:
    features, _ = featured.scorer.check_features({"language": "en"})
    stranger = Subject(None, NOTHING, np.empty(0, dtype=np.float32), fresh=True, features=features)
    age = featured.scorer._features._dense["age"][1]
    theirs = featured.their_scores(featured.users, features={"user:language": 1, "user:age": 0.0})
    assert age.std > 0
    assert featured.scorer.source(stranger) == "features"
    assert_close(scores(featured, stranger)[0], theirs)
