"""Publishes and activates a model, killed at each line of the store in turn; run as a program with a folder to use.

Prints one JSON object: how many kills there were, and what they left (`old` or `new` active; staging folders swept).
Forking needs a process without threads, so this is not done inside the test runner.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
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


def publish(store: ModelStore, factor: float) -> str:
    vectors = EmbeddingArrays(
        user_vectors=np.full((1, 1), factor, dtype=np.float32), item_vectors=np.ones((1, 1), dtype=np.float32)
    )
    version = publish_embedding(store, catalogue_arrays([1], ["a"]), vectors, folds=False)
    store.activate(version)
    return version


def die_at(line: int) -> None:
    """End this process, with nothing cleaned up, when the store's `line`-th line is about to run."""
    seen = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        if event == "line":
            seen += 1
            if seen == line:
                os._exit(KILLED)
        return trace

    sys.settrace(trace)


def killed_at(line: int, root: Path) -> bool:
    child = os.fork()
    if child == 0:
        os.fsync = lambda fd: None  # a kill loses nothing that was written; only a power cut does
        die_at(line)
        publish(ModelStore(root), 2.0)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, KILLED):
        raise AssertionError(f"the publisher failed at line {line} with {code}")
    return code == KILLED


def check(root: Path, old: str) -> tuple[str, int]:
    """What a later process finds: every visible version whole, the active one old or new, the rest swept away."""
    store = ModelStore(root)
    versions = [stored.version for stored in store.versions()]
    for version in versions:
        list(store.verify(version))
        CatalogueArrays.open(store.folder(version))
        EmbeddingArrays.open(store.folder(version))
    swept = store.sweep_staging()
    left = {path.name for path in root.iterdir()}
    if left != {*versions, "ACTIVE"} or old not in versions or len(versions) > 2:
        raise AssertionError(f"left behind: {sorted(left)}")
    return "old" if store.active() == old else "new", len(swept)


def main(folder: Path) -> None:
    before = folder / "before"
    old = publish(ModelStore(before), 1.0)
    kills, outcomes, swept, killed = 0, [], 0, True
    while killed:
        root = folder / "models"
        shutil.copytree(before, root)
        killed = killed_at(kills + 1, root)
        active, removed = check(root, old)
        shutil.rmtree(root)
        kills += killed
        swept += removed
        outcomes.append(active)
    sys.stdout.write(json.dumps({"kills": kills, "outcomes": outcomes, "swept": swept}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
