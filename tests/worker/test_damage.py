"""Model folders that are not what was written: said by name, an intact version serves if there is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from port_worker.host import WorkerError
from protocol.messages import Event
from tests.worker.conftest import Start


def active_folder(home: Path) -> Path:
    return home / "models" / (home / "models" / "ACTIVE").read_text().strip()


def flip_a_byte(folder: Path) -> None:
    path = folder / "item_vectors.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(folder: Path) -> None:
    path = folder / "user_ids.npy"
    path.write_bytes(path.read_bytes()[:-8])


def remove_a_file(folder: Path) -> None:
    (folder / "item_popularity.npy").unlink()


def change_the_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["manifest"]["users"] += 1
    path.write_text(json.dumps(document))


def empty_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("")


DAMAGES = [flip_a_byte, truncate, remove_a_file, change_the_manifest, empty_the_manifest]


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_intact_version_serves_in_place_of_a_damaged_one(
    start: Start, own_home: Path, damage: Callable[[Path], None]
) -> None:
    damaged = active_folder(own_home)
    damage(damaged)
    worker = start(own_home)
    assert worker.hello["model"]["version"] != damaged.name
    events = [one for one in worker.poll(5.0) if isinstance(one, Event)]
    assert [(one.kind, one.facts["code"]) for one in events] == [("model_damaged", "model_damaged")]
    assert events[0].facts["details"]["version"] == damaged.name
    reply = worker.call("recommend", {"user": "nobody"}, timeout=10)
    assert reply["model"] == worker.hello["model"]["version"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_none_is_intact_calls_are_told_and_a_retrain_mends_it(
    start: Start, own_home: Path, damage: Callable[[Path], None]
) -> None:
    for folder in (own_home / "models").glob("2*"):
        damage(folder)
    worker = start(own_home)
    assert worker.hello["model"] is None
    with pytest.raises(WorkerError) as caught:
        worker.call("recommend", {"user": "nobody"}, timeout=10)
    assert caught.value.code == "model_damaged"
    assert caught.value.details["file"]
    assert len(worker.call("models", timeout=10)["versions"]) == 2
    worker.call("retrain", {"algorithm": "ALS", "params": {"n_epochs": 1}}, timeout=120)
    assert worker.call("recommend", {"user": "nobody"}, timeout=10)["source"] == "popular"


def test_a_pointer_to_nowhere_is_damage_too(start: Start, own_home: Path) -> None:
    (own_home / "models" / "ACTIVE").write_text("../../etc/passwd")
    worker = start(own_home)
    assert worker.hello["model"] is not None
    assert [one.kind for one in worker.poll(5.0) if isinstance(one, Event)] == ["model_damaged"]
