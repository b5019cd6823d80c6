"""protocol/examples/client.mjs, a client that was written from SPEC.md alone, against real workers and faulty ones.

Without `node` on the PATH this module defines no tests: the client is an example, and a machine that only checks the
project need not have Node.js. A skip would not do, since a skipped test fails CI.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from port_worker.fixture.database import write_world
from port_worker.host import worker_command
from protocol.atoms import Atom
from protocol.etf import decode, encode
from protocol.framing import frame
from tests.peers.stubs import ENVIRONMENT, ROOT, stub_command

EXAMPLES = ROOT / "protocol" / "examples"
NODE = shutil.which("node")
__test__ = NODE is not None  # pytest collects nothing from a module where this is false
LIMIT_S = 200

# Writes its argument (in hexadecimal) in one piece, so that its reader gets it so; then waits for the end of stdin.
PEER = "import os, sys; os.write(1, bytes.fromhex(sys.argv[1])); sys.stdin.buffer.read()"


def hello(**facts: object) -> bytes:
    body = {"protocol": 1, "worker": {}, "ops": [Atom("ping")], "limits": {}, "model": None, **facts}
    return encode((Atom("hello"), {Atom(key): value for key, value in body.items()}))


def says(*payloads: bytes) -> list[str]:
    """The command of a peer that says these payloads and no more."""
    return [sys.executable, "-c", PEER, b"".join(map(frame, payloads)).hex()]


def node(*argv: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    assert NODE is not None
    return subprocess.run(
        [NODE, *map(str, argv)], input=text, capture_output=True, text=True, timeout=LIMIT_S, env=ENVIRONMENT, cwd=ROOT
    )


def run_client(command: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    return node(EXAMPLES / "client.mjs", *options, "--", *command)


def lines(done: subprocess.CompletedProcess[str]) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def program(body: str) -> str:
    """A program that has the two modules of the example, and `print`, which prints JSON."""
    return textwrap.dedent(
        f"""
        import {{ CallError, Client, SessionError }} from {json.dumps((EXAMPLES / "client.mjs").as_uri())};
        import {{ decode, encode, Tuple }} from {json.dumps((EXAMPLES / "etf.mjs").as_uri())};
        const print = (...values) => console.log(JSON.stringify(values));
        const code = (call) => call.then(() => "ok", (error) => error.code ?? error.message);
        """
    ) + textwrap.dedent(body)


def run_program(body: str) -> list[Any]:
    done = node("--input-type=module", "-", text=program(body))
    assert done.returncode == 0, done.stderr
    return lines(done)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small world; the test of a whole session trains its first model."""
    home = tmp_path_factory.mktemp("example")
    write_world(home / "world.sqlite", users=60, items=80, visits=1500)
    return home


def a_user(home: Path) -> str:
    with sqlite3.connect(home / "world.sqlite") as world:
        return str(world.execute("SELECT id FROM users ORDER BY id").fetchone()[0])


def test_it_trains_a_real_worker_and_reads_the_same_from_pairs_and_from_columns(home: Path) -> None:
    done = run_client(worker_command(home), "--user", a_user(home), "--n", "3", "--retrain", "ALS")
    assert done.returncode == 0, done.stderr
    first, *progress, activated, trained, ping, pairs, columns, refused = lines(done)
    assert first["hello"]["worker"]["name"] == "port_worker"
    assert first["hello"]["model"] is None
    assert {line["progress"]["phase"] for line in progress} == {"extract", "prepare", "fit", "export", "load"}
    assert activated["event"] == "model_activated"
    assert trained["ok"]["version"] == activated["facts"]["version"]
    assert (trained["ok"]["algorithm"], trained["ok"]["users"]) == ("ALS", 60)
    assert ping == {"op": "ping", "ok": "pong"}
    ids, scores = zip(*pairs["ok"]["items"], strict=True)
    assert len(ids) == 3
    assert pairs["ok"]["source"] == "model"
    assert columns["ok"]["items"]["ids"] == list(ids)
    assert columns["ok"]["items"]["scores"] == pytest.approx(scores)
    assert refused["error"]["code"] == "invalid_argument"
    assert refused["error"]["retryable"] is False
    assert refused["error"]["details"]["field"] == "n"


def test_errors_of_a_worker_without_a_model_are_answers(tmp_path: Path) -> None:
    write_world(tmp_path / "world.sqlite", users=60, items=80, visits=1500)
    done = run_client(worker_command(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [line["error"]["code"] for line in lines(done)[2:]] == ["no_model", "no_model", "invalid_argument"]
    assert lines(done)[2]["error"]["retryable"] is True


def test_calls_can_be_cancelled_and_bounded_on_a_real_worker(tmp_path: Path) -> None:
    write_world(tmp_path / "world.sqlite", users=60, items=80, visits=1500)
    said = run_program(
        f"""
        const client = await Client.start({json.dumps(worker_command(tmp_path))});
        const controller = new AbortController();
        const options = {{ signal: controller.signal, onProgress: () => controller.abort() }};
        print(await code(client.call("retrain", {{}}, options)));
        print(await code(client.call("ping", {{}}, {{ deadline: 0 }})));
        const exclude = Tuple.of(Symbol.for("int64"), Buffer.alloc(9));
        print(await code(client.call("recommend", {{ user: 2n ** 63n - 1n, exclude }})));
        const calls = Array.from({{ length: client.hello.limits.max_in_flight + 1 }}, () => code(client.call("ping")));
        print(new Set((await Promise.all(calls)).slice(0, -1)).size, await calls.at(-1));
        const last = code(client.call("status"));
        print(await client.close(), await last, await code(client.call("ping")));
        """
    )
    assert said == [
        ["cancelled"],
        ["deadline_exceeded"],
        ["invalid_argument"],
        [1, "overloaded"],
        [0, "ok", "the worker has ended: 0"],
    ]


TERMS: list[object] = [
    *(sign * (1 << bits) + step for bits in (0, 7, 8, 31, 32, 53, 62) for step in (-1, 0, 1) for sign in (1, -1)),
    *(0.5, -1e-300, 1.25e300),
    *("", "\ufeffa\u00fc\U0001f600\0", Atom("\u00fc" * 100), None, True, False, Atom("constructor"), Atom("__proto__")),
    *([], (), [[]], [1, [2, (3, "4")]], (Atom("a"), {}), {Atom("a"): {Atom("b"): [None]}, Atom("__proto__"): 1}),
    *(tuple(range(300)), ["x"] * 300),
]


def test_terms_come_back_as_they_went() -> None:
    sent = [encode(term, any_atom=True) for term in TERMS]
    said = run_program(
        f"for (const hex of {json.dumps([payload.hex() for payload in sent])})"
        ' print(encode(decode(Buffer.from(hex, "hex"))).toString("hex"));'
    )
    assert [repr(decode(bytes.fromhex(line[0]))) for line in said] == [repr(decode(payload)) for payload in sent]


def test_columns_arrive_as_values() -> None:
    number = (Atom("int64"), (5).to_bytes(8, "little") + (-(1 << 63)).to_bytes(8, "little", signed=True))
    uuid = (Atom("uuid"), bytes.fromhex("00112233445566778899aabbccddeeff"))
    said = run_program(
        f"for (const hex of {json.dumps([encode(column).hex() for column in (number, uuid)])})"
        ' print(...decode(Buffer.from(hex, "hex")).map(String));'
    )
    assert said == [["5", str(-(1 << 63))], ["00112233-4455-6677-8899-aabbccddeeff"]]


DEEP = b"\x83" + b"\x68\x01" * 25_000 + b"\x6a"
UNUSABLE = {
    "another version": (says(hello(protocol=2)), "it speaks version 2 of the protocol, this client 1"),
    "no frame": (stub_command(garbage=True), "it sent a frame of 1886546286 bytes"),
    "no term": (says(b"\x00\x01"), "version byte 0"),
    "an empty frame": (says(b""), "the term is cut off at byte 0"),
    "a term cut off": (says(hello()[:-1]), "the term is cut off"),
    "more than a term": (says(hello() + b"\x6a"), "1 bytes after the term"),
    "a count that is not there": (says(b"\x83\x6c\xff\xff\xff\xff\x61"), "the term is cut off"),
    "a tag of another version": (says(b"\x83\x50\x00"), "tag 80 at byte 1"),
    "text that is no UTF-8": (says(b"\x83\x6d\x00\x00\x00\x01\xff"), "not valid for encoding utf-8"),
    "too deep a term": (says(DEEP), "call stack"),
    "no message": (says(encode(5)), "it sent what is no message"),
    "a message of another kind": (says(encode((Atom("event"), 1))), "it sent what is no message"),
    "no hello first": (says(encode((Atom("ok"), 1, None))), "it began with ok, not with hello"),
    "two of them": (says(hello(), hello()), "it said hello twice"),
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
        (["no-such-program"], "the worker has ended: spawn no-such-program ENOENT"),
        (says(hello(), encode((Atom("error"), None, {Atom("message"): "a"}))), "the worker could not read a frame: a"),
    ],
    ids=["before hello", "while it answers", "no program", "an error without an id"],
)
def test_a_worker_that_ends_or_gives_up_is_reported_in_a_line(command: list[str], why: str) -> None:
    done = run_client(command)
    assert (done.returncode, done.stderr) == (1, f"client: {why}\n")


def test_a_worker_that_ignores_the_end_of_its_input_is_killed() -> None:
    deaf = "import os, time\nos.close(1)\nwhile True: time.sleep(60)"
    said = run_program(
        f"""
        const client = Client.start({json.dumps([sys.executable, "-c", deaf])}, {{ helloMs: 100 }});
        print(await code(client));
        """
    )
    assert said == [["the worker said no hello within 100 ms"]]


def test_a_silent_worker_is_given_up_after_the_deadline_and_what_comes_late_is_ignored() -> None:
    said = run_program(
        f"""
        const client = await Client.start({json.dumps(stub_command(silent_after=0))});
        const silent = client.call("recommend", {{ user: 1 }}, {{ deadline: 50 }});
        print(await code(silent), await code(client.call("ping")), await client.close());
        """
    )
    assert said == [["deadline_exceeded", "ok", 0]]


def test_an_event_right_behind_hello_is_not_lost() -> None:
    said = run_program(
        f"""
        const client = await Client.start({json.dumps(says(hello(), encode((Atom("event"), Atom("draining"), {}))))});
        const kind = await new Promise((resolve) => client.on("event", resolve));
        print(kind, await client.close());
        """
    )
    assert said == [["draining", 0]]


@pytest.mark.parametrize("options", [["--n", "many"], ["--colour", "red"]])
def test_a_bad_command_line_ends_with_status_2(options: list[str]) -> None:
    done = run_client(["true"], *options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_a_command_line_without_a_command_ends_with_status_2() -> None:
    done = node(EXAMPLES / "client.mjs")
    assert (done.returncode, done.stderr) == (2, "client: expected the command of a worker behind --, got none\n")
