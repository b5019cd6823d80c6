"""A real worker, over real pipes, on a small world; one trained home is made once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from port_worker.fixture.database import write_world
from port_worker.host import WorkerHost, worker_command

Start = Callable[..., WorkerHost]


def seconds_burnt(worker: WorkerHost) -> float:
    """What a worker has taken of a processor so far."""
    times = psutil.Process(worker.pid).cpu_times()
    return float(times.user + times.system)


@pytest.fixture(scope="session")
def world_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with data and no model."""
    home = tmp_path_factory.mktemp("world")
    write_world(home / "world.sqlite", users=60, items=80, visits=1500)
    return home


@pytest.fixture(scope="session")
def trained_home(world_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with data and two versions of a model."""
    home = tmp_path_factory.mktemp("trained") / "home"
    shutil.copytree(world_home, home)
    with WorkerHost.start(worker_command(home)) as worker:
        for _ in range(2):
            worker.call("retrain", {"algorithm": "ALS", "params": {"n_epochs": 2}}, timeout=120)
    return home


@pytest.fixture
def start() -> Iterator[Start]:
    """Start workers that end with the test."""
    with ExitStack() as stack:
        yield lambda home, **options: stack.enter_context(WorkerHost.start(worker_command(home, **options)))


@pytest.fixture
def fresh_home(world_home: Path, tmp_path: Path) -> Path:
    """A copy that a test may change: data, no model."""
    return Path(shutil.copytree(world_home, tmp_path / "home"))


@pytest.fixture
def own_home(trained_home: Path, tmp_path: Path) -> Path:
    """A copy that a test may change: data and two versions, and nothing of what other tests told their worker."""
    untold = shutil.ignore_patterns("live.sqlite*")
    return Path(shutil.copytree(trained_home, tmp_path / "home", ignore=untold))


@pytest.fixture(scope="module")
def shared_worker(trained_home: Path) -> Iterator[WorkerHost]:
    """One worker for many tests, each of which leaves it as it was."""
    with WorkerHost.start(worker_command(trained_home)) as worker:
        yield worker
