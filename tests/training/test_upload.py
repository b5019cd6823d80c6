"""A trained version reaches the remote store before anybody is told of it; a store out of reach costs no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from port_worker.active_model import ActiveModel
from port_worker.config import settings
from port_worker.retraining import Retraining
from port_worker.store.live import LiveStore
from port_worker.store.models import ModelStore
from port_worker.store.remote import RemoteStore
from port_worker.training import child
from port_worker.training.messages import Job
from port_worker.training.process import TrainerProcess
from protocol.arguments import Retrain
from tests.worker.two_versions import publish


def test_it_is_uploaded(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    version = publish(store, 1.0)
    child._push(f"file://{tmp_path}/shared", store.root, version)
    elsewhere = RemoteStore(f"file://{tmp_path}/shared", ModelStore(tmp_path / "other"))
    assert (elsewhere.versions(), elsewhere.active()) == ([version], None)
    assert elsewhere.pull(version)


def test_a_store_out_of_reach_is_a_line_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ModelStore(tmp_path / "models")
    version = publish(store, 1.0)
    (tmp_path / "no-folder").write_text("")
    child._push(f"file://{tmp_path}/no-folder/models", store.root, version)
    assert f"port_worker: {version} is not uploaded yet: " in capsys.readouterr().err


@pytest.mark.parametrize("url", [None, "s3://bucket/prefix"])
def test_the_trainer_is_told_which_store_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    jobs: list[Job] = []

    def start(job: Job, _log: Path, _command: Sequence[str] = ()) -> None:
        jobs.append(job)

    monkeypatch.setattr(TrainerProcess, "start", start)
    chosen = settings(home=tmp_path, environ={"PORT_WORKER_STORE": url or ""})
    model = ActiveModel(ModelStore(chosen.models), LiveStore(chosen.live), chosen)
    Retraining(chosen, model).start(Retrain("ALS", {}), lambda _facts: None)
    assert [(job.remote, job.store) for job in jobs] == [(url, str(tmp_path / "models"))]
