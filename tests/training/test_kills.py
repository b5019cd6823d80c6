"""A sample of the kills that `python -m tests.training.kills` makes, with a trainer that is quickly done."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from port_worker.host import WorkerHost
from tests.training import kills
from tests.training.kills import Round, Setting, light_worker, prepared, rounds, summary

COUNT, SEED = 8, 11

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found by their environment")


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    with prepared(light_worker(), tmp_path_factory.mktemp("kills")) as made:
        yield made


def test_after_any_kill_an_intact_version_answers_and_nothing_is_left(setting: Setting, tmp_path: Path) -> None:
    found = summary(list(rounds(setting, tmp_path, COUNT, SEED)), setting.length_s, SEED)
    assert found["wrong"] == []
    assert found["victims"] == {"trainer": COUNT // 2, "worker": COUNT // 2}


def test_what_is_left_would_be_found(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer that is only stopped lives on: the checks are no mere ceremony."""
    monkeypatch.setattr(kills, "ORPHANS_END_WITHIN_S", 0.1)

    def stop_instead(worker: WorkerHost, _one: Round) -> None:
        for child in psutil.Process(worker.pid).children():
            child.send_signal(signal.SIGSTOP)

    monkeypatch.setattr(kills, "kill_trainer", stop_instead)
    monkeypatch.setattr(kills, "settle", lambda *_: None)
    [one] = rounds(setting, tmp_path, 1, seed=3)
    assert any("still there" in wrong for wrong in one.wrong)
