"""Retraining as a host sees it: progress, a new version in service, every refusal, and answers all the while."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerError, WorkerHost
from port_worker.sources.registry import open_source
from port_worker.store.models import ModelStore
from protocol.atoms import Atom
from protocol.messages import ErrorReply, Ok, Progress
from tests.worker.conftest import Start

LONG = {"algorithm": "ALS", "params": {"n_epochs": 1000, "embed_size": 128}}
CANCELLED_WITHIN_S = 2.0
"""From the cancel to the end of the trainer."""

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


def test_one_may_roll_back_while_another_model_is_trained(start: Start, own_home: Path) -> None:
    worker = start(own_home)
    before = worker.hello["model"]["version"]
    running = worker.send_call("retrain", LONG)
    wait_for_progress(worker, running)
    switched = worker.call("rollback", timeout=30)
    assert switched["previous"] == before
    assert worker.call("recommend", {"user": "nobody"}, timeout=10)["model"] == switched["version"] != before
    assert worker.call("status", timeout=10)["training"] is not None
    worker.cancel(running)
    assert getattr(outcome(worker, running), "code", None) == "cancelled"


def test_after_a_cancel_the_next_retrain_starts_as_soon_as_the_trainer_is_gone(start: Start, own_home: Path) -> None:
    worker = start(own_home)
    running = worker.send_call("retrain", LONG)
    wait_for_progress(worker, running)
    worker.cancel(running)
    cancelled_at = time.monotonic()
    outcome(worker, running)
    while worker.call("status", timeout=10)["training"] is not None:
        pass
    assert time.monotonic() - cancelled_at < CANCELLED_WITHIN_S
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


PAIR = {"retriever": "ALS", "ranker": "NCF"}


@pytest.mark.parametrize(
    ("args", "code", "role", "known"),
    [
        (PAIR | {"retriever": "FM"}, "unknown_algorithm", "retriever", "TwoTower"),
        (PAIR | {"retriever": "RsItemCF"}, "unknown_algorithm", "retriever", "TwoTower"),
        (PAIR | {"retriever": "Oracle"}, "unknown_algorithm", "retriever", "TwoTower"),
        (PAIR | {"ranker": "BPR"}, "unknown_algorithm", "ranker", "DeepFM"),
        (PAIR | {"ranker": "Oracle"}, "unknown_algorithm", "ranker", "DeepFM"),
        ({"retriever": "ALS"}, "missing_argument", "ranker", None),
        ({"ranker": "NCF"}, "missing_argument", "retriever", None),
        (PAIR | {"algorithm": "ALS"}, "invalid_argument", "algorithm", None),
        ({"algorithm": "ALS", "candidates": 10}, "invalid_argument", "candidates", None),
        ({"algorithm": "ALS", "retriever_params": {"reg": 1.0}}, "invalid_argument", "retriever_params", None),
    ],
)
def test_what_makes_no_pair_is_refused_by_its_role(
    shared_worker: WorkerHost, args: dict[str, Any], code: str, role: str, known: str | None
) -> None:
    error = refusal(shared_worker, args)
    assert (error.code, error.details["field"]) == (code, role)
    assert role in error.message
    assert known is None or known in error.details["known"]


@pytest.mark.parametrize(
    ("params", "retriever_params", "named"),
    [({"alpha": 5}, {}, "alpha"), ({"n_epochs": 1}, {"lr": 0.1}, "lr"), ({}, {"n_epochs": 0}, "n_epochs")],
)
def test_hyperparameters_are_those_of_their_stage(
    shared_worker: WorkerHost, params: dict[str, Any], retriever_params: dict[str, Any], named: str
) -> None:
    error = refusal(shared_worker, {**PAIR, "params": params, "retriever_params": retriever_params})
    assert error.code == "invalid_hyperparameter"
    assert named in error.message


def recommended(worker: WorkerHost, **args: Any) -> Any:
    return worker.call("recommend", args, timeout=20)


def ids(reply: Any) -> list[Any]:
    return [item for item, _score in reply["items"]]


def known_user(home: Path) -> Any:
    return open_source(str(home / "world.sqlite")).sample_users(1)[0].id


def test_two_stages_are_trained_and_served_as_one(start: Start, own_home: Path) -> None:
    """On a worker that has served ALS: of the 20 items that ALS ranks highest, NCF makes the order."""
    worker, user = start(own_home), known_user(own_home)
    params = {"params": {"n_epochs": 1, "embed_size": 8, "hidden_units": [8]}}
    args = {**PAIR, **params, "retriever_params": {"n_epochs": 2}, "candidates": 20}
    seen: list[dict[str, Any]] = []
    result = worker.call("retrain", args, timeout=200, on_progress=seen.append)
    shares = [progress["share"] for progress in seen]
    assert shares == sorted(shares)
    assert result["algorithm"] == "ALS+NCF"
    newest = worker.call("models", timeout=20)["versions"][0]
    assert (newest["version"], newest["kind"], newest["active"]) == (result["version"], "two_stage", True)
    assert newest["facts"]["candidates"] == 20
    status = worker.call("status", timeout=20)
    assert (status["model"]["algorithm"], status["model"]["kind"]) == ("ALS+NCF", "two_stage")
    assert status["heavy_modules"] == []
    reply = recommended(worker, user=user, n=20)
    assert (reply["source"], reply["model"], reply["exhausted"]) == ("model", result["version"], False)
    assert len(set(ids(reply))) == 20
    assert ids(recommended(worker, user=user, n=5)) == ids(reply)[:5]
    scored = worker.call("score", {"user": user, "items": ids(reply)}, timeout=20)
    assert scored["scores"] == pytest.approx([score for _item, score in reply["items"]], rel=1e-4)
    assert worker.call("similar", {"item": ids(reply)[0]}, timeout=20)["items"]
    worker.close()
    assert start(own_home).hello["model"]["kind"] == "two_stage"


def test_a_neighbourhood_model_is_served(start: Start, own_home: Path) -> None:
    worker, user = start(own_home), known_user(own_home)
    assert worker.call("retrain", {"algorithm": "RsItemCF"}, timeout=200)["algorithm"] == "RsItemCF"
    status = worker.call("status", timeout=20)
    assert (status["model"]["kind"], status["heavy_modules"]) == ("neighbourhood", [])
    reply = recommended(worker, user=user, n=10_000)
    assert reply["source"] == "model"
    assert 0 < reply["scored"] <= len(reply["items"])
    assert all(score == 0.0 for _item, score in reply["items"][reply["scored"] :])
    [best, *_others] = ids(reply)
    explained = worker.call("explain", {"user": user, "item": best, "n": 10_000}, timeout=20)
    assert explained["method"] == "exact"
    assert sum(vote for _item, vote in explained["items"]) == pytest.approx(explained["score"], rel=1e-4)
    worker.call("feedback", {"user": "nobody", "item": best}, timeout=20)
    fed = recommended(worker, user="nobody", n=10_000)
    assert fed["source"] == "fold_in"
    assert best not in ids(fed)
    with pytest.raises(WorkerError) as caught:
        worker.call("similar", {"item": best, "metric": Atom("dot")}, timeout=20)
    assert (caught.value.code, caught.value.details["field"]) == ("unsupported_option", "metric")


def test_a_network_is_served_and_reads_features(start: Start, own_home: Path) -> None:
    worker, user = start(own_home), known_user(own_home)
    args = {"algorithm": "FM", "params": {"n_epochs": 1, "embed_size": 8}}
    assert worker.call("retrain", args, timeout=200)["algorithm"] == "FM"
    status = worker.call("status", timeout=20)
    assert (status["model"]["kind"], status["heavy_modules"]) == ("network", [])
    assert "features" in status["model"]["options"]
    reply = recommended(worker, user=user)
    assert (reply["source"], len(set(ids(reply)))) == ("model", 10)
    with closing(sqlite3.connect(own_home / "world.sqlite")) as connection:
        ((platform,),) = connection.execute("SELECT platform FROM users LIMIT 1")
    described = recommended(worker, user="nobody", features={"platform": platform, "interest": "none at all"})
    assert (described["source"], described["ignored"]) == ("features", ["features.interest"])
    assert recommended(worker, user="nobody", features={"interest": "none at all"})["source"] == "popular"
    with pytest.raises(WorkerError) as caught:
        recommended(worker, user="nobody", features={"height": 3})
    assert caught.value.code == "invalid_argument"
    assert {"platform", "interest"} <= set(caught.value.details["known"])
    with pytest.raises(WorkerError) as caught:
        recommended(worker, user="nobody", recent=ids(reply))
    assert (caught.value.code, caught.value.details["kind"]) == ("unsupported_option", "network")


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


def test_a_mode_goes_on_from_the_active_model_or_says_why_not(start: Start, fresh_home: Path) -> None:
    worker = start(fresh_home)
    first = worker.call("retrain", {"algorithm": "BPR", "epochs": 1}, timeout=120)
    again = worker.call("retrain", {"algorithm": "BPR", "epochs": 1, "mode": Atom("warm")}, timeout=120)
    assert (first["mode"], again["mode"]) == ("full", "warm")
    facts = ModelStore(fresh_home / "models").read(again["version"]).facts
    assert (facts["mode"], facts["started_from"]) == ("warm", first["version"])
    for args, code in (({"algorithm": "BPR"}, "source_empty"), ({"algorithm": "ALS"}, "unsupported_option")):
        error = refusal(worker, {**args, "mode": Atom("incremental")})
        assert (error.code, error.details["field"]) == (code, "mode")
    assert worker.call("recommend", {"user": "nobody"}, timeout=10)["model"] == again["version"]
