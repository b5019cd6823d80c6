"""Trainings from a file to a stored version, and what the gate says of them: LibRecommender's ALS, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from port_worker.evaluation.policy import GatePolicy
from port_worker.sources.definition import SourceDefinition
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.models import ModelStore
from port_worker.training.catalogue import validate
from port_worker.training.course import Course
from port_worker.training.messages import Done, Job
from port_worker.training.progress import Progress, Reporter

N_USERS, N_ITEMS, N_ROWS = 300, 60, 6000

pytestmark = pytest.mark.usefixtures("_libraries")


def rows(seed: int = 3, first_time: int = 0, count: int = N_ROWS) -> np.ndarray:
    """(count, 3) user, item and time: users of three tastes."""
    random = np.random.default_rng(seed)
    users = random.integers(0, N_USERS, count)
    own = 3 * random.integers(0, N_ITEMS // 3, count) + users % 3
    items = np.where(random.random(count) < 0.9, own, random.integers(0, N_ITEMS, count))
    return np.stack([users, items, first_time + np.arange(count)], axis=1)


def written(path: Path, table: np.ndarray) -> str:
    lines = [f"{user},{item},1,{time}" for user, item, time in table.tolist()]
    path.write_text("\n".join(["user,item,label,time", *lines]))
    return f"csv:{path}"


class Home:
    """A store, and a file that is trained from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ModelStore(folder / "models")
        self.heard: list[Progress] = []

    def train(self, table: np.ndarray, gate: GatePolicy | None = None, activate: str = "gated", **params: int) -> Done:
        """Train, and do as the worker does with the result."""
        source = SourceDefinition(written(self.folder / "rows.csv", table))
        chosen = validate("ALS", {"n_epochs": 5, **params})
        job = Job(source, str(self.store.root), "ALS", chosen, activate=activate, gate=gate or GatePolicy())
        done = Course(job, Reporter(self.heard.append)).run()
        if done.activate:
            self.store.activate(done.version)
        return done

    def fact(self, version: str, name: str) -> object:
        return self.store.read(version).facts.get(name)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_the_first_model_is_compared_with_popularity_and_learns_everything_in_the_end(home: Home) -> None:
    done = home.train(rows())
    assert done.activate
    assert done.evaluation is not None
    candidate, popularity = done.evaluation["candidate"], done.evaluation["popularity"]
    assert candidate["ndcg"] > 2 * popularity["ndcg"] > 0
    assert done.evaluation["users"] > 250
    assert done.evaluation["active"] is None
    assert "to popularity's" in done.reason
    assert home.fact(done.version, "final_fit") is True
    assert home.fact(done.version, "evaluation") == done.evaluation
    assert list(dict.fromkeys(each.phase for each in home.heard)) == [
        *("extract", "prepare", "fit", "evaluate", "final_fit", "export"),
    ]
    assert home.heard[-1].ndcg == candidate["ndcg"]


def test_a_model_of_shuffled_labels_is_stored_and_does_not_answer(home: Home) -> None:
    good = home.train(rows())
    shuffled = rows()
    shuffled[:, 1] = np.random.default_rng(8).permutation(shuffled[:, 1])
    refused = home.train(shuffled)
    assert not refused.activate
    assert refused.evaluation is not None
    assert "NDCG@10 " in refused.reason
    assert home.store.active() == good.version
    assert home.fact(refused.version, "final_fit") is False
    for _slice in home.store.verify(refused.version):
        pass
    consumed = CatalogueArrays.open(home.store.folder(refused.version)).consumed_indptr[-1]
    pairs = len(np.unique(shuffled[:, :2], axis=0))
    assert consumed == pairs, "what was held out was met all the same"


def test_what_was_not_good_enough_answers_by_force_only(home: Home) -> None:
    shuffled = rows()
    shuffled[:, 1] = np.random.default_rng(8).permutation(shuffled[:, 1])
    forced = home.train(shuffled, activate="force")
    assert forced.activate
    assert forced.reason.startswith("activated in any case; not certainly better than popularity")
    assert home.fact(forced.version, "final_fit") is True
    kept = home.train(rows(), activate="never")
    assert not kept.activate
    assert kept.reason.startswith("only stored, as asked; ")


def test_a_worse_model_of_the_same_data_is_compared_with_what_was_recorded(home: Home) -> None:
    home.train(rows(), embed_size=16)
    worse = home.train(rows(), embed_size=1)
    assert worse.evaluation is not None
    assert worse.evaluation["basis"] == "recorded"
    assert worse.evaluation["candidate"]["ndcg"] < 0.95 * worse.evaluation["active"]["ndcg"]
    assert not worse.activate


def test_newer_interactions_are_what_both_models_are_asked_for(home: Home) -> None:
    home.train(rows())
    grown = np.concatenate([rows(), rows(seed=4, first_time=N_ROWS, count=1000)])
    done = home.train(grown)
    assert done.evaluation is not None
    assert done.evaluation["basis"] == "newer"
    newer = len(np.unique(grown[N_ROWS:, 0]))
    assert 100 < done.evaluation["compared_users"] <= newer < done.evaluation["users"]
    assert done.evaluation["active"]["ndcg"] > done.evaluation["popularity"]["ndcg"]


def test_of_few_users_nothing_is_held_out(home: Home) -> None:
    done = home.train(rows(), GatePolicy(minimum_users=1000))
    assert done.activate
    assert done.evaluation is None
    assert done.reason.startswith("not judged")
    assert [each.phase for each in home.heard if each.phase in ("evaluate", "final_fit")] == []


def test_without_a_final_fit_the_model_that_proved_itself_answers(home: Home) -> None:
    done = home.train(rows(), GatePolicy(final_fit=False))
    assert done.activate
    assert home.fact(done.version, "final_fit") is False
    assert "final_fit" not in {each.phase for each in home.heard}


def test_nothing_temporary_is_left(home: Home) -> None:
    home.train(rows())
    assert [path.name for path in home.store.root.iterdir() if path.name.startswith(".")] == []
