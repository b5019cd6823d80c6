"""What is accepted, what is refused, and how the refusal reads."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.training import catalogue
from port_worker.training.catalogue import ALGORITHMS, STAND_IN_MARK, validate
from port_worker.training.errors import TrainingError

WITHOUT_TORCH = [name for name, algorithm in ALGORITHMS.items() if not algorithm.needs_graph]
GRAPH = [name for name, algorithm in ALGORITHMS.items() if algorithm.needs_graph]

Hide = Callable[..., None]


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Make modules look as if they were not installed."""
    find_spec = importlib.util.find_spec

    def hide(*names: str) -> None:
        for name in names:
            monkeypatch.delitem(sys.modules, name, raising=False)

        def hiding(name: str) -> ModuleSpec | None:
            return None if name in names else find_spec(name)

        monkeypatch.setattr(importlib.util, "find_spec", hiding)

    return hide


def refusal(algorithm: str, **params: object) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        validate(algorithm, params)
    json.dumps(caught.value.details)
    return caught.value


def test_the_models_are_all_there() -> None:
    assert " ".join(WITHOUT_TORCH) == (
        "ALS BPR SVD SVDpp TwoTower YouTubeRetrieval Item2Vec DeepWalk RNN4Rec Caser WaveNet "
        "UserCF ItemCF RsUserCF RsItemCF Swing "
        "NCF FM WideDeep DeepFM AutoInt YouTubeRanking DIN Transformer SIM"
    )
    assert set(GRAPH) == {"LightGCN", "NGCF", "GraphSage", "PinSage"}


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=lambda algorithm: algorithm.name)
def test_every_default_keeps_its_own_rule(algorithm: catalogue.Algorithm) -> None:
    for parameter in algorithm.parameters:
        assert parameter.check(algorithm.name, parameter.default) == parameter.default
    names = [parameter.name for parameter in algorithm.parameters]
    assert len(set(names)) == len(names)
    assert {"seed", "n_epochs", "embed_size"} <= set(names) or algorithm.kind != "embedding"
    assert "seed" in names


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_no_params_means_the_defaults(name: str) -> None:
    assert validate(name, {}) == {parameter.name: parameter.default for parameter in ALGORITHMS[name].parameters}


def test_given_params_replace_defaults() -> None:
    assert validate("ALS", {"n_epochs": 3}) == {**validate("ALS", {}), "n_epochs": 3}


def test_an_integer_is_good_for_a_float_and_becomes_one() -> None:
    assert type(validate("ALS", {"reg": 2})["reg"]) is float


@pytest.mark.parametrize("value", [32, [32], (32,)])
def test_layers_may_be_one_integer_or_a_list(value: object) -> None:
    assert validate("RNN4Rec", {"hidden_units": value})["hidden_units"] == [32]


def test_nil_where_it_means_something() -> None:
    assert validate("SVDpp", {"recent_num": None})["recent_num"] is None


@pytest.mark.parametrize("name", ["als", "", "AlS", "DeepFm", "x" * 5000])
def test_an_unknown_algorithm_is_told_the_known_ones(name: str) -> None:
    error = refusal(name)
    assert error.code == "unknown_algorithm"
    assert error.details["known"] == list(ALGORITHMS)
    assert all(known in error.message for known in ALGORITHMS)
    assert len(error.message) < 500


def test_an_unknown_parameter_is_told_the_known_ones() -> None:
    error = refusal("ALS", learning_rate=0.1)
    assert error.code == "invalid_hyperparameter"
    assert error.details["parameter"] == "learning_rate"
    assert error.details["known"] == [parameter.name for parameter in ALGORITHMS["ALS"].parameters]
    assert "n_epochs" in error.message


@pytest.mark.parametrize(
    ("algorithm", "name", "value"),
    [
        ("ALS", "n_epochs", 0),
        ("ALS", "n_epochs", -1),
        ("ALS", "n_epochs", 10**9),
        ("ALS", "n_epochs", 3.0),
        ("ALS", "n_epochs", "ten"),
        ("ALS", "n_epochs", True),
        ("ALS", "n_epochs", None),
        ("ALS", "n_epochs", [3]),
        ("ALS", "reg", 0),
        ("ALS", "reg", -0.5),
        ("ALS", "reg", float("nan")),
        ("ALS", "reg", float("inf")),
        ("ALS", "reg", 10**400),
        ("ALS", "reg", True),
        ("ALS", "reg", "0.1"),
        ("ALS", "use_cg", 1),
        ("ALS", "use_cg", "true"),
        ("SVD", "loss_type", "bpr"),
        ("SVD", "loss_type", None),
        ("SVD", "loss_type", ["focal"]),
        ("SVD", "sampler", "Random"),
        ("TwoTower", "hidden_units", []),
        ("TwoTower", "hidden_units", [64] * 9),
        ("TwoTower", "hidden_units", [64, 0]),
        ("TwoTower", "hidden_units", [64, True]),
        ("TwoTower", "hidden_units", "64"),
        ("TwoTower", "dropout_rate", 1),
        ("Caser", "seed", -1),
        ("GraphSage", "sampler", "out-batch"),
        ("Caser", "random_num", 5),
        ("WideDeep", "lr", 0.01),
        ("WideDeep", "lr_deep", 0),
        ("SIM", "num_heads", 3),
        ("SIM", "search_topk", 101),
        ("SIM", "alpha", 1.5),
        ("Transformer", "num_heads", 5),
        ("Transformer", "feat_agg_mode", "sum"),
        ("ItemCF", "sim_type", "pearson"),
        ("RsUserCF", "k_sim", 0),
        ("Swing", "alpha", -1),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(algorithm: str, name: str, value: object) -> None:
    error = refusal(algorithm, **{name: value})
    assert error.code == "invalid_hyperparameter"
    assert error.details["parameter"] == name
    assert str(error.details["expected"]) in error.message
    assert name in error.message


def test_samplers_follow_the_paradigm() -> None:
    assert refusal("GraphSage", paradigm="i2i", sampler="unconsumed").details["parameter"] == "sampler"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
)


@given(
    st.sampled_from(WITHOUT_TORCH), st.dictionaries(st.text(max_size=8) | st.just("n_epochs"), json_values, max_size=3)
)
def test_any_input_is_either_typed_or_refused(algorithm: str, params: dict[str, object]) -> None:
    try:
        answer: object = validate(algorithm, params)
    except TrainingError as error:
        answer = {"code": error.code, **error.details}
    json.dumps(answer, allow_nan=False)


@pytest.mark.parametrize("name", GRAPH)
def test_graph_algorithms_are_refused_by_name_without_torch(name: str, hide: Hide) -> None:
    hide("torch")
    error = refusal(name)
    assert (error.code, error.details["missing"]) == ("algorithm_unavailable", ["torch"])
    assert name in error.message


def test_the_stand_in_is_not_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("torch")
    setattr(stand_in, STAND_IN_MARK, True)
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    assert not catalogue.torch_installed()
    assert refusal("LightGCN").code == "algorithm_unavailable"


@pytest.mark.parametrize("name", ["libreco", "tensorflow"])
def test_without_the_extra_train_nothing_is_trained(name: str, hide: Hide) -> None:
    hide(name)
    error = refusal("ALS")
    assert (error.code, error.details["missing"]) == ("training_unavailable", [name])


def test_bad_input_is_told_first_even_where_nothing_can_be_trained(hide: Hide) -> None:
    hide("libreco", "torch")
    assert refusal("LightGCN", n_layers=0).code == "invalid_hyperparameter"
