"""`port-worker inspect` on files, streams and terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from protocol import etf
from protocol.atoms import Atom
from protocol.framing import frame
from protocol.messages import Call, Cancel, ErrorReply, Message, Ok, to_payload
from tests.inspection.conftest import PROGRAM, Record, inspect
from tests.peers.stubs import ENVIRONMENT

PID = b"\x83h\x03w\x04calla\x07Xw\x01n" + struct.pack(">III", 12, 0, 1)


def test_each_frame_is_a_line_with_its_time_direction_size_and_id(recorded: Path) -> None:
    ran = inspect(recorded)
    assert (ran.status, ran.err) == (0, "")
    assert ran.lines[:4] == [
        "    0.001000  out        27            {hello,#{protocol => 1}}",
        "    0.002000  in         32         1  {call,1,ping,#{},infinity}",
        "    0.003000  out        15         1  {ok,1,pong}",
        '    0.004000  in         51         2  {call,2,recommend,#{user => <<"ada">>,n => 3},1000}',
    ]
    assert len(ran.lines) == 7


def test_json_has_the_same_as_data(recorded: Path) -> None:
    ran = inspect("--json", recorded)
    assert ran.objects[1] == {
        "time_us": 2000,
        "direction": "in",
        "bytes": 32,
        "id": 1,
        "tag": "call",
        "term": "{call,1,ping,#{},infinity}",
    }
    assert ran.objects[0]["id"] is None


def test_what_only_erlang_has_is_shown_and_what_is_no_term_says_why(record: Record) -> None:
    path = record(PID, b"\x83\x01", b"", Call(1, "ping"))
    ran = inspect(path)
    assert [line[39:] for line in ran.lines] == [
        "{call,7,<0.12.0>}",
        "undecodable (the tag 1 at byte 1): 8301",
        "undecodable (no term: expected the version byte 131, got nothing): ",
        "{call,1,ping,#{},infinity}",
    ]
    first, second, *_rest = inspect("--json", path).objects
    assert (first["id"], first["tag"]) == (7, "call")
    assert (second["term"], second["error"], second["hex"]) == (None, "the tag 1 at byte 1", "8301")


def test_compressed_terms_are_marked(record: Record) -> None:
    import zlib

    payload = b"\x83P" + struct.pack(">I", 2) + zlib.compress(b"a\x01")
    path = record(payload)
    assert inspect(path).lines[0].endswith("  (compressed) 1")
    assert inspect("--json", path).objects[0]["notes"] == ["compressed"]


def test_a_recording_of_msgpack_is_shown_as_terms_too(record: Record) -> None:
    path = record(Call(1, "recommend", {"user": "ada"}), Ok(1, Atom("pong")), b"\xc1", codec_name="msgpack")
    ran = inspect(path)
    assert [line[39:] for line in ran.lines[:2]] == [
        '{call,1,recommend,#{user => <<"ada">>},infinity}',
        "{ok,1,pong}",
    ]
    assert "undecodable (term: " in ran.lines[2]
    assert ran.lines[2].endswith(": c1")


@pytest.mark.parametrize("codec_name", ["etf", "msgpack"])
def test_bare_frames_tell_their_direction_by_what_they_say(codec_name: str) -> None:
    from protocol.codec import codec

    said: list[Message] = [
        Call(1, "ping"),
        Ok(1, Atom("pong")),
        Cancel(4),
        ErrorReply(None, "internal", "x", False, {}),
    ]
    stream = b"".join(frame(to_payload(one, codec(codec_name))) for one in said)
    stream += frame(etf.encode((Atom("hey"), 5), any_atom=True))
    ran = inspect("-", "--json", stdin=stream)
    assert ran.status == 0
    shown = [(each["time_us"], each["direction"], each["id"], each["tag"]) for each in ran.objects]
    assert shown == [
        (None, "in", 1, "call"),
        (None, "out", 1, "ok"),
        (None, "in", 4, "cancel"),
        (None, "out", None, "error"),
        (None, None, None, "hey"),
    ]


def test_only_what_is_asked_for_is_shown(recorded: Path) -> None:
    assert [each["id"] for each in inspect(recorded, "--json", "--direction", "in").objects] == [1, 2, 3]
    assert [each["tag"] for each in inspect(recorded, "--json", "--id", 3).objects] == ["call", "ok"]
    assert inspect(recorded, "--id", 3, "--direction", "out").lines[0].split()[:4] == ["0.006000", "out", "113", "3"]
    assert inspect(recorded, "--id", 99).status == 0


def test_each_frame_of_a_pipe_is_shown_when_it_is_whole() -> None:
    first, second = frame(to_payload(Call(1, "ping"))), frame(to_payload(Cancel(1)))
    with subprocess.Popen(
        [*PROGRAM, "-", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=ENVIRONMENT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(first + second[:5])
        assert b'"id": 1, "tag": "call"' in process.stdout.readline()
        process.stdin.write(second[5:])
        assert b'"tag": "cancel"' in process.stdout.readline()
        process.stdin.close()
        assert process.stdout.readline() == b""
    assert process.returncode == 0


def test_a_recording_that_a_kill_cut_short_is_shown_as_far_as_it_goes(recorded: Path) -> None:
    recorded.write_bytes(recorded.read_bytes()[:-10])
    ran = inspect(recorded)
    assert (ran.status, len(ran.lines)) == (0, 6)
    assert ran.err == f"port-worker inspect: {recorded}: ends 125 bytes into a frame, which is left out\n"


def test_bare_frames_that_are_cut_short_are_an_error() -> None:
    data = frame(to_payload(Call(1, "ping")))
    ran = inspect("-", stdin=data + data[:9])
    assert (ran.status, len(ran.lines)) == (65, 1)
    assert ran.err == "port-worker inspect: stdin: ends 9 bytes into a frame, which is left out\n"


def test_what_follows_a_length_that_is_none_is_not_guessed_at(recorded: Path) -> None:
    recorded.write_bytes(recorded.read_bytes() + b"\xff\xff\xff\xff")
    ran = inspect(recorded)
    assert (ran.status, len(ran.lines)) == (65, 7)
    assert ran.err.endswith("got a length of 4294967295\n")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "why"),
    [
        (["/nowhere/at all"], b"", 2, "/nowhere/at all: no such file or directory"),
        (["/"], b"", 2, "/: is a directory"),
        (["-"], b"", 65, "stdin: no frames"),
        (["-"], b"GET / HTTP/1.1\r\n", 65, "stdin: byte 0: frame: expected at most"),
        (["-", "--timing"], b"", 2, "--timing and --home belong to --replay"),
        ([], b"", 2, "expected one FILE, or '-' for stdin, got 0"),
        (["-", "--", "worker"], b"", 2, "got 2; a COMMAND belongs to --replay FILE"),
        (["--replay", "-", "--home", "x", "--", "worker"], b"", 2, "--home is of the default worker"),
        (["--replay", "-", "--timing"], frame(b"x"), 2, "--timing needs a recording"),
        (["--replay", "-", "--timeout", "0"], b"", 2, "expected seconds above 0 and at most 86400, got '0'"),
        (["-", "--direction", "up"], b"", 2, "invalid choice"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments: list[str], stdin: bytes, status: int, why: str) -> None:
    ran = inspect(*arguments, stdin=stdin)
    assert (ran.status, ran.out) == (status, "")
    assert why in ran.err.splitlines()[-1]


def test_a_recording_without_frames_is_no_error(record: Record) -> None:
    ran = inspect(record())
    assert (ran.status, ran.out) == (0, "")
    assert ran.err.endswith(": no frames\n")


def test_a_reader_that_leaves_ends_it_quietly(record: Record) -> None:
    path = record(*(Call(call_id, "recommend", {"user": "x" * 1000}) for call_id in range(1000)))
    with subprocess.Popen([*PROGRAM, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_an_interrupt_ends_it_quietly() -> None:
    with subprocess.Popen(
        [*PROGRAM, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
        env=ENVIRONMENT,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(frame(to_payload(Call(1, "ping"))))
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
    assert process.returncode == 130


def _on_terminal(columns: int, *arguments: object, environment: dict[str, str] | None = None) -> list[str]:
    """The lines that the program shows in a window of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    known = {key: value for key, value in ENVIRONMENT.items() if key not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=theirs, env={**known, **(environment or {})}, close_fds=True
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    return shown.decode().splitlines()


def test_on_a_terminal_terms_are_cut_at_its_width(recorded: Path) -> None:
    lines = _on_terminal(80, recorded, environment={"NO_COLOR": "1"})
    assert lines[0].startswith("recorded from ")
    assert lines[0].endswith(" UTC, etf")
    assert lines[1].split() == ["seconds", "dir", "bytes", "id", "term"]
    assert max(map(len, lines)) == 80
    assert lines[5] == '    0.004000  in         51         2  {call,2,recommend,#{user => <<"ada">>,...'
    full = _on_terminal(80, recorded, "--full", environment={"NO_COLOR": "1"})
    assert full[2:] == inspect(recorded).lines


def test_on_a_terminal_an_error_has_another_colour_than_a_result(record: Record) -> None:
    path = record(Ok(1, Atom("pong")), ErrorReply(2, "internal", "x", False, {}))
    _recorded, _heading, fine, wrong = _on_terminal(200, path)
    assert "\x1b[32m{ok,1,pong}\x1b[0m" in fine
    assert "\x1b[31m{error,2," in wrong
