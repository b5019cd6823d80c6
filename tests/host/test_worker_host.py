"""A worker seen from its host: calls, errors, silence, death."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import CallTimeout, WorkerError, WorkerGone, WorkerHost, worker_command
from port_worker.host import worker as worker_module
from protocol.atoms import Atom
from protocol.codec import codec
from protocol.etf import decode, encode
from protocol.messages import Call, ErrorReply, Ok, parse_outbound, to_payload
from tests.peers.stubs import ENVIRONMENT, start_stub, stub_command


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_hello_is_plain() -> None:
    with start_stub() as host:
        assert host.hello["worker"] == {"name": "stub", "version": "0.0.0", "python": "3"}
        assert host.hello["os_pid"] == host.pid
        assert {type(op) for op in host.hello["ops"]} == {str}


def test_a_call_returns_its_result_in_plain_python() -> None:
    with start_stub() as host:
        assert host.call("ping", timeout=30.0) == "pong"
        reply = host.call("recommend", {"user": "ada", "n": 3}, timeout=30.0)
    assert reply["items"][0] == (0, 1.0)
    assert reply["source"] == "model"


def test_an_error_has_its_code() -> None:
    with start_stub(error_every=1, error_code="overloaded") as host, pytest.raises(WorkerError) as caught:
        host.call("recommend", {"user": 1})
    assert caught.value.code == "overloaded"
    assert caught.value.retryable
    assert str(caught.value) == "overloaded: the stub says overloaded"


def test_calls_are_multiplexed_by_id() -> None:
    with start_stub(error_every=2, error_code="no_model") as host:
        ids = [host.send_call("recommend", {"user": k}) for k in range(4)]
        assert host.call("ping", timeout=30.0) == "pong"
        answers: list[object] = []
        while len(answers) < 4:
            answers += host.poll(1.0)
    assert [answer.id for answer in answers if isinstance(answer, (Ok, ErrorReply))] == ids
    assert [type(answer) for answer in answers] == [Ok, ErrorReply, Ok, ErrorReply]


def test_progress_goes_to_its_call() -> None:
    heard: list[dict[str, Any]] = []
    with start_stub() as host:
        result = host.call("retrain", {"params": {"epochs": 2}}, on_progress=heard.append)
    assert [facts["phase"] for facts in heard] == ["fit"]
    assert result["rows"] == 10


def test_a_silent_worker_times_out_and_is_told_to_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_ANSWER_GRACE_S", 0.0)
    with start_stub(silent_after=0) as host:
        with pytest.raises(CallTimeout):
            host.call("recommend", {"user": 1}, timeout=0.05)
        # The stub answers the cancel with `cancelled`: nobody waits for that any more.
        assert host.call("ping", timeout=30.0) == "pong"
        assert host.poll(0.0) == []


def test_a_call_that_is_interrupted_is_cancelled() -> None:
    def interrupt(_facts: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with start_stub(retrain_answers=1) as host:
        with pytest.raises(KeyboardInterrupt):
            host.call("retrain", on_progress=interrupt)
        assert host.call("ping", timeout=30.0) == "pong"
        assert host.poll(0.0) == []


def test_death_in_the_middle_of_a_call_is_told_with_the_status() -> None:
    with start_stub(die_after=1) as host:
        with pytest.raises(WorkerGone) as caught:
            host.call("recommend", {"user": 1})
        assert caught.value.returncode == 3
        with pytest.raises(WorkerGone):
            host.call("ping")


def test_a_kill_is_told_with_the_signal() -> None:
    with start_stub() as host:
        os.kill(host.pid, signal.SIGKILL)
        with pytest.raises(WorkerGone) as caught:
            host.call("ping")
    assert caught.value.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["./there-is-no-such-program"], "cannot start"),
        ([sys.executable, "-c", "raise SystemExit(7)"], "status 7"),
        (stub_command(mute=True), "said nothing"),
        (stub_command(garbage=True), "no frame"),
        (stub_command(protocol=2), "expected version 1 of the protocol, the worker has 2"),
    ],
)
def test_what_is_no_worker_is_refused(argv: list[str], why: str) -> None:
    timeout = 0.5 if "mute" in argv[-1] else 30.0
    with pytest.raises(WorkerGone, match=why):
        WorkerHost.start(argv, env=ENVIRONMENT, hello_timeout=timeout)


def test_the_worker_ends_with_the_block() -> None:
    with pytest.raises(ZeroDivisionError), start_stub() as host:
        raise ZeroDivisionError
    assert not _is_running(host.pid)


def test_a_worker_that_does_not_end_is_killed() -> None:
    host = start_stub(deaf_after=0)
    host.send_call("recommend", {"user": 1})
    assert host.close(grace=0.2) == -signal.SIGKILL
    assert not _is_running(host.pid)


def test_a_worker_ends_by_itself_when_its_stdin_does() -> None:
    assert start_stub().close(grace=30.0) == 0


def test_raw_payloads_go_out_and_come_back_as_they_are() -> None:
    with start_stub() as host:
        call = encode((Atom("call"), 77, Atom("retrain"), {}, Atom("infinity")))
        payloads = host.raw_exchange(call)
    said: list[Any] = [decode(payload) for payload in payloads]
    assert [term[:2] for term in said] == [("progress", 77), ("ok", 77)]


def test_a_host_may_speak_msgpack() -> None:
    heard: list[dict[str, Any]] = []
    with start_stub(codec="msgpack", error_every=2, error_code="overloaded") as host:
        assert host.hello["worker"]["name"] == "stub"
        reply = host.call("recommend", {"user": "ada"}, timeout=30.0)
        assert (reply["items"][0], reply["source"]) == ([0, 1.0], "model")
        with pytest.raises(WorkerError, match="the stub says overloaded"):
            host.call("recommend", {"user": "ada"}, timeout=30.0)
        host.call("retrain", on_progress=heard.append)
        (answer,) = host.raw_exchange(to_payload(Call(77, "ping"), codec("msgpack")))
    assert [facts["phase"] for facts in heard] == ["fit"]
    assert parse_outbound(answer, codec("msgpack")) == Ok(77, Atom("pong"))


def test_a_worker_that_speaks_another_codec_is_refused() -> None:
    with pytest.raises(WorkerGone, match="what the worker writes is no message"):
        WorkerHost.start(stub_command(), env=ENVIRONMENT, codec=codec("msgpack"))


def test_a_raw_payload_without_an_answer_gives_nothing() -> None:
    with start_stub(silent_after=0) as host:
        call = encode((Atom("call"), 77, Atom("recommend"), {}, Atom("infinity")))
        assert host.raw_exchange(call, timeout=0.05) == []


def test_the_command_names_what_was_given() -> None:
    argv = worker_command(Path("there"), "csv:x.csv", fixture=True)
    assert argv[1:6] == ["-m", "port_worker", "worker", "--home", "there"]
    assert argv[6:] == ["--codec", "etf", "--source", "csv:x.csv", "--fixture"]
    assert worker_command("there", codec="msgpack")[4:] == ["--home", "there", "--codec", "msgpack"]
