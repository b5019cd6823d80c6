"""What happens after a model was trained: it is kept, counts at once, and is let go when a model has learnt it."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from port_worker.active_model import ActiveModel
from port_worker.config import settings
from port_worker.host import WorkerError, WorkerHost, worker_command
from port_worker.serving.steps import finish
from port_worker.sources.registry import open_source
from port_worker.store.live import LiveStore
from port_worker.store.models import ModelStore
from protocol.messages import Ok
from tests.worker.conftest import Start
from tests.worker.replies import each_user

ALL = 10_000
STRANGER = "nobody"
SHORT = {"algorithm": "ALS", "params": {"n_epochs": 1}}


def ask(worker: WorkerHost, op: str, **args: Any) -> Any:
    return worker.call(op, args, timeout=60)


def ids(reply: Any) -> list[Any]:
    """The items of `recommend`, or of all users of `recommend_many`."""
    if "source_names" in reply:
        return [item for one in each_user(reply) for item in one.ids]
    return [item for item, _score in reply["items"]]


def busiest(home: Path, count: int) -> list[Any]:
    return [user.id for user in open_source(str(home / "world.sqlite")).sample_users(count)]


def kill(worker: WorkerHost) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.close() == -signal.SIGKILL


def test_what_was_told_outlives_a_kill(start: Start, own_home: Path) -> None:
    worker = start(own_home)
    popular = ids(ask(worker, "recommend", user=STRANGER, n=ALL))
    ask(worker, "feedback", user=STRANGER, item=popular[0])
    ask(worker, "hide_items", items=[popular[1], "nobody's"])
    before = ask(worker, "recommend", user=STRANGER, n=ALL)
    kill(worker)
    again = start(own_home)
    assert ask(again, "recommend", user=STRANGER, n=ALL) == before
    assert (before["source"], sorted(ids(before))) == ("fold_in", sorted(popular[2:]))
    status = ask(again, "status")
    assert (status["feedback_rows"], status["hidden_items"]) == (1, 2)


def ends(worker: WorkerHost, waiting: set[int]) -> Iterator[Ok]:
    """The answers to these calls, and to others that are added, as they come."""
    while waiting:
        for message in worker.poll(60.0):
            assert isinstance(message, Ok)
            waiting.discard(message.id)
            yield message


def recommends(worker: WorkerHost, users: list[Any], count: int) -> set[int]:
    return {worker.send_call("recommend", {"user": user, "n": 40}) for user in islice(cycle(users), count)}


def test_no_answer_behind_that_to_hide_items_holds_a_hidden_item(start: Start, own_home: Path) -> None:
    """Whatever was in flight when it came."""
    worker, users = start(own_home), [*busiest(own_home, 20), STRANGER]
    for item in ids(ask(worker, "recommend", user=users[0], n=6)):
        many = worker.send_call("recommend_many", {"users": users * 60, "n": 40, "filter_consumed": False})
        waiting = {many, *recommends(worker, users, 100)}
        answers = ends(worker, waiting)
        before = [next(answers) for _ in range(10)]
        assert item in [one for message in before for one in ids(message.result)]
        hide = worker.send_call("hide_items", {"items": [item]})
        waiting |= {hide, *recommends(worker, users, 100)}
        in_order = list(answers)
        told = [message.id for message in in_order].index(hide)
        behind = in_order[told + 1 :]
        assert many in [message.id for message in behind]
        assert len(behind) > 100
        assert item not in [one for message in behind for one in ids(message.result)]


def test_what_one_worker_hides_another_of_the_home_hides_too(start: Start, own_home: Path) -> None:
    worker, other, users = start(own_home), start(own_home), busiest(own_home, 20)
    for item in ids(ask(worker, "recommend", user=users[0], n=6)):
        many = worker.send_call("recommend_many", {"users": users * 60, "n": 40, "filter_consumed": False})
        ask(other, "hide_items", items=[item])
        sent_behind = recommends(worker, users, 1)
        in_order = list(ends(worker, {many, *sent_behind}))
        told = [message.id in sent_behind for message in in_order].index(True)
        assert item not in [one for message in in_order[told:] for one in ids(message.result)]
    assert ask(worker, "status")["hidden_items"] == 6
    ask(worker, "show_items", items=[item])
    assert item in ids(ask(other, "recommend", user=users[0], n=ALL))


def test_what_one_worker_is_fed_another_of_the_home_knows(start: Start, own_home: Path) -> None:
    worker, other = start(own_home), start(own_home)
    item = ids(ask(worker, "recommend", user=STRANGER))[0]
    assert ask(other, "feedback", user=STRANGER, item=item)["stored"] == 1
    reply = ask(worker, "recommend", user=STRANGER, n=ALL)
    assert reply["source"] == "fold_in"
    assert item not in ids(reply)


def test_feedback_is_kept_until_a_model_has_learnt_it(start: Start, own_home: Path) -> None:
    """Of two interactions that were fed, one gets into the data."""
    worker, (user, other) = start(own_home), busiest(own_home, 2)
    learnt, kept = (ids(ask(worker, "recommend", user=one))[-1] for one in (user, other))
    hidden = ids(ask(worker, "recommend", user=user))[0]
    with closing(sqlite3.connect(own_home / "world.sqlite")) as connection, connection:
        ((last,),) = connection.execute("SELECT max(time) FROM interactions")
        connection.execute("INSERT INTO interactions VALUES (?, ?, 'visit', 1.0, ?)", (user, learnt, last + 10))
    ask(worker, "feedback", users=[user, other], items=[learnt, kept], times=[last + 10, last + 10])
    ask(worker, "hide_items", items=[hidden])
    assert ask(worker, "recommend", user=user)["source"] == "fold_in"
    worker.call("retrain", SHORT, timeout=120)
    while ask(worker, "status")["feedback_rows"] != 1:
        pass
    reply = ask(worker, "recommend", user=user, n=ALL)
    assert reply["source"] == "model"
    assert not {learnt, hidden} & set(ids(reply))
    reply = ask(worker, "recommend", user=other, n=ALL)
    assert reply["source"] == "fold_in"
    assert kept not in ids(reply)


def test_what_is_learnt_is_forgotten_in_slices_once_the_model_serves(own_home: Path) -> None:
    chosen = settings(home=own_home, environ={})
    store, live = ModelStore(chosen.models), LiveStore(chosen.live)
    model = ActiveModel(store, live, chosen)
    [user] = busiest(own_home, 1)
    met = open_source(str(own_home / "world.sqlite")).history(user, 1)[0].item
    live.add([user] * 121, [*[met] * 120, "nobody's"], [1.0] * 121, [0] * 121)
    finish(model.swap(store.versions()[-1].version))
    assert live.totals().rows == 121
    slices = 1
    while model.forget():
        slices += 1
    assert live.totals().rows == 1
    assert slices >= 3
    assert not model.forget()


@pytest.mark.parametrize("garbage", [b"", b"no database at all, but long enough to be taken for one" * 100])
def test_a_file_that_cannot_be_read_is_set_aside(own_home: Path, tmp_path: Path, garbage: bytes) -> None:
    (own_home / "live.sqlite").write_bytes(garbage)
    with (tmp_path / "stderr").open("wb+") as stderr, WorkerHost.start(worker_command(own_home), stderr=stderr) as one:
        item = ids(ask(one, "recommend", user=STRANGER))[0]
        assert ask(one, "feedback", user=STRANGER, item=item)["stored"] == 1
        assert ask(one, "hide_items", items=[item])["hidden"] == 1
        assert item not in ids(ask(one, "recommend", user=STRANGER, n=ALL))
        assert b"set aside as live.sqlite.damaged" in (tmp_path / "stderr").read_bytes()
    assert (own_home / "live.sqlite.damaged").read_bytes() == garbage


def test_a_file_of_a_later_worker_is_left_alone_and_calls_are_told(start: Start, own_home: Path) -> None:
    """What is hidden cannot be known: nothing is recommended then."""
    first = start(own_home)
    ask(first, "hide_items", items=["nobody's"])
    first.close()
    with closing(sqlite3.connect(own_home / "live.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    worker = start(own_home)
    status = ask(worker, "status")
    assert (status["feedback_rows"], status["hidden_items"]) == (None, None)
    for op, args in (
        ("recommend", {"user": STRANGER}),
        ("recommend_many", {"users": [STRANGER]}),
        ("feedback", {"user": STRANGER, "item": 1}),
        ("feedback", {"users": [1] * 300, "items": [1] * 300}),
        ("hide_items", {"items": [1]}),
    ):
        with pytest.raises(WorkerError) as caught:
            ask(worker, op, **args)
        assert (caught.value.code, caught.value.retryable) == ("feedback_unavailable", True)
    assert ask(worker, "ping") == "pong"
