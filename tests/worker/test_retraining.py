"""One retrain's course with a scripted trainer and a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from port_worker.active_model import ActiveModel
from port_worker.config import settings
from port_worker.retraining import Retraining
from port_worker.serving.steps import Steps
from port_worker.store.live import LiveStore
from port_worker.store.models import ModelStore
from port_worker.training.messages import Done, Failed, Job, TrainerMessage
from port_worker.training.process import TrainerProcess
from port_worker.training.progress import Progress
from protocol.arguments import Retrain
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.messages import plain


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class ScriptedTrainer:
    """Stands in for TrainerProcess: says what it was told to, remembers what was done to it."""

    fd = 99

    def __init__(self) -> None:
        self.says: list[TrainerMessage] = []
        self.killed = self.closed = False

    def read(self) -> list[TrainerMessage]:
        said, self.says = self.says, []
        return said

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        self.closed = True


class ScriptedModel(ActiveModel):
    """Swaps in three slices, without files."""

    swapped: str | None = None

    def swap(self, version: str) -> Steps[None]:
        yield
        yield
        self.swapped = version


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model(tmp_path: Path) -> ScriptedModel:
    chosen = settings(home=tmp_path, environ={})
    return ScriptedModel(ModelStore(chosen.models), LiveStore(chosen.live), chosen)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> ScriptedTrainer:
    scripted = ScriptedTrainer()
    monkeypatch.setattr(TrainerProcess, "start", lambda _job, _log: scripted)
    return scripted


@pytest.fixture
def retraining(tmp_path: Path, model: ScriptedModel, clock: Clock) -> Retraining:
    return Retraining(settings(home=tmp_path, environ={}), model, clock)


DONE = Done(version="v1", algorithm="ALS", rows=9, users=3, items=4, duration_ms=5, reason="good")


def test_a_version_is_swapped_in_slice_by_slice_then_told(
    retraining: Retraining, trainer: ScriptedTrainer, model: ScriptedModel, clock: Clock
) -> None:
    reports: list[dict[Any, Any]] = []
    retraining.start(Retrain("ALS", {}), reports.append)
    trainer.says = [Progress("fit", 0.5, epoch=1, epochs=2, loss=0.25), DONE]
    clock.now = 2.0
    assert retraining.step() is None
    assert [(report["phase"], report["share"]) for report in reports] == [("fit", 0.5), ("load", 1.0)]
    assert retraining.swapping
    assert retraining.fd is None
    assert [retraining.step(), retraining.step()] == [None, None]
    assert model.swapped is None
    result = retraining.step()
    assert model.swapped == "v1"
    assert result == {
        "version": "v1",
        "algorithm": "ALS",
        "mode": "full",
        "rows": 9,
        "skipped": 0,
        "users": 3,
        "items": 4,
        "duration_ms": 2000,
        "activated": True,
        "reason": "good",
        "evaluation": None,
    }
    assert trainer.closed
    assert retraining.latest is None


def test_a_version_that_was_not_good_enough_is_only_told_of(
    retraining: Retraining, trainer: ScriptedTrainer, model: ScriptedModel
) -> None:
    retraining.start(Retrain("ALS", {}), lambda _facts: None)
    figures = {"recall": 0.5, "ndcg": 0.25, "map": 0.125, "coverage": 1.0, "novelty": 3.0}
    evaluation = {
        "users": 200,
        "cutoff": 10,
        "candidate": figures,
        "popularity": figures,
        "standard_error": 0.5,
        "active": None,
        "active_version": None,
        "basis": None,
        "compared_users": None,
    }
    trainer.says = [replace(DONE, activate=False, reason="not better than popularity", evaluation=evaluation)]
    assert retraining.step() is None
    result = plain(retraining.step())
    assert model.swapped is None
    assert (result["activated"], result["reason"]) == (False, "not better than popularity")
    assert result["evaluation"]["candidate"] == result["evaluation"]["popularity"] == figures
    assert "active_version" not in result["evaluation"]
    assert trainer.closed


def test_a_silent_trainer_is_asked_after_every_second(
    retraining: Retraining, trainer: ScriptedTrainer, clock: Clock
) -> None:
    assert retraining.look_at == float("inf")
    retraining.start(Retrain("ALS", {}), lambda _facts: None)
    clock.now = 10.0
    retraining.step()
    assert retraining.look_at == 11.0


def test_a_failure_keeps_its_code_and_frees_the_place(retraining: Retraining, trainer: ScriptedTrainer) -> None:
    retraining.start(Retrain("ALS", {}), lambda _facts: None)
    trainer.says = [Failed("source_empty", "no rows", {"rows": 0})]
    with pytest.raises(ProtocolError) as caught:
        retraining.step()
    assert (caught.value.code, caught.value.details) == ("source_empty", {"rows": 0})
    retraining.start(Retrain("ALS", {}), lambda _facts: None)


def test_an_abandoned_trainer_holds_its_place_until_it_is_gone_and_says_nothing(
    retraining: Retraining, trainer: ScriptedTrainer
) -> None:
    reports: list[dict[Any, Any]] = []
    retraining.start(Retrain("ALS", {}), reports.append)
    retraining.abandon()
    assert trainer.killed
    with pytest.raises(ProtocolError, match="expected none to run"):
        retraining.start(Retrain("ALS", {}), reports.append)
    trainer.says = [Progress("fit", 0.5), Failed("cancelled", "the training was cancelled")]
    assert retraining.step() is None
    assert reports == []
    retraining.start(Retrain("ALS", {}), reports.append)


def test_a_trainer_that_is_not_installed_is_said_before_anything_starts(
    retraining: Retraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("port_worker.training.catalogue._installed", lambda _module: False)
    with pytest.raises(ProtocolError) as caught:
        retraining.start(Retrain("ALS", {}), lambda _facts: None)
    assert caught.value.code == "training_unavailable"


def test_a_mode_that_an_algorithm_does_not_allow_is_said_before_anything_starts(
    retraining: Retraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainerProcess, "start", lambda _job, _log: pytest.fail("a trainer was started"))
    with pytest.raises(ProtocolError, match="mode: incremental expects one of BPR, ") as caught:
        retraining.start(Retrain("ALS", {}, mode=Atom("incremental")), lambda _facts: None)
    assert (caught.value.code, caught.value.details["field"]) == ("unsupported_option", "mode")
    assert caught.value.details["modes"] == ["full", "warm"]
    assert retraining.latest is None


def test_whether_variables_are_kept_is_a_setting(
    tmp_path: Path, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    def start(job: Job, _log: Path) -> ScriptedTrainer:
        jobs.append(job)
        return ScriptedTrainer()

    monkeypatch.setattr(TrainerProcess, "start", start)
    environments: list[dict[str, str]] = [{}, {"PORT_WORKER_KEEP_VARIABLES": "no"}]
    for environ in environments:
        chosen = settings(home=tmp_path, environ=environ)
        Retraining(chosen, model).start(Retrain("BPR", {}, mode=Atom("warm")), lambda _facts: None)
    assert [(job.keep_variables, job.mode) for job in jobs] == [(True, "warm"), (False, "warm")]
    with pytest.raises(ValueError, match="PORT_WORKER_KEEP_VARIABLES: expected yes or no, got 'maybe'"):
        settings(home=tmp_path, environ={"PORT_WORKER_KEEP_VARIABLES": "maybe"})
