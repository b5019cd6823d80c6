"""Changes a store, killed at lines of it in turn; run as a program with a folder to use and what to do.

Where there are more than MOST_KILLS lines, a seeded choice of them is taken.

Prints one JSON object: what each kill left (which version is active, by its place among those
that were there before, or `new`; staging folders swept).
Forking needs a process without threads, so this is not done inside the test runner.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import numpy as np

from port_worker import store as store_package
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.models import ModelStore
from tests.models import catalogue_arrays, publish_embedding

ROOM = str(Path(store_package.__file__).parent)
KILLED = 77
MOST_KILLS = 120


def publish(store: ModelStore, factor: float) -> str:
    vectors = EmbeddingArrays(
        user_vectors=np.full((1, 1), factor, dtype=np.float32), item_vectors=np.ones((1, 1), dtype=np.float32)
    )
    version = publish_embedding(store, catalogue_arrays([1], ["a"]), vectors, folds=False)
    store.activate(version)
    return version


def trace_lines(reached: Callable[[int], None]) -> None:
    """Call `reached` with its number when a line of the store is about to run."""
    numbers = count(1)

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        if event == "line":
            reached(next(numbers))
        return trace

    sys.settrace(trace)


def die_at(line: int) -> None:
    """End this process, with nothing cleaned up, when the store's `line`-th line is about to run."""

    def reached(number: int) -> None:
        if number == line:
            os._exit(KILLED)

    trace_lines(reached)


def lines_of(root: Path, change: str) -> list[int]:
    """The lines to be killed at: all of those that a change takes, or a choice of them with the last one."""
    numbers: list[int] = []
    trace_lines(numbers.append)
    CHANGES[change](ModelStore(root))
    sys.settrace(None)
    if len(numbers) <= MOST_KILLS:
        return numbers
    return [*sorted(Random(6).sample(numbers[:-1], MOST_KILLS - 1)), numbers[-1]]


def roll_back(store: ModelStore) -> None:
    store.roll_back()


def prune(store: ModelStore) -> None:
    store.prune(1)


CHANGES: dict[str, Callable[[ModelStore], object]] = {
    "publish": lambda store: publish(store, 9.0),
    "roll_back": roll_back,
    "prune": prune,
}


def killed_at(line: int, root: Path, change: str) -> bool:
    child = os.fork()
    if child == 0:
        die_at(line)
        CHANGES[change](ModelStore(root))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, KILLED):
        raise AssertionError(f"{change} failed at line {line} with {code}")
    return code == KILLED


def check(root: Path, before: list[str]) -> tuple[str, int, int]:
    """What a later process finds: every visible version whole, one of them active, the one to roll back to there, the
    rest swept away. Which is active, how many were swept, and how many versions are left."""
    store = ModelStore(root)
    versions = [stored.version for stored in store.versions()]
    for version in versions:
        list(store.verify(version))
        CatalogueArrays.open(store.folder(version))
        EmbeddingArrays.open(store.folder(version))
    swept = store.sweep_staging()
    left = {path.name for path in root.iterdir()}
    if left != {*versions, "ACTIVE", "HISTORY"}:
        raise AssertionError(f"left behind: {sorted(left)}")
    active = store.active()
    if store.previous() not in versions or active not in versions:
        raise AssertionError(f"active: {active}")
    return str(before.index(active)) if active in before else "new", len(swept), len(versions)


def main(folder: Path, change: str) -> None:
    os.fsync = lambda fd: None  # a kill loses nothing that was written; only a power cut does
    before, root = folder / "before", folder / "models"
    seconds = count(1_700_000_000)  # each version a second younger than the one before
    store = ModelStore(before, clock=lambda: next(seconds))
    old = [publish(store, float(number)) for number in range(4 if change == "prune" else 3)]
    if change == "prune":
        store.roll_back()  # so that the newest is not the active one
    shutil.copytree(before, root)
    lines = lines_of(root, change)
    found = []
    for line in lines:
        shutil.rmtree(root)
        shutil.copytree(before, root)
        if not killed_at(line, root, change):
            raise AssertionError(f"{change} had fewer lines than {line}")
        found.append(check(root, old))
    outcomes, swept, counts = zip(*found, strict=True)
    sys.stdout.write(json.dumps({"outcomes": outcomes, "swept": sum(swept), "counts": counts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
