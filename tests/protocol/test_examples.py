"""protocol/examples/client.mjs, a client that was written from SPEC.md alone, against real workers and faulty ones.

Without `node` on the PATH this module defines no tests: the client is an example, and a machine that only checks the
project need not have Node.js. A skip would not do, since a skipped test fails CI.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from port_worker.fixture.database import write_world
from port_worker.host import worker_command
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.models import ModelStore
from protocol.atoms import Atom
from protocol.etf import encode
from protocol.framing import frame
from tests.models import catalogue_arrays, publish_embedding
from tests.peers.stubs import ENVIRONMENT, ROOT, stub_command

CLIENT = ROOT / "protocol" / "examples" / "client.mjs"
NODE = shutil.which("node")
__test__ = NODE is not None  # pytest collects nothing from a module where this is false
LIMIT_S = 100

# Writes its first argument (in hexadecimal), waits until it is spoken to, writes the second; as many bytes at a time as
# the third says. Then it waits for the end of stdin.
PEER = """
import os, sys
first, then, size = *map(bytes.fromhex, sys.argv[1:3]), int(sys.argv[3])
def say(data):
    for start in range(0, len(data), size):
        os.write(1, data[start : start + size])
say(first)
if os.read(0, 1):
    say(then)
while os.read(0, 65536):
    pass
"""


def hello(**facts: object) -> bytes:
    body = {"protocol": 1, "worker": {}, "ops": [Atom("ping")], "limits": {}, "model": None, **facts}
    return message("hello", {Atom(key): value for key, value in body.items()})


def message(kind: str, *rest: object) -> bytes:
    return encode((Atom(kind), *rest), any_atom=True)


def says(*payloads: bytes, then: list[bytes] | None = None, size: int = 1 << 20) -> list[str]:
    """The command of a peer that says these payloads, what is in `then` once it is spoken to, and no more."""
    return [
        sys.executable,
        "-c",
        PEER,
        *(b"".join(map(frame, part)).hex() for part in (payloads, then or [])),
        str(size),
    ]


def run_client(command: list[str], *options: str, node: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    assert NODE is not None
    argv = [NODE, *(node or []), str(CLIENT), *options, "--", *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, env=ENVIRONMENT, cwd=ROOT)


def lines(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def publish(home: Path, ids: list[Any]) -> None:
    """A model, which was never trained, whose users and items have these ids; the last item is the best."""
    rows = len(ids)
    known = [one.decode() if isinstance(one, bytes) else one for one in ids]
    vectors = EmbeddingArrays(
        user_vectors=np.ones((rows, 1), dtype=np.float32),
        item_vectors=np.linspace(1, 2, rows, dtype=np.float32).reshape(-1, 1),
    )
    store = ModelStore(home / "models")
    store.activate(publish_embedding(store, catalogue_arrays(known, known, popularity=range(rows)), vectors))


INTEGERS = [-(1 << 63), -(1 << 53), -1, 0, 255, 256, (1 << 53) - 1, 1 << 53, (1 << 63) - 1]
UUIDS = [b"00112233-4455-6677-8899-aabbccddeeff", b"ffeeddcc-bbaa-9988-7766-554433221100"]
TEXTS = ["a", "int64", "\u00fc\U0001f600"]


@pytest.mark.parametrize(
    ("ids", "shown"),
    [
        (INTEGERS, [number if abs(number) < 1 << 53 else str(number) for number in INTEGERS]),
        (UUIDS, [uuid.decode() for uuid in UUIDS]),
        ([text.encode() for text in TEXTS], TEXTS),
    ],
    ids=["int64", "uuid", "texts"],
)
def test_pairs_and_columns_of_a_real_worker_say_the_same(tmp_path: Path, ids: list[Any], shown: list[object]) -> None:
    publish(tmp_path, ids)
    first, ping, pairs, columns, refused = lines(
        run_client(worker_command(tmp_path), f"--user={shown[0]}", "--n", str(len(ids)))
    )
    assert first["hello"]["worker"]["name"] == "port_worker"
    assert first["hello"]["model"]["items"] == len(ids)
    assert ping == {"op": "ping", "ok": "pong"}
    assert pairs["ok"]["source"] == columns["ok"]["source"] == "model"
    assert [item for item, _score in pairs["ok"]["items"]] == shown[::-1]
    assert columns["ok"]["items"]["ids"] == shown[::-1]
    assert columns["ok"]["items"]["scores"] == [score for _item, score in pairs["ok"]["items"]]
    assert (refused["error"]["code"], refused["error"]["details"]["field"]) == ("invalid_argument", "n")


def test_errors_of_a_real_worker_are_answers(tmp_path: Path) -> None:
    write_world(tmp_path / "world.sqlite", users=60, items=80, visits=1500)
    done = lines(run_client(worker_command(tmp_path), "--retrain", "none", "--n", "0.5"))
    retrain, ping, *others = done[1:]
    assert (retrain["op"], retrain["error"]["code"], ping["ok"]) == ("retrain", "unknown_algorithm", "pong")
    assert [line["error"]["code"] for line in others] == ["invalid_argument"] * 3
    assert others[0]["error"]["retryable"] is False
    assert others[0]["error"]["details"] == {"field": "n", "expected": "an integer from 1 to 10000", "got": "0.5"}


def test_progress_and_the_end_of_a_retrain_are_shown() -> None:
    _hello, progress, trained, *_answers = lines(run_client(stub_command(), "--retrain", "ALS"))
    facts = {"phase": "fit", "share": 0.5, "epoch": 1, "epochs": 2}
    assert progress == {"op": "retrain", "progress": facts}
    assert (trained["op"], trained["ok"]["rows"]) == ("retrain", 10)


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_answers_in_any_order_and_in_any_pieces_come_to_their_calls(size: int) -> None:
    terms: list[object] = [{Atom("a"): [None, True, False], 5: (1.5, {})}, -(1 << 63), (1,) * 300, ["x"] * 300]
    ends = [message("ok", number, term) for number, term in enumerate(terms, start=1)]
    event, progress = message("event", Atom("later"), {Atom("new"): "x"}), message("progress", 2, {Atom("share"): 0.5})
    late = [message("ok", 1, None), message("error", 9, {Atom("message"): "nobody asked"})]
    first, *said = lines(run_client(says(hello(new=1), then=[event, progress, *ends[::-1], *late], size=size)))
    assert first == {"hello": {"worker": {}, "model": None}}
    assert said[:2] == [{"event": "later", "facts": {"new": "x"}}, {"op": "recommend", "progress": {"share": 0.5}}]
    answers = [line["ok"] for line in said[2:]]
    assert answers == [{"a": [None, True, False], "5": [1.5, {}]}, str(-(1 << 63)), [1] * 300, ["x"] * 300]


def test_an_event_right_behind_hello_is_shown() -> None:
    ends = [message("ok", number, None) for number in range(1, 5)]
    done = lines(run_client(says(hello(), message("event", Atom("draining"), {}), then=ends)))
    assert {"event": "draining", "facts": {}} in done


DEEP = b"\x83" + b"\x68\x01" * 25_000 + b"\x6a"
UNUSABLE = {
    "another version": (says(hello(protocol=2)), "it speaks version 2 of the protocol"),
    "no frame": (stub_command(garbage=True), "it sent a frame of 1886546286 bytes"),
    "no term": (says(b"\x00\x6a"), "it sent what is not exactly one term"),
    "an empty frame": (says(b""), ""),
    "a term cut off": (says(hello()[:-1]), ""),
    "a binary cut off": (says(b"\x83\x6d\x00\x00\x00\x05abcd"), "it sent what is not exactly one term"),
    "more than a term": (says(hello() + b"\x6a"), "it sent what is not exactly one term"),
    "a count that is not there": (says(b"\x83\x6c\xff\xff\xff\xfe\x61"), ""),
    "a tag of another version": (says(b"\x83\x50\x00"), "it sent a term with tag 80"),
    "too deep a term": (says(DEEP), "call stack"),
    "no message": (says(encode(5)), "is not iterable"),
    "a message of another kind": (says(hello(), message("cancel", 1)), "it sent what is no message: cancel"),
    "no hello first": (says(message("ok", 1, None)), "it sent ok before hello"),
    "two of them": (says(hello(), hello()), "it sent hello twice"),
    "an error without an id": (
        says(hello(), then=[message("error", None, {Atom("message"): "a"})]),
        "it could not read a frame: a",
    ),
}


@pytest.mark.parametrize(("command", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_no_worker_of_this_version_is_refused_in_a_line(command: list[str], why: str) -> None:
    done = run_client(command)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("client: the worker was refused: ")
    assert why in line


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "the worker has ended: 3"),
        (stub_command(die_after=1), "the worker has ended: 3"),
        (["no-such-program"], "spawn no-such-program ENOENT"),
    ],
    ids=["before hello", "while it answers", "no program"],
)
def test_a_worker_that_dies_is_reported_in_a_line(command: list[str], why: str) -> None:
    done = run_client(command)
    assert (done.returncode, done.stderr) == (1, f"client: {why}\n")


IGNORES_ITS_END = "import time\nwhile True: time.sleep(60)"
SILENT = {
    "mute": (stub_command(mute=True), 60_000, "hello within 60000 ms"),
    "mute and ignores its end": ([sys.executable, "-c", IGNORES_ITS_END], 60_000, "hello within 60000 ms"),
    "silent": (stub_command(silent_after=0), 11_000, "recommend within 11000 ms"),
    "deaf": (stub_command(deaf_after=0), 11_000, "recommend within 11000 ms"),
}


@pytest.mark.parametrize(("command", "limit_ms", "why"), SILENT.values(), ids=SILENT)
def test_a_worker_that_says_nothing_is_given_up(tmp_path: Path, command: list[str], limit_ms: int, why: str) -> None:
    """The one limit that is to pass is over at once; the others are what they are."""
    hurry = tmp_path / "hurry.cjs"
    hurry.write_text(
        f"const wait = setTimeout; globalThis.setTimeout = (then, ms) => wait(then, ms === {limit_ms} ? 50 : ms);"
    )
    done = run_client(command, node=["--require", str(hurry)])
    assert (done.returncode, done.stderr) == (1, f"client: the worker has not answered {why}\n")


@pytest.mark.parametrize(
    ("command", "options"), [(["true"], ["--n", "many"]), (["true"], ["--colour", "red"]), ([], [])], ids=str
)
def test_a_bad_command_line_ends_with_status_2(command: list[str], options: list[str]) -> None:
    done = run_client(command, *options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
