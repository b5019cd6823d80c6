"""Fitting one model with LibRecommender. TensorFlow is imported by `load_libraries` and not before."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from port_worker.store.variables import VariablesFile
from port_worker.training import dataset, model_variables
from port_worker.training.catalogue import ALGORITHMS, Algorithm, Params
from port_worker.training.dataset import TrainingData
from port_worker.training.export import exported
from port_worker.training.exported import Exported
from port_worker.training.feature_layout import feature_layout
from port_worker.training.hyperparameter import refused
from port_worker.training.listener import listening
from port_worker.training.priority import processors
from port_worker.training.progress import Reports
from port_worker.training.start import Start
from port_worker.training.torch_stand_in import install_if_missing

if TYPE_CHECKING:
    from port_worker.store.manifest import Json

_DISTRIBUTIONS = ("LibRecommender", "tensorflow", "tf-keras", "gensim", "torch", "numpy")


def load_libraries() -> None:
    """Import LibRecommender, which takes seconds, with what must be set before."""
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # its layers are Keras 2's
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings of TensorFlow's C++ side stay, notices go
    install_if_missing()
    import libreco.algorithms  # noqa: F401


def library_versions() -> dict[str, str]:
    """The versions of what takes part in training, of those that are installed."""
    return {name: found[0].version for name in _DISTRIBUTIONS if (found := _distributions(name))}


def _distributions(name: str) -> list[importlib.metadata.Distribution]:
    return list(importlib.metadata.distributions(name=name))


_MOST_INVERTED = 46_340
"""Rows whose pairs recfarm numbers in 32 bits: above, it stops with an overflow."""


def fitting_params(algorithm: str, params: Params, n_items: int, n_users: int = 0) -> Params:
    """The parameters as they can be used with so many users and items. Raises TrainingError `invalid_hyperparameter`.

    YouTubeRetrieval draws its negatives without replacement, by default as many as there are rows in a batch, so there
    cannot be more than items. `num_neg` has no such default to fall back to, and LibRecommender wants it below.
    """
    fitting = dict(params)
    num_neg = params.get("num_neg")
    if isinstance(num_neg, int) and num_neg >= n_items:
        raise refused(algorithm, "num_neg", f"less than the number of items, which is {n_items}", num_neg)
    rows = n_users if algorithm == "RsUserCF" else n_items
    if ALGORITHMS[algorithm].family == "rust" and params.get("mode") == "invert" and rows > _MOST_INVERTED:
        raise refused(algorithm, "mode", f"forward, since there are more than {_MOST_INVERTED} of them", "invert")
    if "num_sampled_per_batch" in params:
        wanted = params["num_sampled_per_batch"] or params["batch_size"]
        assert isinstance(wanted, int)
        fitting["num_sampled_per_batch"] = min(wanted, n_items)
    return fitting


def fit(algorithm: str, params: Params, data: TrainingData, reporter: Reports, start: Start | None = None) -> Exported:
    """Train a model and return what serves it, and what a later training can start from.

    `params` are those of `fitting_params`. Raises TrainingError for a `start` whose variables do not fit.
    """
    return fitted(algorithm, params, data, reporter, start)[1]


def fitted(
    algorithm: str, params: Params, data: TrainingData, reporter: Reports, start: Start | None = None
) -> tuple[Any, Exported]:
    """LibRecommender's own model and what serves it."""
    chosen = ALGORITHMS[algorithm]
    seed, epochs = params["seed"], params.get("n_epochs", 1)
    assert isinstance(seed, int)
    assert isinstance(epochs, int)
    random.seed(seed)  # DeepWalk's walks and the sampler `unconsumed` draw from the process-wide generator

    def hear(epochs_done: float, loss: float | None) -> None:
        ended = loss is not None and epochs_done == int(epochs_done)  # the loss is that of the epoch before
        running = min(int(epochs_done) + (not ended), epochs)
        reporter.report("fit", epochs_done / epochs, epoch=running, epochs=epochs, loss=loss)

    with private_graph(chosen):
        reporter.report("fit", 0.0, epochs=epochs)
        weighted = chosen.family == "als"
        newer_than = None if start is None else start.newer_than
        train_set, info = dataset.train_set(
            data, weighted=weighted, seed=seed, features=chosen.features, newer_than=newer_than
        )
        layout = feature_layout(info, data)
        features = None if layout is None else layout.facts
        model = new_model(chosen, params, info)
        if start is not None:
            model_variables.build(model, chosen.family)
            start.fill(chosen, model, features, data)
        with listening(model, chosen.family, hear, reporter.may_begin):
            model.fit(train_set, neg_sampling=True, verbose=0)
        served = exported(chosen, params, model, info, data)
        return model, replace(served, parts=(*served.parts, *_variables(chosen, model, features)))


def _variables(algorithm: Algorithm, model: Any, features: dict[str, Json] | None) -> tuple[VariablesFile, ...]:
    """What a later training can start from. ALS has nothing beside its vectors, which serving has."""
    if algorithm.family == "als" or "warm" not in algorithm.modes:
        return ()
    return (VariablesFile(algorithm.name, model_variables.read(model, algorithm.family), features),)


def private_graph(algorithm: Algorithm) -> Any:
    """TensorFlow models of one process must not share a graph: the second one's variables would exist already."""
    if algorithm.family != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.Graph().as_default()


def new_model(algorithm: Algorithm, params: Params, info: Any) -> Any:
    """LibRecommender's model before it is fitted; one of TensorFlow belongs in a graph of its own."""
    import libreco.algorithms

    return getattr(libreco.algorithms, algorithm.name)("ranking", info, **_arguments(params), **_threads(algorithm))


def _arguments(params: Params) -> dict[str, Any]:
    """As LibRecommender takes them: WideDeep has one learning rate for each of its sides, in a dict."""
    rates = {f"lr_{side}": side for side in ("wide", "deep")}
    arguments: dict[str, Any] = {name: value for name, value in params.items() if name not in rates}
    return arguments | ({"lr": {side: params[name] for name, side in rates.items()}} if "lr_wide" in params else {})


def _threads(algorithm: Algorithm) -> dict[str, int]:
    """ALS and Rust give the same result with any number; with more than one, gensim's models differ from run to run."""
    every = processors()
    # cf: more threads would only count, each in a table of its own of a gigabyte. Nor does it need to keep the most
    # similar in Python's lists: the export takes them from its matrix.
    return {
        "als": {"n_threads": every},
        "cf": {"num_threads": 1, "store_top_k": False},
        "gensim": {"n_threads": 1},
        "rust": {"num_threads": every},
    }.get(algorithm.family, {})
