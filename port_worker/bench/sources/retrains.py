"""Whole trainings from the database through a worker: how long each phase takes, and the most memory of the trainer."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from port_worker.bench.progress import say, training
from port_worker.bench.serving.memory import peak
from port_worker.host import WorkerHost, worker_command
from protocol.atoms import Atom

_SOURCE = "bench"
_LOCATION = "PORT_WORKER_BENCH_LOCATION"
_CONFIGURATION = f"""default_source = "{_SOURCE}"

[sources.{_SOURCE}]
location_variable = "{_LOCATION}"
"""
_LIMIT_S = 6 * 3600.0


@dataclass(frozen=True)
class Retrain:
    """One training: what the worker answered, seconds of each phase in their order and of all, and bytes.

    `trainer_peak_bytes` is the most that the trainer held, None where the system does not tell.
    """

    algorithm: str
    seconds: float
    phases: dict[str, float]
    trainer_peak_bytes: int | None
    result: dict[str, Any]


@dataclass
class Phases:
    """Tells by the progress of a retrain how long each phase takes."""

    clock: Callable[[], float] = time.monotonic
    seconds: dict[str, float] = field(default_factory=dict)
    _name: str = "start"  # of the process, until it first says something
    _since: float = 0.0

    def begin(self) -> None:
        """The call is sent."""
        self._since = self.clock()

    def hear(self, facts: dict[str, Any]) -> None:
        """A progress message."""
        if facts["phase"] != self._name:
            self.end()
            self._name = facts["phase"]

    def end(self) -> None:
        """The phase is over."""
        now = self.clock()
        self.seconds[self._name] = self.seconds.get(self._name, 0.0) + now - self._since
        self._since = now


def retrains(location: str, algorithms: Sequence[str], epochs: int | None) -> list[Retrain]:
    """Train each algorithm once from a database, for so many epochs or its own default. Raises HostError."""
    with _worker(location) as worker:
        return [_retrain(worker, algorithm, epochs) for algorithm in algorithms]


@contextmanager
def _worker(location: str) -> Iterator[WorkerHost]:
    """A worker with a home of its own, whose default source is the database."""
    with tempfile.TemporaryDirectory(prefix="port_worker-bench-") as folder:
        (Path(folder) / "port_worker.toml").write_text(_CONFIGURATION, encoding="utf-8")
        # Said by the file, not by an argument: an address holds a password, and arguments are there for all to see.
        chosen = {key: value for key, value in os.environ.items() if not key.startswith("PORT_WORKER_SOURCE")}
        with WorkerHost.start(worker_command(folder), env=chosen | {_LOCATION: location}) as worker:
            yield worker


def _retrain(worker: WorkerHost, algorithm: str, epochs: int | None) -> Retrain:
    phases, peaks = Phases(), [0]
    with training(algorithm) as show:

        def hear(facts: dict[str, Any]) -> None:
            phases.hear(facts)
            peaks.append(_trainer_peak(worker) or 0)
            show(facts)

        phases.begin()
        args = {"algorithm": algorithm, "epochs": epochs, "activate": Atom("force")}
        result = worker.call("retrain", args, timeout=_LIMIT_S, on_progress=hear)
        phases.end()
    seconds = sum(phases.seconds.values())
    spent = ", ".join(f"{name} {took:.0f}" for name, took in phases.seconds.items())
    say(f"{algorithm}: {result['rows']:,} interactions in {seconds:.0f} s: {spent}")
    return Retrain(algorithm, seconds, phases.seconds, max(peaks) or None, result)


def _trainer_peak(worker: WorkerHost) -> int | None:
    """The worker's one child is its trainer, if it is not gone yet."""
    try:
        children = psutil.Process(worker.pid).children()
    except psutil.NoSuchProcess:
        return None
    return max((peak(child.pid) or 0 for child in children), default=None)
