"""Recordings fed to workers: one that answers as recorded, ones that misbehave, and the real one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerHost, worker_command
from port_worker.inspection.frames import Frame
from port_worker.inspection.replay import NoWorker, Replay
from protocol.atoms import Atom
from protocol.codec import ETF
from protocol.errors import ProtocolError
from protocol.messages import Call, Cancel, ErrorReply, Hello, Ok, parse_inbound
from tests.inspection.conftest import STUB_RESULT, Ran, Record, inspect
from tests.peers.stubs import stub_command


def _replay(path: Path, *options: object, **faults: Any) -> tuple[Ran, dict[str, Any]]:
    ran = inspect("--replay", path, "--json", *options, "--", *stub_command(**faults))
    *_frames, last = ran.objects
    return ran, last["summary"]


def test_a_worker_that_answers_as_recorded(recorded: Path) -> None:
    ran, summary = _replay(recorded)
    assert (ran.status, ran.err) == (0, "")
    assert summary["different"] == summary["unanswered"] == []
    assert (summary["calls"], summary["ok"], summary["equal"], summary["worker"]) == (3, 3, 3, None)
    shown = [(each["direction"], each["tag"], each["id"]) for each in ran.objects[:-1]]
    assert shown[:2] == [("out", "hello", None), ("in", "call", 1)]
    for each in (1, 2, 3):
        assert shown.index(("in", "call", each)) < shown.index(("out", "ok", each))
    assert len(shown) == 7
    times = [each["time_us"] for each in ran.objects[:-1]]
    assert times == sorted(times)


def test_for_people_the_frames_are_followed_by_a_summary(recorded: Path) -> None:
    ran = inspect("--replay", recorded, "--id", 2, "--", *stub_command())
    assert ran.status == 0
    assert [line.split()[1] for line in ran.lines[:2]] == ["in", "out"]
    assert ran.lines[2:] == [
        "3 calls: 3 answered (3 ok, 0 errors)",
        "as recorded: 3; different: 0; not in the recording: 0",
    ]


def test_answers_that_differ_are_listed(recorded: Path) -> None:
    ran, summary = _replay(recorded, error_every=2, error_code="internal")
    assert ran.status == 0, "all calls were answered"
    assert summary["different"] == [{"id": 3, "got": "error internal", "recorded": "ok"}]
    assert (summary["ok"], summary["errors"]) == (2, 1)


def test_an_id_waits_for_the_end_of_the_call_that_had_it(record: Record) -> None:
    answered = [one for _ in range(20) for one in (Call(1, "recommend", {"user": "ada"}), Ok(1, STUB_RESULT))]
    ran, summary = _replay(record(*answered), delay_ms=2)
    assert ran.status == 0
    assert (summary["calls"], summary["equal"], summary["recurring"]) == (20, 20, [1])
    tags = [each["tag"] for each in ran.objects[1:-1]]
    assert tags == ["call", "ok"] * 20


def test_a_call_that_is_never_answered_ends_the_wait(recorded: Path) -> None:
    ran, summary = _replay(recorded, "--timeout", 2, silent_after=1)
    assert ran.status == 1
    assert (summary["unanswered"], summary["silent_s"], summary["worker"]) == ([3], 2.0, None)


def test_a_worker_that_reads_nothing_ends_the_wait(record: Record) -> None:
    many = [Call(call_id, "recommend", {"user": "x" * 60_000}) for call_id in range(1, 41)]
    ran, summary = _replay(record(*many), "--timeout", 2, deaf_after=0)
    assert ran.status == 1
    assert summary["unfed"] > 0
    assert summary["calls"] + summary["unfed"] == 40
    assert len(summary["unanswered"]) == summary["calls"]


def test_a_worker_that_dies_is_told_from_one_that_is_silent(record: Record) -> None:
    calls = [one for each in (1, 2, 3) for one in (Call(each, "recommend", {"user": "a"}), Ok(each, STUB_RESULT))]
    ran, summary = _replay(record(*calls), die_after=2)
    assert ran.status == 3
    assert (summary["ok"], summary["worker"]) == (1, "the worker ended with status 3")
    assert summary["unanswered"]


def test_what_writes_no_frames_is_no_worker(recorded: Path) -> None:
    ran = inspect("--replay", recorded, "--", *stub_command(garbage=True))
    assert (ran.status, ran.out) == (3, "")
    assert "no worker to replay to: what the worker writes is no frame" in ran.err


def test_what_says_no_hello_in_time_is_no_worker() -> None:
    shown: list[Frame] = []
    mute = Replay(stub_command(mute=True), ETF, shown.append, timeout=60, hello_timeout=0.2)
    with mute as replay, pytest.raises(NoWorker, match=r"the worker said nothing within 0\.2 s"):
        replay.run([])
    assert shown == []


def test_what_says_something_else_first_is_no_worker(recorded: Path) -> None:
    echo = "import os\nos.write(1, bytes((0, 0, 0, 2, 131, 106)))\nos.read(0, 1)"
    ran = inspect("--replay", recorded, "--", sys.executable, "-c", echo)
    assert ran.status == 3
    assert "what the worker says first is no hello of this protocol" in ran.err


def test_a_command_that_is_none_is_no_worker(recorded: Path) -> None:
    ran = inspect("--replay", recorded, "--", "/nowhere/worker")
    assert ran.status == 3
    assert ran.err == (
        "port-worker inspect: no worker to replay to: cannot start /nowhere/worker: no such file or directory\n"
    )


def test_recorded_times_are_kept_when_asked_for(record: Record) -> None:
    moments = iter([0.0, 5.0, 5.0, 5.4])
    path = record(Hello({}), Call(1, "ping"), Call(2, "ping"), clock=lambda: next(moments))
    ran, _summary = _replay(path, "--timing")
    fed = [each["time_us"] for each in ran.objects if each.get("tag") == "call"]
    assert fed[1] - fed[0] >= 400_000
    assert fed[0] < 5_000_000, "the wait before the first is left out"


def test_bare_frames_are_fed_by_what_they_say(record: Record) -> None:
    from protocol.framing import frame
    from protocol.messages import to_payload

    stream = frame(to_payload(Call(5, "ping"))) + frame(b"\x83j") + frame(to_payload(Ok(5, Atom("pong"))))
    ran = inspect("--replay", "-", "--json", "--", *stub_command(), stdin=stream)
    assert ran.status == 0
    summary = ran.objects[-1]["summary"]
    assert (summary["calls"], summary["equal"], summary["skipped"]) == (1, 1, 1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.mark.parametrize("codec_name", ["etf", "msgpack"])
def test_the_real_worker_answers_as_another_did(record: Record, home: Path, codec_name: str) -> None:
    if codec_name == "etf":
        unreadable, code = b"\x83Xw\x01n" + bytes(12), "malformed_term"
    else:
        unreadable, code = b"\xc1", "malformed_term"
    path = record(
        Call(1, "ping"),
        Ok(1, Atom("pong")),
        Call(2, "recommend", {"user": "ada"}),
        ErrorReply(2, "no_model", "so it is", True, {}),
        Call(3, "dance"),
        ErrorReply(3, "unknown_op", "so it is", False, {}),
        Cancel(9),
        unreadable,
        ErrorReply(None, code, "so it is", False, {}),
        Call(1, "models"),
        Ok(1, {Atom("active"): None, Atom("versions"): []}),
        codec_name=codec_name,
    )
    ran = inspect("--replay", path, "--json", "--home", home)
    assert ran.status == 0, ran.err
    summary = ran.objects[-1]["summary"]
    assert (summary["calls"], summary["other"], summary["ok"], summary["errors"]) == (4, 2, 2, 2)
    assert (summary["equal"], summary["different"], summary["recurring"]) == (5, [], [1])


def test_a_real_worker_is_fed_no_more_bulk_calls_than_may_wait(record: Record, home: Path) -> None:
    column = (Atom("int64"), bytes(8 * 10_000))
    path = record(Hello({}), *[Call(n, "feedback", {"users": column, "items": column}) for n in range(8)])
    ran = inspect("--replay", path, "--json", "--", *worker_command(home), "--limit", "max_bulk=1")
    summary = ran.objects[-1]["summary"]
    assert (summary["calls"], summary["ok"], summary["errors"]) == (8, 8, 0)


def test_what_a_real_worker_records_is_shown_and_replayed(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "recorded"
    with WorkerHost.start([*worker_command(home), "--record", str(path)]) as worker:
        worker.call("ping")
        worker.raw_exchange(b"\x83" + b"l\x00\x00\x00\x01a\x01a\x02")
        worker.call("models")
    shown = inspect(path, "--json").objects
    assert [(each["direction"], each["tag"], each["id"]) for each in shown] == [
        ("out", "hello", None),
        ("in", "call", 1),
        ("out", "ok", 1),
        ("in", None, None),
        ("out", "error", None),
        ("in", "call", 2),
        ("out", "ok", 2),
    ]
    assert shown[3]["term"] == "[1|2]"
    times = [each["time_us"] for each in shown]
    assert times == sorted(times)
    before = path.read_bytes()
    ran = inspect("--replay", path, "--home", home, environment={"PORT_WORKER_RECORD": str(path)})
    assert ran.status == 0, ran.err
    assert path.read_bytes() == before
    assert ran.lines[-3:] == [
        "2 calls: 2 answered (2 ok, 0 errors)",
        "1 frame fed besides: cancels, or what is no call",
        "as recorded: 3; different: 0; not in the recording: 0",
    ]


def test_the_id_that_a_worker_cannot_read_is_no_id() -> None:
    # What erlang-py reads and the worker refuses is answered without an id; a replay must not wait for one with it.
    payload = b"\x83h\x05w\x04calla\x07w\x04pingt\x00\x00\x00\x00" + b"Xw\x01n" + bytes(12)
    with pytest.raises(ProtocolError) as caught:
        parse_inbound(payload)
    assert caught.value.call_id is None
