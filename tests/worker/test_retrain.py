"""Retraining as a host sees it: progress, a new version in service, every refusal, and answers all the while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerError, WorkerHost
from protocol.messages import ErrorReply, Ok, Progress
from tests.worker.conftest import Start

LONG = {"algorithm": "ALS", "params": {"n_epochs": 1000, "embed_size": 128}}
SHORT = {"algorithm": "ALS", "params": {"n_epochs": 2}}


def refusal(worker: WorkerHost, args: dict[str, Any]) -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        worker.call("retrain", args, timeout=120)
    assert worker.call("status", timeout=10)["training"] is None
    return caught.value


def wait_for_progress(worker: WorkerHost, call_id: int) -> None:
    while not any(isinstance(one, Progress) and one.id == call_id for one in worker.poll(60.0)):
        pass


def outcome(worker: WorkerHost, call_id: int) -> Ok | ErrorReply:
    while True:
        for message in worker.poll(60.0):
            if isinstance(message, (Ok, ErrorReply)) and message.id == call_id:
                return message


def test_progress_rises_to_a_version_that_then_serves(start: Start, fresh_home: Path) -> None:
    worker = start(fresh_home)
    seen: list[dict[str, Any]] = []
    result = worker.call("retrain", SHORT, timeout=120, on_progress=seen.append)
    shares = [progress["share"] for progress in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert list(dict.fromkeys(progress["phase"] for progress in seen)) == [
        "extract",
        "prepare",
        "fit",
        "export",
        "load",
    ]
    assert result["algorithm"] == "ALS"
    assert (result["users"], result["rows"]) == (60, result["rows"])
    reply = worker.call("recommend", {"user": "nobody", "n": 1}, timeout=10)
    assert reply["model"] == result["version"]
    worker.close()
    assert start(fresh_home).hello["model"]["version"] == result["version"]


def test_calls_are_answered_while_a_retrain_runs_and_a_second_is_refused(start: Start, own_home: Path) -> None:
    worker = start(own_home)
    before = worker.hello["model"]["version"]
    running = worker.send_call("retrain", LONG)
    wait_for_progress(worker, running)
    for _ in range(50):
        assert worker.call("recommend", {"user": "nobody"}, timeout=10)["model"] == before
    with pytest.raises(WorkerError) as caught:
        worker.call("retrain", SHORT, timeout=10)
    assert (caught.value.code, caught.value.retryable) == ("training_in_progress", True)
    assert worker.call("status", timeout=10)["training"]["phase"] in ("extract", "prepare", "fit")
    worker.cancel(running)
    assert getattr(outcome(worker, running), "code", None) == "cancelled"
    assert worker.call("recommend", {"user": "nobody"}, timeout=10)["model"] == before


def test_after_a_cancel_the_next_retrain_starts_as_soon_as_the_trainer_is_gone(start: Start, own_home: Path) -> None:
    worker = start(own_home)
    running = worker.send_call("retrain", LONG)
    wait_for_progress(worker, running)
    worker.cancel(running)
    outcome(worker, running)
    while worker.call("status", timeout=10)["training"] is not None:
        pass
    assert worker.call("retrain", SHORT, timeout=120)["algorithm"] == "ALS"
    assert not list((own_home / "models").glob(".staging-*"))


def test_a_deadline_ends_a_retrain(start: Start, own_home: Path) -> None:
    worker = start(own_home)
    running = worker.send_call("retrain", LONG, deadline_ms=300)
    assert getattr(outcome(worker, running), "code", None) == "deadline_exceeded"
    assert worker.call("ping", timeout=10) == "pong"


def test_an_unknown_algorithm_lists_the_known(start: Start, trained_home: Path) -> None:
    error = refusal(start(trained_home), {"algorithm": "Oracle"})
    assert error.code == "unknown_algorithm"
    for name in ("ALS", "BPR", "TwoTower", "LightGCN"):
        assert name in error.message


@pytest.mark.parametrize(
    "params",
    [{"n_epochs": 0}, {"n_epochs": "ten"}, {"n_epochs": True}, {"epochs": 3}, {"reg": -1.0}, {"embed_size": 1.5}],
)
def test_a_bad_hyperparameter_is_named(shared_worker: WorkerHost, params: dict[str, Any]) -> None:
    error = refusal(shared_worker, {"algorithm": "ALS", "params": params})
    assert error.code == "invalid_hyperparameter"
    assert next(iter(params)) in error.message


HEADER = "user,item,label,time\n"
ROWS = "".join(f"{i % 50},{i % 37},1,{i}\n" for i in range(70_000 - 1))


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        (None, "source_missing", "data.csv"),
        ("", "source_empty", "data.csv"),
        (HEADER, "source_empty", "data.csv"),
        ("user,item,time\n1,2,3\n", "source_missing_column", "label"),
        (HEADER + ROWS + "1,2,five,3\n", "source_invalid_row", "70001"),
        (HEADER + ROWS + "1,two,5,3\n", "source_invalid_row", "70001"),
        (HEADER + "1,2,nan,3\n", "source_invalid_row", "line 2"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_by_line(
    start: Start, tmp_path: Path, text: str | None, code: str, named: str
) -> None:
    path = tmp_path / "data.csv"
    if text is not None:
        path.write_text(text)
    error = refusal(start(tmp_path / "home", source=str(path)), {"algorithm": "ALS"})
    assert error.code == code
    assert named in error.message


def test_integer_ids_are_the_same_in_and_out(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(HEADER + "".join(f"{i % 50},{i % 37},1,{i}\n" for i in range(600)))
    worker = start(tmp_path / "home", source=str(path))
    worker.call("retrain", SHORT, timeout=120)
    reply = worker.call("recommend", {"user": 3, "n": 5}, timeout=10)
    assert reply["source"] == "model"
    assert all(type(item) is int for item, _score in reply["items"])
    assert worker.call("recommend", {"user": "3", "n": 5}, timeout=10)["source"] == "popular"
