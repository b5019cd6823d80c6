"""A worker that is ready to be driven: data, a model, and users to ask about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from port_worker.bench.progress import say, training
from port_worker.bench.workload import Id
from port_worker.config import settings
from port_worker.host import WorkerHost, worker_command
from port_worker.sources.registry import open_source
from protocol.atoms import Atom
from protocol.codec import codec as codec_named

_HELLO_TIMEOUT_S = 60.0  # a first start writes the seeded world
_TRAINING_LIMIT_S = 3600.0


def start_worker(home: Path, source: str | None, codec: str = "etf") -> WorkerHost:
    """Spawn a worker that speaks `codec`; without a source it gets the seeded world. Raises WorkerGone."""
    say(f"starting a worker on {home}")
    command = worker_command(home, source, fixture=source is None, codec=codec)
    return WorkerHost.start(command, hello_timeout=_HELLO_TIMEOUT_S, codec=codec_named(codec))


def ensure_model(host: WorkerHost, algorithm: str | None) -> None:
    """Train if the worker has no model, or none of the algorithm that was asked for. Raises HostError."""
    model = host.hello.get("model")
    if model is not None and algorithm in (None, model["algorithm"]):
        return
    with training(algorithm) as on_progress:
        args = retrain_args(algorithm, "force")  # there is to be something to measure, however good it is
        host.call("retrain", args, timeout=_TRAINING_LIMIT_S, on_progress=on_progress)


def retrain_args(algorithm: str | None, activate: str | None = None) -> dict[str, Any]:
    """Arguments of the op `retrain`; the worker's own default for None."""
    chosen = {} if algorithm is None else {"algorithm": algorithm}
    return chosen if activate is None else {**chosen, "activate": Atom(activate)}


def known_users(home: Path, source: str | None, count: int) -> list[Id]:
    """The `count` most active users of the source, at least one. Raises SourceError."""
    return [card.id for card in open_source(settings(home, source).source).sample_users(count)]
