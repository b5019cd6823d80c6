"""Ten retrains in a row through a real worker: whether it grows, and whether its catalogue is that of a full rebuild.

Between two retrains the world grows by a twentieth. Modes alternate: full, and incremental, or warm where an algorithm
has no incremental mode. `python -m tests.training.ten_retrains ALS BPR DeepFM TwoTower DIN` prints the worker's
resident memory after each, and ends with status 1 if it is not the same within 5%, or a catalogue differs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from port_worker.host import WorkerHost, worker_command
from port_worker.store.models import ModelStore
from port_worker.training.catalogue import ALGORITHMS
from protocol.atoms import Atom
from tests.training.growing_world import GrowingWorld, catalogue_of, met_in, popular_in

RETRAINS = 10
TOLERANCE = 0.05
_TIMEOUT_S = 900.0
_ASKED = 200
_MIB = 1 << 20


@dataclass(frozen=True)
class After:
    """A retrain, and the worker after it. same: whether popular items and what users met are those of the source."""

    mode: str
    seconds: float
    resident: int
    same: bool


def retrains(algorithm: str, home: Path, epochs: int | None = None) -> Iterator[After]:
    """All of them."""
    world = GrowingWorld(home / "world.sqlite", RETRAINS, users=400, items=300, visits=20_000)
    store = ModelStore(home / "models")
    other = "incremental" if "incremental" in ALGORITHMS[algorithm].modes else "warm"
    with WorkerHost.start(worker_command(home)) as worker:
        for number in range(RETRAINS):
            world.grow()
            mode = ("full", other)[number % 2]
            began = time.monotonic()
            arguments = {"algorithm": algorithm, "mode": Atom(mode), "epochs": epochs, "activate": Atom("force")}
            version = worker.call("retrain", arguments, timeout=_TIMEOUT_S)["version"]
            seconds = time.monotonic() - began
            met = world.met()
            for user in list(met)[:_ASKED]:
                assert worker.call("recommend", {"user": _text(user)}, timeout=60.0)["model"] == version
            arrays = catalogue_of(store, version)
            same = met_in(arrays) == met and popular_in(arrays) == world.popular()
            yield After(mode, seconds, psutil.Process(worker.pid).memory_info().rss, same)


def _text(user: object) -> object:
    return user.decode() if isinstance(user, bytes) else user


def main(names: Sequence[str]) -> int:
    """Print a line for each algorithm; whether all went as it should."""
    failed = False
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found = list(retrains(name, Path(folder)))
        resident = [after.resident for after in found]
        grown = max(resident) / min(resident) - 1
        bad = grown > TOLERANCE or not all(after.same for after in found)
        failed |= bad
        sizes = " ".join(f"{size / _MIB:.1f}" for size in resident)
        took = " ".join(f"{after.seconds:.0f}" for after in found)
        catalogues = sum(after.same for after in found)
        sys.stdout.write(
            f"{name}: {found[1].mode} after full; MiB {sizes}; {grown:.1%} apart; {catalogues} of {len(found)} "
            f"catalogues equal; seconds {took}{'; FAILED' if bad else ''}\n"
        )
        sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
