"""Benches on stub workers, and on real ones with a model that is trained once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from port_worker.bench.prepare import retrain_args
from port_worker.fixture.database import write_world
from port_worker.host import WorkerHost
from tests.bench.programs import Bench, LightBench, light_command
from tests.peers.stubs import ENVIRONMENT


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def trained_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("bench") / "home"
    home.mkdir()
    write_world(home / "world.sqlite", users=60, items=80, visits=1500)
    with WorkerHost.start(light_command(home, fixture=True), env=ENVIRONMENT) as worker:
        worker.call("retrain", retrain_args(None, "force"), timeout=120)
    return home


@pytest.fixture
def light_bench(trained_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LightBench:
    return LightBench(Path(shutil.copytree(trained_world, tmp_path / "home")), monkeypatch)
