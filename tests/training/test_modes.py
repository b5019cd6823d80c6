"""The modes of a training: what they learn from, what they leave as a full rebuild makes it, and what they refuse."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from port_worker.evaluation.policy import GatePolicy
from port_worker.sources.definition import SourceDefinition
from port_worker.sources.registry import open_source
from port_worker.store.errors import ModelDamaged
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore
from port_worker.training import dataset
from port_worker.training.catalogue import ALGORITHMS
from port_worker.training.course import Course
from port_worker.training.dataset import TrainingData
from port_worker.training.errors import TrainingError
from port_worker.training.holdout import leave_last_out
from port_worker.training.messages import Job
from port_worker.training.modes import check_mode
from port_worker.training.plan import make_plan
from port_worker.training.progress import Progress, Reporter
from port_worker.training.start import Start, read_start
from tests.training.growing_world import GrowingWorld, catalogue_of, met_in, popular_in

UNJUDGED = GatePolicy(minimum_users=10**6)
_QUICK: dict[str, Any] = {"seed": 3, "n_epochs": 1}
_LARGE_BATCHES: dict[str, Any] = {"batch_size": 4096}


def silent(_progress: Progress) -> None:
    """Hear nothing."""


class Home:
    """A growing world and a store, trained in this process."""

    def __init__(self, folder: Path, parts: int = 4) -> None:
        self.world = GrowingWorld(folder / "world.sqlite", parts, users=60, items=80, visits=1500)
        self.store = ModelStore(folder / "models")

    def train(self, algorithm: str, mode: str = "full", gate: GatePolicy = UNJUDGED, **more: Any) -> Manifest:
        """A version, which is then the active one. `more`: hyper-parameters, and `keep_variables`."""
        kept = more.pop("keep_variables", True)
        plan = make_plan(algorithm, {**_QUICK, **more})
        parts = (plan.algorithm, plan.params, plan.retriever, plan.retriever_params)
        job = Job(
            SourceDefinition(self.world.spec), str(self.store.root), *parts, mode=mode, gate=gate, keep_variables=kept
        )
        version = Course(job, Reporter(silent)).run().version
        self.store.activate(version)
        return self.store.read(version)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.world.grow()
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("trained"))
    made.world.grow()
    made.train("BPR")
    return made


@pytest.mark.usefixtures("_libraries")
@pytest.mark.parametrize("algorithm", ["ALS", "BPR", "DeepFM", "TwoTower", "DIN"])
def test_a_catalogue_is_that_of_a_full_rebuild_whatever_came_before(home: Home, algorithm: str) -> None:
    """Counted one by one from the source: LibRecommender's `merge_trainset` counts again what has met before, and takes
    popular items from the last part alone."""
    other = "incremental" if "incremental" in ALGORITHMS[algorithm].modes else "warm"
    batches: dict[str, Any] = {} if algorithm == "ALS" else _LARGE_BATCHES
    last: str | None = None
    for mode in ("full", other, other):
        manifest = home.train(algorithm, mode, **batches)
        arrays = catalogue_of(home.store, manifest.version)
        assert met_in(arrays) == home.world.met()
        assert popular_in(arrays) == home.world.popular()
        assert (manifest.facts["mode"], manifest.facts["started_from"]) == (mode, last)
        last = manifest.version if mode == "full" or last is not None else None
        home.world.grow()


@pytest.mark.usefixtures("_libraries")
def test_both_stages_go_on(home: Home) -> None:
    first = home.train("BPR+NCF", **_LARGE_BATCHES)
    home.world.grow()
    second = home.train("BPR+NCF", "incremental", **_LARGE_BATCHES)
    assert second.facts["started_from"] == first.version
    assert {"variables_bpr.npy", "variables_ncf.npy"} < set(second.files)


@pytest.mark.usefixtures("_libraries")
def test_what_is_newer_is_fitted_on_and_all_is_known(data: TrainingData) -> None:
    newer_than = int(np.quantile(data.times, 0.7))
    whole, every = dataset.train_set(data, weighted=False, seed=1)
    part, info = dataset.train_set(data, weighted=False, seed=1, newer_than=newer_than)
    newer = data.times > newer_than
    assert list(zip(part.user_indices, part.item_indices, strict=True)) == list(
        zip(data.users[newer], data.items[newer], strict=True)
    )
    assert len(whole) == len(data.users)
    assert (info.user_consumed, info.item_consumed) == (every.user_consumed, every.item_consumed)
    assert info.popular_items == every.popular_items
    assert (info.n_users, info.n_items) == (every.n_users, every.n_items)


@pytest.mark.usefixtures("_libraries")
def test_librecommender_s_own_merge_is_what_we_do_without(data: TrainingData) -> None:
    """Should a later one of it count right, ours may go: repeated pairs are consumed twice, popular items replaced."""
    import pandas as pd
    from libreco.data import DatasetPure

    class Private(DatasetPure):  # type: ignore[misc]
        """Keeps what it stores on its class to this test."""

    frame = pd.DataFrame({"user": data.users, "item": data.items, "label": 1.0})
    _, info = Private.build_trainset(frame)
    best = info.popular_items[0]
    part = frame[frame["item"] != best].tail(300)
    _, merged = Private.merge_trainset(part, info)
    user = int(part["user"].iloc[-1])
    assert len(merged.user_consumed[user]) > len(set(merged.user_consumed[user]))
    assert merged.popular_items.index(best) > 50


def held(data: TrainingData, newer_than: int | None, most: int = 10**6) -> set[tuple[int, int]]:
    found = leave_last_out(data, most, 1, newer_than)
    return set(zip(found.users.tolist(), found.items.tolist(), strict=True))


def test_what_a_start_has_learnt_is_not_held_out(data: TrainingData) -> None:
    newer_than = int(np.quantile(data.times, 0.9))
    everybody, newer = held(data, None), held(data, newer_than)
    times = {
        (user, item): time
        for user, item, time in zip(data.users.tolist(), data.items.tolist(), data.times.tolist(), strict=True)
    }
    assert newer == {pair for pair in everybody if times[pair] > newer_than}
    assert 0 < len(newer) < len(everybody)


def test_half_of_what_is_newer_stays_to_be_learnt(data: TrainingData) -> None:
    newest = np.sort(data.times)[-21:]
    assert len(held(data, int(newest[0]))) == 10
    assert held(data, data.learnt_until) == set()


@pytest.mark.usefixtures("_libraries")
def test_a_started_model_is_judged_by_what_its_start_did_not_know(home: Home) -> None:
    home.train("BPR")
    home.world.grow()
    manifest = home.train("BPR", "incremental", GatePolicy(minimum_users=10))
    evaluation: Any = manifest.facts["evaluation"]
    assert evaluation["basis"] == "holdout"
    assert evaluation["users"] == evaluation["compared_users"] < 60


class TestRefused:
    """Before anything is fitted, by what is in the way; the error names the mode."""

    def refusal(self, home: Home, algorithm: str, mode: str = "incremental", **params: object) -> TrainingError:
        plan = make_plan(algorithm, params)
        with pytest.raises(TrainingError, match=f"mode: {mode} expects ") as caught:
            read_start(home.store, plan, mode)
        assert (caught.value.details["field"], caught.value.details["mode"]) == ("mode", mode)
        return caught.value

    @pytest.mark.parametrize("algorithm", ["ALS", "ItemCF", "RsItemCF", "Swing", "Item2Vec", "ALS+NCF"])
    def test_an_algorithm_that_cannot(self, home: Home, algorithm: str) -> None:
        error = self.refusal(home, algorithm)
        known: Any = error.details["known"]
        assert error.code == "unsupported_option"
        assert {"BPR", "DeepFM", "TwoTower", "DIN"} <= set(known)
        assert "ALS" not in known

    @pytest.mark.parametrize("mode", ["incremental", "warm"])
    def test_no_active_model(self, home: Home, mode: str) -> None:
        assert "an active model of BPR to start from, got none" in str(self.refusal(home, "BPR", mode))

    def test_an_active_model_of_another_algorithm(self, trained: Home) -> None:
        assert "an active model of DeepFM, got " in str(self.refusal(trained, "DeepFM", "warm"))

    @pytest.mark.parametrize(("name", "value"), [("embed_size", 8), ("norm_embed", True)])
    def test_another_model_of_the_same_algorithm(self, trained: Home, name: str, value: object) -> None:
        given: dict[str, Any] = {name: value}
        error = self.refusal(trained, "BPR", **given)
        assert error.details["parameters"] == [name]
        assert str(error).endswith(f"got {name} {value}")

    def test_other_ways_of_learning_are_the_caller_s(self, trained: Home) -> None:
        plan = make_plan("BPR", {"seed": 9, "lr": 0.5, "n_epochs": 3, "num_neg": 2, "batch_size": 64})
        assert read_start(trained.store, plan, "warm") is not None

    @pytest.mark.usefixtures("_libraries")
    def test_a_version_that_keeps_no_variables(self, home: Home) -> None:
        manifest = home.train("BPR", keep_variables=False)
        assert not [name for name in manifest.files if name.startswith("variables")]
        assert "PORT_WORKER_KEEP_VARIABLES=yes keeps, got none" in str(self.refusal(home, "BPR"))

    def test_changed_variables_are_damage(self, trained: Home, tmp_path: Path) -> None:
        import shutil

        store = ModelStore(Path(shutil.copytree(trained.store.root, tmp_path / "copy")))
        version = store.active()
        assert version is not None
        with (store.folder(version) / "variables_bpr.npy").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x7f")
        with pytest.raises(ModelDamaged, match=r"variables_bpr\.npy"):
            read_start(store, make_plan("BPR", _QUICK), "warm")

    def test_full_starts_from_nothing(self, trained: Home) -> None:
        assert read_start(trained.store, make_plan("ItemCF", {}), "full") is None

    def test_every_algorithm_says_which_modes_it_has(self) -> None:
        for name, algorithm in ALGORITHMS.items():
            assert algorithm.modes[0] == "full"
            for mode in algorithm.modes:
                check_mode(make_plan(name, {}), mode)


class TestData:
    """What the data must be for a start, whatever the mode."""

    def start(self, home: Home, mode: str = "incremental") -> Start:
        found = read_start(home.store, make_plan("BPR", _QUICK), mode)
        assert found is not None
        return found

    def data(self, home: Home) -> TrainingData:
        source = open_source(home.world.spec)
        return dataset.described(dataset.prepare(source.interactions()), source)

    def test_nothing_newer(self, trained: Home) -> None:
        with pytest.raises(TrainingError, match="expects interactions of positive weight after") as caught:
            self.start(trained).check(self.data(trained))
        assert (caught.value.code, caught.value.details["field"]) == ("source_empty", "mode")
        self.start(trained, "warm").check(self.data(trained))

    @pytest.mark.parametrize("side", ["user_ids", "item_ids"])
    @pytest.mark.parametrize("others", [np.arange(100), np.array([b"z%d" % row for row in range(100)])])
    def test_nobody_known(self, trained: Home, side: str, others: Any) -> None:
        data = self.data(trained)
        strange = replace(data, **{side: others[: len(getattr(data, side))]})
        with pytest.raises(TrainingError, match=f"some {side[:4]}s of the active model .* in the source, got none"):
            self.start(trained, "warm").check(strange)

    def test_feature_columns_that_changed(self, trained: Home) -> None:
        data = self.data(trained)
        assert data.user_features is not None
        none: dict[str, Any] = {"sparse": [], "dense": []}
        user: dict[str, Any] = {"sparse": [{"name": name} for name in data.user_features.sparse], "dense": []}
        start = self.start(trained, "warm")
        models = {"YouTubeRetrieval": replace(start.models["BPR"], features={"user": user, "item": none})}
        same = replace(start, models=models)
        same.check(data)
        fewer = replace(data.user_features, sparse=dict(list(data.user_features.sparse.items())[1:]))
        for changed in (fewer, None):
            with pytest.raises(TrainingError, match="mode: warm expects the features of the active model") as caught:
                same.check(replace(data, user_features=changed))
            assert caught.value.details["algorithm"] == "YouTubeRetrieval"

    def test_columns_in_another_order_are_the_same_features(self, home: Home) -> None:
        before = self.data(home)
        with closing(sqlite3.connect(home.world.spec.partition(":")[2])) as connection, connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(users)")]
            connection.execute("ALTER TABLE users RENAME TO people")
            connection.execute(f"CREATE TABLE users AS SELECT {', '.join(reversed(columns))} FROM people")
        after = self.data(home)
        assert before.user_features is not None
        assert after.user_features is not None
        assert list(after.user_features.sparse) == list(before.user_features.sparse)
        assert len(before.user_features.sparse) > 1
