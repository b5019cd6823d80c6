"""A training from a real PostgreSQL, by the command that the worker uses; nothing that it leaves has the password."""

from __future__ import annotations

import select
import time
from dataclasses import replace
from pathlib import Path

import pytest

from port_worker.sources.definition import SourceDefinition
from port_worker.store.models import ModelStore
from port_worker.training.catalogue import validate
from port_worker.training.dataset import described, prepare
from port_worker.training.messages import Done, Failed, Job, TrainerMessage
from port_worker.training.process import TrainerProcess
from tests.sources.samples import Database, fill

DEADLINE_S = 60


def train(definition: SourceDefinition, folder: Path) -> TrainerMessage:
    trainer = TrainerProcess.start(
        Job(definition, str(folder / "models"), "ALS", validate("ALS", {"n_epochs": 1})), folder / "training.log"
    )
    heard: list[TrainerMessage] = []
    give_up = time.monotonic() + DEADLINE_S
    try:
        while not trainer.finished:
            assert time.monotonic() < give_up, heard
            select.select([trainer.fd], [], [], 0.1)
            heard += trainer.read()
    finally:
        trainer.close()
    return heard[-1]


def test_a_model_is_trained_and_no_password_is_kept(database: Database, tmp_path: Path) -> None:
    pytest.importorskip("libreco")
    fill(database, 300)
    database.run("UPDATE interactions SET user_id = NULL WHERE id = 4")
    definition = SourceDefinition(database.location, "uro", weights={"visit": 1.0, "favourite": 3.0}, malformed=0.1)
    done = train(definition, tmp_path)
    assert isinstance(done, Done), done
    assert (done.users, done.items) == (10, 6)
    manifest = ModelStore(tmp_path / "models").read(done.version)
    assert manifest.source == f"postgresql://postgres@127.0.0.1:{database.server.port}/postgres"
    log = (tmp_path / "training.log").read_text()
    assert "1 malformed row(s) skipped" in log
    kept = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and database.server.password.encode() in path.read_bytes()
    ]
    assert kept == []


def test_a_wrong_password_fails_by_name_and_keeps_no_model(database: Database, tmp_path: Path) -> None:
    location = database.server.location(password="another-secret")
    failed = train(SourceDefinition(location, "uro"), tmp_path)
    assert isinstance(failed, Failed)
    assert failed.code == "source_unreadable"
    assert "password authentication failed" in failed.message
    assert "another-secret" not in f"{failed}{(tmp_path / 'training.log').read_text()}"
    assert ModelStore(tmp_path / "models").versions() == []


def test_only_what_is_newer_is_prepared(database: Database) -> None:
    """The increment after a model's watermark joins what the model has learnt: ids and times go on from it."""
    fill(database, 300)
    source = database.source()
    whole = prepare(source.interactions())
    assert whole.learnt_until == 1299
    database.run("INSERT INTO interactions SELECT 300 + id, user_id, item_id, kind, weight, to_timestamp(1300 + id) "
                 "FROM interactions WHERE id < 40")  # fmt: skip
    newer = prepare(source.interactions(since=whole.learnt_until))
    assert (newer.rows, newer.learnt_until) == (sum(1 for n in range(40) if n % 7), 1339)
    assert described(replace(newer), source).item_kinds.names == ("map",)
