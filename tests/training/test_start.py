"""A training goes on from the active model: the same rows for the same ids, the rest as its seed makes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from port_worker.sources.columns import Interactions
from port_worker.sources.features import DenseColumn, FeatureTable, SparseColumn
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.variables import VariablesFile
from port_worker.training import catalogue, dataset, fit, model_variables
from port_worker.training.catalogue import ALGORITHMS, Algorithm
from port_worker.training.dataset import TrainingData
from port_worker.training.exported import Exported
from port_worker.training.feature_layout import feature_layout
from port_worker.training.model_variables import Values
from port_worker.training.progress import Progress, Reporter
from port_worker.training.start import Start
from tests.training.exports import vectors_of

pytestmark = pytest.mark.usefixtures("_libraries")

CUT = 200 * 86_400
LENGTH = 10
each_that_goes_on = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.graph] if algorithm.needs_graph else [])
        for name, algorithm in ALGORITHMS.items()
        if "warm" in algorithm.modes
    ],
)


def silent(_progress: Progress) -> None:
    """Hear nothing."""


def params_of(name: str, data: TrainingData, **given: object) -> catalogue.Params:
    return fit.fitting_params(name, catalogue.validate(name, {"seed": 3, **given}), len(data.item_ids))


def table(rows: int, values: int) -> FeatureTable:
    """A feature with so many values, and a number."""
    codes = (np.arange(rows) % values).astype(np.int32)
    vocabulary = tuple(sorted(f"value {7 * code % 10}" for code in range(values)))
    return FeatureTable(
        {"style": SparseColumn(codes, vocabulary)},
        {"size": DenseColumn(np.arange(rows, dtype=np.float32), np.ones(rows, dtype=np.bool_))},
    )


def featured(data: TrainingData, values: int) -> TrainingData:
    return replace(
        data, user_features=table(len(data.user_ids), values), item_features=table(len(data.item_ids), values + 1)
    )


@pytest.fixture(scope="module")
def before(interactions: Interactions) -> TrainingData:
    """What was known at CUT of two thirds of the items, and of all users but the last ten."""
    known_users = interactions.users.codes < len(interactions.users.ids) - 10
    old = (interactions.times <= CUT) & (interactions.items.values.astype(np.int64) % 3 > 0) & known_users
    return featured(dataset.prepare(_only(interactions, old)), 3)


@pytest.fixture(scope="module")
def after(data: TrainingData) -> TrainingData:
    """All of it: more users, items between the others, and one more value of each feature."""
    return featured(data, 4)


def start_of(data: TrainingData, *variables: VariablesFile, mode: str = "incremental") -> Start:
    models = {each.algorithm: each for each in variables}
    return Start(mode, "an active version", data.learnt_until, data.user_ids, data.item_ids, models)


def rows_of(ids: NDArray[Any], known: NDArray[Any]) -> list[tuple[int, int | None]]:
    """Each row of `ids`, and its row in `known`."""
    places = {each: row for row, each in enumerate(known.tolist())}
    return [(row, places.get(each)) for row, each in enumerate(ids.tolist())]


def value_rows(facts: Any, known: Any) -> list[tuple[int, int | None]]:
    """Likewise of the values of features."""
    return [
        (row, old["indices"].get(value))
        for owner in ("user", "item")
        for feature, old in zip(facts[owner]["sparse"], known[owner]["sparse"], strict=True)
        for value, row in feature["indices"].items()
    ]


def facts_of(algorithm: Algorithm, data: TrainingData) -> tuple[Any, Any]:
    """LibRecommender's DataInfo, and the facts of its layout."""
    _, info = dataset.train_set(data, weighted=False, seed=3, features=algorithm.features)
    layout = feature_layout(info, data)
    return info, None if layout is None else layout.facts


@each_that_goes_on
def test_known_rows_keep_their_values_and_new_ones_are_fresh(
    name: str, before: TrainingData, after: TrainingData
) -> None:
    """No model is fitted: what counts is where it would begin. The active one's variables are random."""
    algorithm = ALGORITHMS[name]
    (_, known), (info, facts) = facts_of(algorithm, before), facts_of(algorithm, after)
    rows: dict[str | None, list[tuple[int, int | None]]] = {
        "user": rows_of(after.user_ids, before.user_ids),
        "item": rows_of(after.item_ids, before.item_ids),
        "sparse": [] if facts is None else value_rows(facts, known),
    }
    fewer = {"user": len(after.user_ids) - len(before.user_ids), "item": len(after.item_ids) - len(before.item_ids)}
    fewer["sparse"] = 0 if facts is None else facts["sparse_size"] - known["sparse_size"]
    with fit.private_graph(algorithm):
        model = fit.new_model(algorithm, params_of(name, after), info)
        model_variables.build(model, algorithm.family)
        fresh = model_variables.read(model, algorithm.family)
        owners = {key: model_variables.owner_of(key) for key in fresh}
        saved = _random({key: _shape(array, fewer.get(owners[key] or "", 0)) for key, array in fresh.items()})
        start_of(before, VariablesFile(name, saved, known)).fill(algorithm, model, facts, after)
    found = model_variables.read(model, algorithm.family)
    assert found.keys() == fresh.keys()
    for key, array in found.items():
        if owners[key] is None:
            np.testing.assert_array_equal(array, saved[key])
            continue
        for row, old in rows[owners[key]]:
            np.testing.assert_array_equal(array[row], fresh[key][row] if old is None else saved[key][old])
        if owners[key] != "sparse" and len(array) > len(rows[owners[key]]):
            np.testing.assert_array_equal(array[-1], saved[key][-1])  # the padding
    assert all(0 < [old for _, old in some].count(None) < len(some) / 2 for some in rows.values() if some)


def _shape(array: NDArray[np.float32], fewer: int) -> tuple[int, ...]:
    return (len(array) - fewer, *array.shape[1:])


def _random(shapes: dict[str, tuple[int, ...]]) -> Values:
    rng = np.random.default_rng(9)
    return {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}


@each_that_goes_on
def test_our_owners_are_librecommender_s(name: str) -> None:
    """But of SVDpp's implicit feedback, which has a row for each item and which it takes for a table of users."""
    import libreco.algorithms

    model = getattr(libreco.algorithms, name)
    for owner in ("user", "item", "sparse"):
        for key in set(getattr(model, f"{owner}_variables", ())) - {"embedding/yj_var"}:
            assert model_variables.owner_of(key) == owner


def variables_in(exported: Exported) -> VariablesFile:
    [found] = [part for part in exported.parts if isinstance(part, VariablesFile)]
    return found


@pytest.mark.parametrize("name", ["BPR", "DeepFM"])
def test_a_fit_from_a_start_goes_on_from_it_and_a_seed_repeats_it(
    name: str, before: TrainingData, after: TrainingData
) -> None:
    params = params_of(name, after, n_epochs=1)
    saved = variables_in(fit.fit(name, params, before, Reporter(silent)))
    start = start_of(before, saved)
    first, again = (variables_in(fit.fit(name, params, after, Reporter(silent), start)) for _ in range(2))
    cold = variables_in(fit.fit(name, params, after, Reporter(silent)))
    key = "embedding/user_embeds_var"
    ours, theirs = np.array([each for each in rows_of(after.user_ids, before.user_ids) if each[1] is not None]).T
    moved, elsewhere = (each.values[key][ours] - saved.values[key][theirs] for each in (first, cold))
    assert 0 < np.abs(moved).mean() < np.abs(elsewhere).mean()
    for found, array in first.values.items():
        np.testing.assert_allclose(array, again.values[found], rtol=1e-4, atol=1e-6)


def test_variables_can_be_read_whatever_became_of_the_default_graph(before: TrainingData) -> None:
    """LibRecommender's `save` writes none after `reset_default_graph`, in silence."""
    import tensorflow.compat.v1 as tf

    model, exported = fit.fitted("BPR", params_of("BPR", before, n_epochs=1), before, Reporter(silent))
    tf.reset_default_graph()
    found = model_variables.read(model, "tensorflow")
    assert found.keys() == variables_in(exported).values.keys()
    assert "embedding/item_bias_var" in found


def als(data: TrainingData, epochs: int, start: Start | None = None) -> EmbeddingArrays:
    return vectors_of(fit.fit("ALS", params_of("ALS", data, n_epochs=epochs), data, Reporter(silent), start))


def test_als_goes_on_from_its_vectors(data: TrainingData) -> None:
    """One epoch more is next to where thirty ended; one from nothing is not."""
    ended, cold = als(data, 30), als(data, 1)
    values = {"user_vectors": ended.user_vectors, "item_vectors": ended.item_vectors}
    more = als(data, 1, start_of(data, VariablesFile("ALS", values), mode="warm"))
    scores = [each.user_vectors @ each.item_vectors.T for each in (ended, more, cold)]
    apart = [float(np.abs(each - scores[0]).mean()) for each in scores[1:]]
    assert apart[0] < apart[1] / 10


def test_fitting_leaves_the_data_as_it_was(data: TrainingData) -> None:
    """LibRecommender's ALS multiplies the weights of the set that it is given, each time it is fitted."""
    weights = data.weights.copy()
    for _ in range(2):
        fit.fit("ALS", params_of("ALS", data, n_epochs=1), data, Reporter(silent))
        np.testing.assert_array_equal(data.weights, weights)


def test_absent_users_keep_their_recommendations(interactions: Interactions) -> None:
    """Half of the users do nothing in the last third of the time, which alone is fitted on. What they meet then after
    all is found as well as before; by a model that has learnt from that third only, which is what a fit on newer data
    makes of ALS, it is not."""
    absent, late = interactions.users.codes % 2 == 0, interactions.times > CUT
    early, shown = (dataset.prepare(_only(interactions, rows)) for rows in (~late, ~late | ~absent))
    params = params_of("BPR", shown, batch_size=256)
    first = fit.fit("BPR", params, early, Reporter(silent))
    went_on = fit.fit("BPR", params, shown, Reporter(silent), start_of(early, variables_in(first)))
    forgot = fit.fit("BPR", params, shown, Reporter(silent), _from_nothing(shown, variables_in(went_on)))
    wanted = _only(interactions, late & absent)
    before, after, lost = (
        _recall(vectors_of(model), learnt, wanted)
        for model, learnt in ((first, early), (went_on, shown), (forgot, shown))
    )
    assert after > 0.9 * before
    assert lost < 0.7 * before


def _only(rows: Interactions, kept: NDArray[np.bool_]) -> Interactions:
    return Interactions(rows.users.at(kept), rows.items.at(kept), rows.weights[kept], rows.times[kept])


def _from_nothing(data: TrainingData, like: VariablesFile) -> Start:
    """An active model that has learnt nothing until CUT."""
    rng = np.random.default_rng(1)
    values = {name: rng.normal(0, 0.01, array.shape).astype(np.float32) for name, array in like.values.items()}
    return replace(start_of(data, VariablesFile("BPR", values)), learnt_until=CUT)


def _recall(vectors: EmbeddingArrays, data: TrainingData, wanted: Interactions) -> float:
    """How much of what users met later is among the ten best of what they had not met; of known users and items."""
    scores = vectors.user_vectors @ vectors.item_vectors.T
    scores[data.users, data.items] = -np.inf
    best = np.argpartition(-scores, LENGTH, axis=1)[:, :LENGTH]
    wanted_users, wanted_items = wanted.users.values, wanted.items.values
    known = np.isin(wanted_users, data.user_ids) & np.isin(wanted_items, data.item_ids)
    users, items = (
        np.searchsorted(ids, of[known]) for ids, of in ((data.user_ids, wanted_users), (data.item_ids, wanted_items))
    )
    new = np.isfinite(scores[users, items])
    return float((best[users[new]] == items[new][:, None]).any(axis=1).mean())


@pytest.mark.parametrize("name", ["ALS", "BPR", "UserCF", "RsItemCF"])
def test_labels_that_are_all_equal_teach_all_the_same(name: str, data: TrainingData, tmp_path: Path) -> None:
    flat = replace(data, weights=np.full_like(data.weights, 2.5))
    known = {parameter.name for parameter in ALGORITHMS[name].parameters}
    quick = {"n_epochs": 1} if "n_epochs" in known else {}
    fit.fit(name, params_of(name, flat, **quick), flat, Reporter(silent)).write(tmp_path)  # which refuses what is NaN
    assert list(tmp_path.iterdir())
