"""The gate as a host sees it: what is not good enough is stored, told with figures, and does not answer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from port_worker.fixture.database import write_world
from port_worker.host import WorkerHost
from protocol.atoms import Atom
from protocol.messages import Event
from tests.worker.conftest import Start

ALS: dict[str, Any] = {"algorithm": "ALS", "params": {"n_epochs": 3}}


def shuffle_labels(world: Path) -> None:
    """Every visit goes to an item that another visit went to, by chance."""
    with closing(sqlite3.connect(world)) as connection, connection:
        rows = connection.execute("SELECT rowid, item_id FROM interactions").fetchall()
        drawn = np.random.default_rng(4).permutation([item for _, item in rows]).tolist()
        pairs = [(item, rowid) for (rowid, _), item in zip(rows, drawn, strict=True)]
        connection.executemany("UPDATE interactions SET item_id = ? WHERE rowid = ?", pairs)


def activations(worker: WorkerHost) -> int:
    return sum(isinstance(one, Event) and one.kind == "model_activated" for one in worker.poll(0.2))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_world(tmp_path / "world.sqlite", users=200, items=80, visits=6000)
    return tmp_path


def test_a_model_of_shuffled_labels_is_refused_and_the_one_before_answers(start: Start, home: Path) -> None:
    worker = start(home)
    good = worker.call("retrain", ALS, timeout=120)
    assert good["activated"] is True
    assert good["mode"] == "full"
    assert good["evaluation"]["candidate"]["ndcg"] > good["evaluation"]["popularity"]["ndcg"] > 0
    assert "popularity's" in good["reason"]

    shuffle_labels(home / "world.sqlite")
    activations(worker)
    refused = worker.call("retrain", ALS, timeout=120)
    assert refused["activated"] is False
    assert f"{refused['evaluation']['candidate']['ndcg']:.4f}" in refused["reason"]
    assert activations(worker) == 0
    assert worker.call("recommend", {"user": "nobody"}, timeout=10)["model"] == good["version"]
    listed = worker.call("models", timeout=10)
    assert listed["active"] == good["version"]
    assert refused["version"] in [each["version"] for each in listed["versions"]]

    forced = worker.call("retrain", {**ALS, "activate": Atom("force")}, timeout=120)
    assert forced["activated"] is True
    assert forced["reason"].startswith("activated in any case; ")
    assert worker.call("recommend", {"user": "nobody"}, timeout=10)["model"] == forced["version"]


def test_epochs_and_seed_are_those_of_the_call(start: Start, home: Path) -> None:
    worker = start(home)
    seen: list[dict[str, Any]] = []
    args = {"algorithm": "ALS", "epochs": 2, "seed": 9, "activate": Atom("never")}
    result = worker.call("retrain", args, timeout=120, on_progress=seen.append)
    assert result["activated"] is False
    assert {each["epochs"] for each in seen if each["phase"] == "fit"} == {2}
    assert any(each["seconds_left"] is not None for each in seen)
    assert worker.call("models", timeout=10)["active"] is None
