"""The worker as a host sees it: every op, every kind of bad input, each with its own code, and the worker goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerError, WorkerGone, WorkerHost, worker_command
from port_worker.sources.registry import open_source
from protocol.atoms import Atom
from protocol.etf import decode, encode
from protocol.framing import FrameReader, frame
from protocol.limits import MAX_FRAME_BYTES
from protocol.messages import Ok, plain
from tests.worker.conftest import Start, seconds_burnt


def raw(worker: WorkerHost, term: object) -> Any:
    """The reply to any payload: a term, or bytes as they are. Atoms of the closed set only."""
    payload = term if isinstance(term, bytes) else encode(term)
    return plain(decode(worker.raw_exchange(payload)[-1]))


def call(op: str, args: object, call_id: int = 77) -> tuple[object, ...]:
    return (Atom("call"), call_id, Atom(op), args, Atom("infinity"))


def user_of(home: Path) -> Any:
    return open_source(str(home / "world.sqlite")).sample_users(1)[0].id


def failing(worker: WorkerHost, op: str, args: dict[str, Any]) -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        worker.call(op, args, timeout=60)
    assert worker.call("ping", timeout=10) == "pong"
    return caught.value


def test_hello_tells_who_speaks_and_what_it_can_do(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    hello = worker.hello
    assert (hello["protocol"], hello["os_pid"]) == (1, worker.pid)
    assert hello["ops"] == [
        *("ping", "status", "recommend", "recommend_many", "similar", "score", "explain", "feedback", "hide_items"),
        *("show_items", "retrain", "models", "activate", "rollback", "drain"),
    ]
    assert (hello["limits"]["max_items"], hello["limits"]["max_bulk"]) == (10_000, 8)
    assert (hello["model"]["algorithm"], hello["model"]["kind"]) == ("ALS", "embedding")
    assert hello["model"]["options"] == ["diversity", "dot", "explain", "fold_in", "recent", "similar"]


def test_recommendations_are_new_to_the_user_and_ordered(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    user = user_of(trained_home)
    seen = {visit.item for visit in open_source(str(trained_home / "world.sqlite")).history(user, 10_000)}
    reply = worker.call("recommend", {"user": user, "n": 20}, timeout=10)
    items = [item for item, _score in reply["items"]]
    scores = [score for _item, score in reply["items"]]
    assert reply["source"] == "model"
    assert len(set(items)) == 20
    assert not seen & set(items)
    assert scores == sorted(scores, reverse=True)


def test_excluded_items_are_replaced_not_dropped(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    user = user_of(trained_home)
    first = [item for item, _score in worker.call("recommend", {"user": user, "n": 10}, timeout=10)["items"]]
    reply = worker.call("recommend", {"user": user, "n": 5, "exclude": [*first[:5], "nobody's", 4]}, timeout=10)
    assert [item for item, _score in reply["items"]] == first[5:]


def test_an_unknown_user_gets_what_is_popular_and_is_told_so(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    for user in ("nobody", 12):
        reply = worker.call("recommend", {"user": user, "n": 3}, timeout=10)
        assert reply["source"] == "popular"
        assert len(reply["items"]) == 3


def test_more_than_there_is_comes_with_the_reason(start: Start, trained_home: Path) -> None:
    reply = start(trained_home).call("recommend", {"user": "nobody", "n": 10_000}, timeout=10)
    assert reply["exhausted"] is True
    assert 0 < len(reply["items"]) < 10_000


def test_serving_needs_no_library_of_the_trainer(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    worker.call("recommend", {"user": user_of(trained_home)}, timeout=10)
    status = worker.call("status", timeout=10)
    assert status["heavy_modules"] == []
    assert status["rss_bytes"] < 200 * 1024 * 1024


@pytest.mark.parametrize("n", [0, -1, 10**9, 2**70, b"ten", 1.5, True, None, [3]])
def test_an_impossible_n_is_refused_by_name(shared_worker: WorkerHost, n: object) -> None:
    error = failing(shared_worker, "recommend", {"user": "x", "n": n})
    assert (error.code, error.details["field"]) == ("invalid_argument", "n")
    assert "1 to 10000" in error.message


@pytest.mark.parametrize("user", [b"", b"x" * 256, b"\xff", b"a\0b", 2**63, 1.0, None, True, [1], {}])
def test_what_cannot_be_an_id_is_refused(shared_worker: WorkerHost, user: object) -> None:
    error = failing(shared_worker, "recommend", {"user": user})
    assert (error.code, error.details["field"]) == ("invalid_argument", "user")


def test_missing_and_unknown_arguments_are_named(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    error = failing(worker, "recommend", {})
    assert (error.code, error.details["field"]) == ("missing_argument", "user")
    error = failing(worker, "recommend", {"user": "x", "algorithm": "ALS"})
    assert (error.code, error.details["field"]) == ("unknown_argument", "algorithm")
    error = failing(worker, "recommend", {"user": "x", "exclude": [1, 2.5]})
    assert (error.code, error.details["field"]) == ("invalid_argument", "exclude[1]")


def test_a_call_before_any_model_says_so(start: Start, fresh_home: Path) -> None:
    worker = start(fresh_home)
    assert worker.hello["model"] is None
    assert failing(worker, "recommend", {"user": "x"}).code == "no_model"


# `{call, 77, jump, #{}, infinity}`: an atom that is not of the closed set has to be spelled out.
UNKNOWN_OP = b"\x83h\x05w\x04callaMw\x04jumpt\x00\x00\x00\x00w\x08infinity"


@pytest.mark.parametrize(
    ("payload", "call_id", "code"),
    [
        (b"", None, "malformed_term"),
        (b"hello", None, "malformed_term"),
        (b"\x83\x50\x00\x00\x00\x01x", None, "malformed_term"),
        (encode(7), None, "malformed_message"),
        (encode(()), None, "malformed_message"),
        (encode((Atom("call"), 77)), 77, "malformed_message"),
        (encode((Atom("call"), -1, Atom("ping"), {}, Atom("infinity"))), None, "malformed_message"),
        (encode((Atom("call"), 77, b"ping", {}, Atom("infinity"))), 77, "malformed_message"),
        (encode((Atom("call"), 77, Atom("ping"), [], Atom("infinity"))), 77, "malformed_message"),
        (encode((Atom("call"), 77, Atom("ping"), {b"n": 1}, Atom("infinity"))), 77, "malformed_message"),
        (encode((Atom("call"), 77, Atom("ping"), {}, -5)), 77, "malformed_message"),
        (encode((Atom("ok"), 77, 1)), None, "malformed_message"),
        (UNKNOWN_OP, 77, "unknown_op"),
    ],
)
def test_a_bad_frame_is_answered_and_the_worker_goes_on(
    shared_worker: WorkerHost, payload: bytes, call_id: int | None, code: str
) -> None:
    tag, answered, error = raw(shared_worker, payload)
    assert (tag, answered, error["code"]) == ("error", call_id, code)
    assert shared_worker.call("ping", timeout=10) == "pong"


def test_a_deadline_that_has_passed_is_not_worked_for(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    before = worker.call("status", timeout=10)["batches"]
    reply = raw(worker, (Atom("call"), 77, Atom("recommend"), {Atom("user"): b"x"}, 0))
    assert reply[2]["code"] == "deadline_exceeded"
    assert worker.call("status", timeout=10)["batches"] == before


def test_calls_that_arrive_together_are_one_batch(trained_home: Path) -> None:
    calls = [call("recommend", {Atom("user"): b"x"}, call_id) for call_id in range(40)]
    replies = replies_to(trained_home, *calls, call("status", {}))
    assert sorted(reply[1] for reply in replies if reply[0] == "ok") == [*range(40), 77]
    replies = replies_to(trained_home, *calls[:2], call("models", {}))
    assert [reply[1] for reply in replies] == [77, 0, 1]  # a call that is short does not wait for a batch


def test_an_id_in_flight_cannot_be_used_again(trained_home: Path) -> None:
    once = call("recommend", {Atom("user"): b"x"})
    replies = replies_to(trained_home, once, once)
    assert [reply[0] for reply in replies] == ["error", "ok"]
    assert replies[0][2]["code"] == "id_in_use"


def test_a_cancelled_call_is_answered_once_and_not_worked_for(trained_home: Path) -> None:
    once = call("recommend", {Atom("user"): b"x"})
    replies = replies_to(trained_home, once, (Atom("cancel"), 77), (Atom("cancel"), 78))
    assert [(reply[0], reply[2]["code"]) for reply in replies] == [("error", "cancelled")]


def test_models_lists_versions_newest_first_with_one_active(start: Start, trained_home: Path) -> None:
    listing = start(trained_home).call("models", timeout=10)
    assert [version["active"] for version in listing["versions"]] == [True, False]
    assert listing["active"] == listing["versions"][0]["version"]
    assert listing["versions"][0]["bytes"] > 0


def test_drain_ends_with_only_questions_answered(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    assert worker.call("drain", timeout=10) == {"completed": 0}
    with pytest.raises(WorkerError) as caught:
        worker.call("recommend", {"user": "x"}, timeout=10)
    assert (caught.value.code, caught.value.retryable) == ("draining", True)
    assert worker.call("status", timeout=10)["state"] == "draining"
    assert worker.close() == 0


def poll_to_the_end(worker: WorkerHost) -> None:
    while True:
        worker.poll(10.0)


def test_sigterm_ends_the_worker_cleanly(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    os.kill(worker.pid, signal.SIGTERM)
    with pytest.raises(WorkerGone) as caught:
        poll_to_the_end(worker)
    assert caught.value.returncode == 0


def run_on(home: Path, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(worker_command(home), input=stdin, capture_output=True, timeout=60, check=False)


def replies_to(home: Path, *terms: object) -> list[Any]:
    """What comes back, hello and events left out, when all the terms are there to be read at once."""
    reader = FrameReader()
    reader.feed(run_on(home, b"".join(frame(encode(term)) for term in terms)).stdout)
    messages = [plain(decode(payload)) for payload in reader.frames()]
    return [message for message in messages if message[0] in ("ok", "error")]


def test_a_length_above_the_limit_ends_the_worker_unallocated(trained_home: Path) -> None:
    done = run_on(trained_home, (MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    assert done.returncode == 65
    assert b"frame_too_large" in done.stdout
    assert b"expected at most 16777216 bytes" in done.stderr
    assert b"Traceback" not in done.stderr


def test_input_that_ends_within_a_frame_is_said(trained_home: Path) -> None:
    done = run_on(trained_home, b"\0\0\0\x10half")
    assert done.returncode == 65
    assert b"input ended after 8 bytes of a frame" in done.stderr


def test_the_end_of_input_is_a_clean_end_after_the_answers(trained_home: Path) -> None:
    done = run_on(trained_home, frame(encode(call("ping", {}))))
    assert done.returncode == 0
    assert b"pong" in done.stdout


def test_a_host_that_reads_late_gets_every_answer(start: Start, trained_home: Path) -> None:
    worker = start(trained_home)
    rounds, in_flight = 3, 4_000
    for _ in range(rounds):
        waiting = {worker.send_call("recommend", {"user": "nobody", "n": 80}) for _ in range(in_flight)}
        while waiting:
            waiting -= {one.id for one in worker.poll(30.0) if isinstance(one, Ok)}
    assert worker.call("status", timeout=10)["answered"] == rounds * in_flight


def test_a_host_that_does_not_read_burns_no_core(
    start: Start, trained_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT_WORKER_WATCH_SECONDS", "0.1")  # what is due meanwhile waits for the host
    worker = start(trained_home)
    waiting = {worker.send_call("recommend", {"user": "nobody", "n": 80}) for _ in range(4_000)}
    before = -1.0
    while (burnt := seconds_burnt(worker)) != before and burnt < 10.0:
        before = burnt
        time.sleep(0.5)
    assert burnt == before
    while waiting:
        waiting -= {one.id for one in worker.poll(30.0) if isinstance(one, Ok)}


def test_a_home_that_cannot_be_used_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder belongs")
    (tmp_path / "file").write_text("")
    for home in (tmp_path, tmp_path / "file"):
        done = run_on(home, b"")
        assert done.returncode in (2, 74)
        assert b"Traceback" not in done.stderr
        assert done.stderr.startswith(b"port_worker: ")
