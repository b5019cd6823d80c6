"""The catalogue against the signatures of LibRecommender's classes."""

from __future__ import annotations

import inspect

import pytest

from port_worker.training.catalogue import ALGORITHMS, Algorithm
from port_worker.training.hyperparameter import HyperParameter

# What is ours to decide (data, threads, devices, what is kept in memory), what needs features that no source has, and
# BPR's second implementation, which has no progress to report.
NOT_LISTED = {
    "task", "data_info", "lower_upper_bound", "tf_sess_config", "n_threads", "num_threads", "device", "with_training",
    "multi_sparse_combiner", "ssl_pattern", "use_tf", "optimizer", "store_top_k",
}  # fmt: skip
NEEDS_FEATURES = {"TwoTower": {"alpha"}}
SPLIT = {"WideDeep": {"lr_wide": "lr", "lr_deep": "lr"}}  # a dict of two numbers, and None for those it would take


def signature(algorithm: Algorithm) -> dict[str, inspect.Parameter]:
    import libreco.algorithms

    parameters = dict(inspect.signature(getattr(libreco.algorithms, algorithm.name)).parameters)
    left_out = NOT_LISTED | NEEDS_FEATURES.get(algorithm.name, set())
    return {name: parameter for name, parameter in parameters.items() if name not in left_out}


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=lambda algorithm: algorithm.name)
def test_parameters_are_the_ones_of_librecommender(algorithm: Algorithm) -> None:
    split = SPLIT.get(algorithm.name, {})
    assert {split.get(parameter.name, parameter.name) for parameter in algorithm.parameters} == set(
        signature(algorithm)
    )


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize(
    ("algorithm", "parameter"),
    [
        pytest.param(algorithm, parameter, id=f"{algorithm.name}-{parameter.name}")
        for algorithm in ALGORITHMS.values()
        for parameter in algorithm.parameters
        if parameter.name not in SPLIT.get(algorithm.name, {})
    ],
)
def test_defaults_are_its_own_unless_we_say_why_not(algorithm: Algorithm, parameter: HyperParameter) -> None:
    theirs = signature(algorithm)[parameter.name].default
    theirs = list(theirs) if isinstance(theirs, tuple) else [theirs] if parameter.kind == "integers" else theirs
    assert (parameter.default != theirs) is bool(parameter.ours)
