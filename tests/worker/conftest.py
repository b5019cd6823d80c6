"""A real worker, over real pipes, on a small world, of which one trained home is made once and copied; and a service
without pipes, on a store with two small versions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from port_worker.fixture.database import write_world
from port_worker.host import WorkerHost, worker_command
from port_worker.service import Service
from port_worker.store.models import ModelStore
from protocol.messages import Message
from tests.worker.clock import Clock
from tests.worker.two_versions import started, two_activated

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


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Empty, but for what `versions` puts there."""
    return ModelStore(tmp_path / "models")


@pytest.fixture
def versions(store: ModelStore) -> list[str]:
    """Two; the second is active."""
    return two_activated(store)


@pytest.fixture
def sent() -> list[Message]:
    """What the service has sent since its hello."""
    return []


@pytest.fixture
def clock() -> Clock:
    """The service's."""
    return Clock()


@pytest.fixture
def service(tmp_path: Path, versions: list[str], sent: list[Message], clock: Clock) -> Service:
    """Serves the second version."""
    return started(tmp_path, sent, clock)
