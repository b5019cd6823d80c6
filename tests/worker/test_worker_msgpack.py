"""A real worker that speaks msgpack: every kind of answer, and the same ones as in External Term Format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerError, WorkerGone, WorkerHost, worker_command
from port_worker.sources.registry import open_source
from protocol.atoms import Atom
from protocol.codec import codec
from protocol.messages import ErrorReply, Ok, plain
from tests.worker.conftest import Start

MSGPACK = codec("msgpack")


@pytest.fixture(scope="module")
def worker(trained_home: Path) -> Iterator[WorkerHost]:
    """One worker for all tests here, each of which leaves it as it was."""
    with WorkerHost.start(worker_command(trained_home, codec="msgpack"), codec=MSGPACK) as started:
        yield started


def answer(worker: WorkerHost, payload: bytes) -> Any:
    return plain(MSGPACK.decode(worker.raw_exchange(payload)[-1]))


def test_it_says_hello_answers_and_tells_its_state(worker: WorkerHost) -> None:
    assert worker.hello["os_pid"] == worker.pid
    assert worker.call("ping", timeout=10) == "pong"
    assert worker.call("status", timeout=10)["state"] == "ready"
    assert [version["active"] for version in worker.call("models", timeout=10)["versions"]] == [True, False]


def test_it_recommends_what_it_would_in_the_other_codec(worker: WorkerHost, start: Start, trained_home: Path) -> None:
    user = open_source(str(trained_home / "world.sqlite")).sample_users(1)[0].id
    for args in ({"user": user, "n": 20}, {"user": user, "exclude": [1, b"x"]}, {"user": "nobody", "n": 3}):
        reply, other = (each.call("recommend", args, timeout=10) for each in (worker, start(trained_home)))
        assert [tuple(pair) for pair in reply.pop("items")] == other.pop("items")
        assert reply == other


@pytest.mark.parametrize(
    ("op", "args", "code"),
    [
        ("recommend", {}, "missing_argument"),
        ("recommend", {"user": "x", "n": 0}, "invalid_argument"),
        ("recommend", {"user": "x", "wings": 2}, "unknown_argument"),
        ("retrain", {"algorithm": "KNN"}, "unknown_algorithm"),
        ("retrain", {"algorithm": "ALS", "params": {"embed_size": 0}}, "invalid_hyperparameter"),
        ("fly", {}, "unknown_op"),
    ],
)
def test_each_error_has_its_code(worker: WorkerHost, op: str, args: dict[str, Any], code: str) -> None:
    with pytest.raises(WorkerError) as caught:
        worker.call(op, args, timeout=60)
    assert caught.value.code == code
    assert worker.call("ping", timeout=10) == "pong"


@pytest.mark.parametrize(
    ("payload", "call_id", "code"),
    [
        (b"", None, "malformed_term"),
        (b"\x83garbage", None, "malformed_term"),
        (b"\xdd\xff\xff\xff\xff", None, "malformed_term"),
        (b"\x91" * 100_000 + b"\xc0", None, "malformed_term"),
        (MSGPACK.encode(7), None, "malformed_message"),
        (MSGPACK.encode((Atom("call"), 77)), 77, "malformed_message"),
        (MSGPACK.encode(("call", 77, "ping", {}, "infinity")), None, "malformed_message"),
    ],
)
def test_a_bad_frame_is_answered_and_the_worker_goes_on(
    worker: WorkerHost, payload: bytes, call_id: int | None, code: str
) -> None:
    tag, answered, error = answer(worker, payload)
    assert (tag, answered, error["code"]) == ("error", call_id, code)
    assert worker.call("ping", timeout=10) == "pong"


def test_a_retrain_is_cancelled(fresh_home: Path) -> None:
    with WorkerHost.start(worker_command(fresh_home, codec="msgpack"), codec=MSGPACK) as worker:
        call_id = worker.send_call("retrain")
        worker.cancel(call_id)
        ends: list[ErrorReply | Ok] = []
        while not ends:
            ends = [message for message in worker.poll(30.0) if isinstance(message, (ErrorReply, Ok))]
        assert [(end.id, getattr(end, "code", None)) for end in ends] == [(call_id, "cancelled")]
        assert worker.close() == 0


def test_a_codec_that_is_none_is_refused_at_the_start(trained_home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkerGone) as caught:
        WorkerHost.start(worker_command(trained_home, codec="json"))
    assert caught.value.returncode == 2
    assert "codec: expected one of etf, msgpack, got 'json'" in capfd.readouterr().err
