"""A worker that misbehaves when it is told to.

Its JSON argument says how it boots, the user of a `recommend` what it does then.

Its argument's keys, all optional:
    boot: in place of a hello `exit` (with status 3), `half` (the half of one, then the same), `garbage`, `oversized`,
        `answer`, `silent`; after it `exit_after`; `print` beside it
    limits: in place of its own
    lines: written to stderr before the hello, and each time that a user says `stderr`

Users, of which all others get an item named as they are:
    garbage, cut, trailing, atom: a frame that is no term; or one that begins as an answer, and goes on so
    oversized: an answer above max_frame_bytes, announced: the length of a frame of 1.9 GB, without it
    wrong id, twice: an answer to a call that was never made, or two to this one
    silent: no answer; late: an answer once the call is cancelled; slow: after 100 ms, in which nothing is read
    hang: nothing from now on, and nothing is read
    exit, half: status 7, at once or within an answer
    shut in, shut out: its input or its output is closed from now on, and it lives on
    events, progress, answers: as many as the pipe takes, until it breaks
    some events: 100 of them, then the answer
    large event: one with an integer of 20,000 bytes, then the answer

A `retrain` has progress, with the algorithm `event` a lot and then an event, and then waits to be cancelled; with the
algorithm `exit` it ends the worker as above. A `drain` is answered, with `exit_at_drain` in place of a boot by an end.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from protocol.atoms import OPS, Atom
from protocol.etf import decode, encode
from protocol.framing import FrameReader

ARGUMENT: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
BOOT: str | None = ARGUMENT.get("boot")
LIMITS: dict[str, int] = {"max_in_flight": 4096, "max_frame_bytes": 1 << 20, **ARGUMENT.get("limits", {})}
HELLO = {
    Atom("protocol"): 1,
    Atom("worker"): {Atom("name"): "rude", Atom("version"): "0", Atom("python"): "3"},
    Atom("os_pid"): os.getpid(),
    Atom("ops"): [Atom(op) for op in OPS],
    Atom("limits"): {Atom(name): value for name, value in LIMITS.items()},
    Atom("model"): None,
}
DIGITS = 20_000
# An event, with a map of one pair for its facts, which `encode` would not make.
LARGE_EVENT = (
    encode((Atom("event"), Atom("model_activated"), 0))[:-2]
    + struct.pack(">cI", b"t", 1)
    + encode(Atom("version"))[1:]
    + struct.pack(">cIB", b"o", DIGITS, 0)
    + b"\xff" * DIGITS
)
EVENT = (Atom("event"), Atom("model_activated"), {Atom("version"): "v1", Atom("algorithm"): "rude"})


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def say(term: object) -> None:
    write(framed(encode(term)))


def end(status: int) -> NoReturn:
    os._exit(status)


def write_and_end(data: bytes, status: int) -> NoReturn:
    write(data)
    end(status)


def flood(term: object) -> NoReturn:
    chunk = framed(encode(term)) * 1000
    while True:
        write(chunk)


def ok(call_id: int, result: object) -> tuple[object, int, object]:
    return (Atom("ok"), call_id, result)


def complain(lines: list[str]) -> None:
    for line in lines:
        os.write(2, line.encode() + b"\n")


WHOLE = framed(encode((Atom("hello"), HELLO)))

BOOTS: dict[str | None, Callable[[], None]] = {
    "exit": lambda: end(3),
    "half": lambda: write_and_end(WHOLE[: len(WHOLE) // 2], 3),
    "garbage": lambda: write(framed(b"no term")),
    "oversized": lambda: write(framed(bytes((1 << 24) + 1))),
    "answer": lambda: say(ok(0, Atom("pong"))),
    "silent": signal.pause,
    "exit_after": lambda: write_and_end(WHOLE, 3),
    "print": lambda: write(b"a library prints this before the hello\n" + WHOLE),
}


def say_twice(term: object) -> None:
    say(term)
    say(term)


def say_slowly(term: object) -> None:
    time.sleep(0.1)
    say(term)


def say_after_events(term: object) -> None:
    for _ in range(100):
        say(EVENT)
    say(term)


def say_after_large_event(term: object) -> None:
    write(framed(LARGE_EVENT))
    say(term)


def shut(descriptor: int) -> None:
    os.close(descriptor)
    signal.pause()


def say_after_lines(term: object) -> None:
    complain(ARGUMENT.get("lines", []))
    say(term)


DEEDS: dict[str, Callable[[int, tuple[object, int, object]], None]] = {
    "garbage": lambda _id, _answer: write(framed(b"no term")),
    "cut": lambda _id, answer: write(framed(encode(answer)[:-9])),
    "trailing": lambda _id, answer: write(framed(encode(answer) + b"more")),
    "atom": lambda call_id, _answer: write(framed(encode(ok(call_id, 0))[:-2] + b"w\x1aan_atom_that_nobody_has_met")),
    "oversized": lambda call_id, _answer: say(ok(call_id, bytes(LIMITS["max_frame_bytes"]))),
    "announced": lambda _id, _answer: write(b"prin"),
    "wrong id": lambda call_id, _answer: say(ok(call_id + 1_000_000, {})),
    "twice": lambda _id, answer: say_twice(answer),
    "silent": lambda _id, _answer: None,
    "slow": lambda _id, answer: say_slowly(answer),
    "hang": lambda _id, _answer: signal.pause(),
    "exit": lambda _id, _answer: end(7),
    "shut in": lambda _id, _answer: shut(0),
    "shut out": lambda _id, _answer: shut(1),
    "half": lambda _id, answer: write_and_end(framed(encode(answer))[:-5], 7),
    "events": lambda _id, _answer: flood(EVENT),
    "progress": lambda call_id, _answer: flood((Atom("progress"), call_id, {Atom("phase"): Atom("fit")})),
    "answers": lambda _id, answer: flood(answer),
    "some events": lambda _id, answer: say_after_events(answer),
    "large event": lambda _id, answer: say_after_large_event(answer),
    "stderr": lambda _id, answer: say_after_lines(answer),
}


class Rude:
    def __init__(self) -> None:
        self.late: set[int] = set()

    def serve(self) -> None:
        for message in messages():
            if message[0] == "cancel":
                self.cancel(message[1])
            else:
                self.call(*message[1:])

    def cancel(self, call_id: int) -> None:
        if call_id in self.late:
            say(ok(call_id, {Atom("items"): [("late", 1.0)]}))

    def call(self, call_id: int, op: str, args: dict[Any, Any], _deadline: object) -> None:
        if op == "ping":
            say(ok(call_id, Atom("pong")))
        elif op == "retrain":
            self.retrain(call_id, args)
        elif op == "drain":
            if BOOT == "exit_at_drain":
                end(3)
            say(ok(call_id, {Atom("completed"): 0}))
        elif op == "recommend":
            user = args[Atom("user")]
            self.recommend(call_id, user.decode() if isinstance(user, bytes) else str(user))
        else:
            say(ok(call_id, {}))

    def retrain(self, call_id: int, args: dict[Any, Any]) -> None:
        for share in (0.25, 0.5):
            say((Atom("progress"), call_id, {Atom("phase"): Atom("fit"), Atom("share"): share}))
        if args.get(Atom("algorithm")) == b"exit":
            end(7)
        if args.get(Atom("algorithm")) == b"event":
            for _ in range(100):
                say((Atom("progress"), call_id, {Atom("phase"): Atom("fit")}))
            say(EVENT)
        self.late.add(call_id)

    def recommend(self, call_id: int, user: str) -> None:
        answer = ok(call_id, {Atom("items"): [(user, 1.0)]})
        if user == "late":
            self.late.add(call_id)
        elif user in DEEDS:
            DEEDS[user](call_id, answer)
        else:
            say(answer)


def messages() -> Iterator[Any]:
    reader = FrameReader()
    while data := os.read(0, 65536):
        reader.feed(data)
        for payload in reader.frames():
            yield decode(payload)


if __name__ == "__main__":
    complain(ARGUMENT.get("lines", []))
    try:
        BOOTS.get(BOOT, lambda: write(WHOLE))()
        Rude().serve()
    except BrokenPipeError:
        end(0)
