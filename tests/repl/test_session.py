from __future__ import annotations

import pytest

from port_worker.host import WorkerError, WorkerGone
from port_worker.repl.cli import run_lines
from port_worker.repl.errors import Failure
from port_worker.repl.execute import Outcome, execute
from port_worker.repl.results import Pong, Recommendations, Switched
from port_worker.repl.world import World
from protocol.atoms import Atom
from tests.repl.conftest import ADA, CAVE, FOX, Bench, FakeHost


def test_a_model_is_trained_when_one_is_needed_and_none_is_there(world: World) -> None:
    host = FakeHost(model=None)
    bench = Bench(world, host)
    assert execute(bench.session, "ping").ok
    assert host.ops_called == ["ping"]
    assert execute(bench.session, "recommend ada_reyes").ok
    assert execute(bench.session, "recommend bo").ok
    assert host.ops_called == ["ping", "retrain", "recommend", "recommend"]
    assert ("retrain", {"activate": Atom("force"), "algorithm": "ALS", "params": {}}) in host.calls
    assert [each["phase"] for each in bench.notes.progress] == ["fit"]


def test_a_list_that_begins_with_retrain_trains_once(world: World) -> None:
    host = FakeHost(model=None)
    bench = Bench(world, host)
    shown: list[Outcome] = []
    assert run_lines(bench.session, ["retrain bpr n_epochs=2 lr=0.01", "recommend ada_reyes"], shown.append) == 0
    assert host.ops_called == ["retrain", "recommend"]
    assert host.calls[0] == ("retrain", {"algorithm": "BPR", "params": {"n_epochs": 2, "lr": 0.01}})


def test_the_algorithm_that_was_asked_for_answers(world: World) -> None:
    host = FakeHost(model="ALS")
    bench = Bench(world, host, algorithm="BPR")
    execute(bench.session, "recommend ada_reyes")
    assert host.ops_called == ["retrain", "recommend"]
    execute(bench.session, "retrain SVD")
    execute(bench.session, "recommend ada_reyes")
    assert host.ops_called == ["retrain", "recommend", "retrain", "recommend"]  # what was trained last is wanted


def test_an_algorithm_that_is_not_known_is_refused_by_the_worker(world: World) -> None:
    host = FakeHost()
    details = {"known": ["ALS"]}
    host.answers["retrain"] = WorkerError("unknown_algorithm", "expected ALS", retryable=False, details=details)
    outcome = execute(Bench(world, host).session, "retrain KNN")
    assert outcome.result == Failure("unknown_algorithm", "expected ALS", False, details)


def test_every_line_runs_and_one_that_fails_is_told_by_the_status(world: World) -> None:
    shown: list[Outcome] = []
    assert run_lines(Bench(world, FakeHost()).session, ["dance", "ping"], shown.append) == 1
    assert [outcome.ok for outcome in shown] == [False, True]


def test_nothing_runs_after_quit(world: World) -> None:
    shown: list[Outcome] = []
    assert run_lines(Bench(world).session, ["quit", "dance"], shown.append) == 0
    assert [outcome.line for outcome in shown] == ["quit"]


def test_a_worker_that_died_between_commands_is_told_and_replaced(world: World) -> None:
    first, second = FakeHost(), FakeHost()
    bench = Bench(world, first, second)
    execute(bench.session, "ping")
    first.is_dead = True
    assert isinstance(execute(bench.session, "ping").result, Pong)
    assert bench.spawned == [first, second]
    assert first.is_closed
    assert ["status -9" in said for said in bench.notes.said] == [True]


def test_a_worker_that_dies_in_a_command_fails_it_and_the_next_gets_another(world: World) -> None:
    first, second = FakeHost(), FakeHost()
    first.answers["ping"] = WorkerGone("the worker ended with status -9", -9)
    bench = Bench(world, first, second)
    failed = execute(bench.session, "ping").result
    assert isinstance(failed, Failure)
    assert (failed.code, failed.retryable, failed.details) == ("worker_gone", True, {"returncode": -9})
    assert execute(bench.session, "ping").ok


def test_an_interrupt_leaves_the_session_usable(world: World) -> None:
    host = FakeHost()
    host.answers["retrain"] = KeyboardInterrupt()
    bench = Bench(world, host)
    with pytest.raises(KeyboardInterrupt):
        execute(bench.session, "retrain")
    assert execute(bench.session, "ping").ok
    assert bench.spawned == [host]


@pytest.mark.parametrize("who", [ADA, "ada_reyes", "'Ada Reyes'", "'ada reyes'"])
def test_a_user_is_found_by_id_and_by_name_and_items_get_names(world: World, who: str) -> None:
    result = execute(Bench(world, FakeHost()).session, f"recommend {who} 2").result
    assert isinstance(result, Recommendations)
    assert (result.user, result.name, result.source, result.exhausted) == (ADA, "Ada Reyes", "model", False)
    assert [(item.id, item.name, item.kind) for item in result.items] == [
        (FOX, "Neon Fox", "avatar"),
        (CAVE, "Wet Cave", "map"),
    ]


def test_a_version_is_activated_and_rolled_back(world: World) -> None:
    host = FakeHost()
    session = Bench(world, host).session
    assert execute(session, "activate v1").result == Switched("v1", "ALS", "v2")
    assert execute(session, "rollback").result == Switched("v1", "ALS", None)
    assert host.calls == [("activate", {"version": "v1"}), ("rollback", {})]
    for line in ("activate", "activate v1 v2", "rollback v1"):
        assert getattr(execute(session, line).result, "code", None) == "invalid_argument"
