"""Calls that take long are done in slices: others pass them, they end when they are told to, and few of them wait."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from port_worker.config import settings
from port_worker.host import WorkerHost, worker_command
from port_worker.service import Service
from port_worker.sources.registry import open_source
from protocol.atoms import Atom
from protocol.etf import decode, encode
from protocol.framing import FrameReader, frame
from protocol.messages import Call, Cancel, ErrorReply, Event, Message, Ok, plain, to_payload
from tests.worker.clock import Clock
from tests.worker.conftest import Start
from tests.worker.replies import each_user, uuids

LONG = {"users": (Atom("int64"), struct.pack("<100000q", *range(100_000)))}
"""Seconds of work."""


@pytest.fixture(scope="module")
def users(trained_home: Path) -> list[Any]:
    return [user.id for user in open_source(str(trained_home / "world.sqlite")).sample_users(20)]


def ends(worker: WorkerHost, *waiting: int) -> Iterator[Ok | ErrorReply]:
    """The ends of these calls as they come."""
    left = set(waiting)
    while left:
        for message in worker.poll(60.0):
            if isinstance(message, Ok | ErrorReply):
                assert message.id in left
                left.remove(message.id)
                yield message


def wait_until_it_runs(worker: WorkerHost) -> None:
    """Until the one bulk call that was sent no longer waits."""
    while worker.call("status", timeout=30)["bulk_queued"]:
        pass


def test_recommend_passes_recommend_many(start: Start, trained_home: Path, users: list[Any]) -> None:
    worker = start(trained_home)
    many = worker.send_call("recommend_many", {"users": uuids(users * 500)})
    singles = [worker.send_call("recommend", {"user": user}) for user in users]
    others = [
        worker.send_call("score", {"user": users[0], "items": ["x"]}),
        worker.send_call("explain", {"user": users[0], "item": "x"}),
    ]
    in_order = list(ends(worker, many, *singles, *others))
    assert [getattr(one, "code", "ok") for one in in_order if one.id in others] == ["ok", "unknown_item"]
    assert in_order[-1].id == many
    alone = {one.id: one.result for one in in_order if isinstance(one, Ok)}
    rows = each_user(alone[many])
    assert rows == rows[:20] * 500
    assert [one.ids for one in rows[:20]] == [[item for item, _score in alone[single]["items"]] for single in singles]


def test_recommend_passes_much_feedback(start: Start, own_home: Path, users: list[Any]) -> None:
    worker = start(own_home)
    fed = worker.send_call("feedback", {"users": uuids(users * 300), "items": uuids(users * 300)})
    single = worker.send_call("recommend", {"user": users[0]})
    assert [(one.id, type(one)) for one in ends(worker, fed, single)] == [(single, Ok), (fed, Ok)]
    assert worker.call("status", timeout=30)["feedback_rows"] == 6000


def test_a_cancel_ends_it_while_it_runs(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    many = worker.send_call("recommend_many", LONG)
    wait_until_it_runs(worker)
    worker.cancel(many)
    [end] = ends(worker, many)
    assert getattr(end, "code", None) == "cancelled"
    status = worker.call("status", timeout=30)
    assert (status["in_flight"], status["queued"], status["bulk_queued"]) == (1, 0, 0)


def test_more_than_may_wait_are_told_at_once(trained_home: Path) -> None:
    with WorkerHost.start([*worker_command(trained_home), "--limit", "max_bulk=2"]) as worker:
        runs = worker.send_call("recommend_many", LONG)
        wait_until_it_runs(worker)
        wait = [worker.send_call("recommend_many", LONG) for _ in range(2)]
        assert worker.call("status", timeout=30)["bulk_queued"] == 2
        one_more = [
            worker.send_call("recommend_many", LONG),
            worker.send_call("feedback", {"users": [1], "items": [1]}),
        ]
        told = {end.id: getattr(end, "code", "ok") for end in ends(worker, *one_more)}
        assert list(told.values()) == ["overloaded", "ok"]
        for call_id in (*wait, runs):
            worker.cancel(call_id)
        assert {getattr(end, "code", None) for end in ends(worker, runs, *wait)} == {"cancelled"}


def test_drain_and_the_end_of_input_wait_for_it(start: Start, trained_home: Path, users: list[Any]) -> None:
    worker = start(trained_home)
    many = worker.send_call("recommend_many", {"users": uuids(users * 200)})
    drain = worker.send_call("drain")
    in_order = list(ends(worker, many, drain))
    assert [(one.id, type(one)) for one in in_order] == [(many, Ok), (drain, Ok)]

    column = uuids(users * 200)
    call = (Atom("call"), 7, Atom("recommend_many"), {Atom("users"): column}, Atom("infinity"))
    ran = subprocess.run(worker_command(trained_home), input=frame(encode(call)), capture_output=True, check=True)
    reader = FrameReader()
    reader.feed(ran.stdout)
    answers = [message for message in (plain(decode(payload)) for payload in reader.frames()) if message[0] == "ok"]
    assert [(answer[1], len(each_user(answer[2]))) for answer in answers] == [(7, 4000)]


# Without I/O, with a clock that the test moves.


class Bench:
    """A service, what it has sent, and a step at a time."""

    def __init__(self, home: Path) -> None:
        self.clock = Clock()
        self.sent: list[Message] = []
        self.service = Service(settings(home=home, environ={}), self.sent.append, self.clock)
        self.service.open()
        self.sent.clear()

    def many(self, call_id: int, *, users: int = 1000, deadline_ms: int | None = None) -> None:
        column = (Atom("int64"), bytes(8 * users))
        self.service.receive(to_payload(Call(call_id, "recommend_many", {"users": column}, deadline_ms)))

    def finish(self) -> None:
        while self.service.step():
            pass

    @property
    def ends(self) -> list[tuple[int | None, str]]:
        """The calls that have ended, in order: `ok`, or the error's code."""
        ended = [one for one in self.sent if isinstance(one, Ok | ErrorReply)]
        assert len(ended) == len([one for one in self.sent if not isinstance(one, Event)])
        return [(one.id, "ok" if isinstance(one, Ok) else one.code) for one in ended]


@pytest.fixture
def bench(trained_home: Path) -> Bench:
    return Bench(trained_home)


def test_eight_wait_behind_the_one_that_runs(bench: Bench) -> None:
    bench.many(0)
    bench.service.step()
    for call_id in range(1, 11):
        bench.many(call_id)
    assert bench.ends == [(9, "overloaded"), (10, "overloaded")]
    refused = bench.sent[0]
    assert isinstance(refused, ErrorReply)
    assert (refused.retryable, refused.details) == (True, {"field": "call", "limit": 8})
    bench.finish()
    assert bench.ends[2:] == [(call_id, "ok") for call_id in range(9)]


def test_what_would_not_fit_into_a_frame_is_told_before_its_turn(bench: Bench) -> None:
    bench.many(0)
    bench.service.step()
    column = (Atom("int64"), bytes(8 * 10_000))
    bench.service.receive(to_payload(Call(1, "recommend_many", {"users": column, "n": 1000})))
    assert bench.ends == [(1, "reply_too_large")]
    bench.many(1)  # the id is free again
    bench.finish()
    assert bench.ends[1:] == [(0, "ok"), (1, "ok")]


def test_a_deadline_ends_what_runs_and_what_waits(bench: Bench) -> None:
    bench.many(1, deadline_ms=1000)
    bench.many(2, deadline_ms=3000)
    bench.many(3)
    bench.many(4, deadline_ms=2000)
    bench.service.step()
    bench.clock.now += 1.0
    bench.service.step()
    assert bench.ends == [(1, "deadline_exceeded")]
    bench.clock.now += 1.0
    bench.service.step()
    assert bench.ends == [(1, "deadline_exceeded"), (4, "deadline_exceeded")]  # though another runs
    bench.finish()
    assert bench.ends[2:] == [(2, "ok"), (3, "ok")]


def test_a_cancel_of_one_that_waits(bench: Bench) -> None:
    for call_id in (1, 2, 3):
        bench.many(call_id)
    bench.service.step()
    bench.service.receive(to_payload(Cancel(2)))
    assert bench.ends == [(2, "cancelled")]
    bench.finish()
    assert bench.ends[1:] == [(1, "ok"), (3, "ok")]


def test_drain_takes_no_more_and_waits(bench: Bench) -> None:
    bench.many(1)
    bench.service.step()
    bench.service.receive(to_payload(Call(2, "drain", {})))
    bench.service.step()
    bench.many(3)
    assert bench.ends == [(3, "draining")]
    bench.finish()
    assert bench.ends[1:] == [(1, "ok"), (2, "ok")]


def test_a_defect_in_a_slice_costs_it_one_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def breaks(*_arguments: object) -> Iterator[None]:
        yield
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("port_worker.answering.recommend_many", breaks)
        bench.many(1)
        bench.finish()
    bench.many(2)
    bench.finish()
    assert bench.ends == [(1, "internal"), (2, "ok")]
    assert "ZeroDivisionError: a defect" in capfd.readouterr().err


def test_a_defect_at_the_start_of_a_call_costs_it_one_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_arguments: object) -> Iterator[None]:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr("port_worker.answering.Answering.start", breaks)
        bench.many(1)
        bench.service.receive(to_payload(Call(2, "recommend", {"user": "x"})))
        bench.finish()
    assert bench.ends == [(2, "internal"), (1, "internal")]
