"""A worker with known faults: speaks the wire through the codec alone, and misbehaves as its JSON argument says.

Keys, all optional:
    codec: msgpack instead of etf
    protocol: another version in hello
    model: false for a hello without a model
    mute, garbage: no hello, or bytes that are no frame instead of it
    delay_ms: before each answer
    stall {at, ms}: sleeps once, before answer number `at`
    error_every, error_code: every so many answers, that error
    die_after: ends with status 3 instead of that answer
    silent_after, deaf_after: so many answers, then none, or nothing is even read
    retrain_answers: a retrain is done after so many further answers (at once without it)
    retrain_error: it fails with that code
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from protocol.atoms import Atom
from protocol.codec import codec
from protocol.framing import FrameReader, frame

FAULTS: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
CODEC = codec(FAULTS.get("codec", "etf"))
MODEL: dict[object, object] = {
    Atom("version"): "20260101T000000Z-als-000000",
    Atom("algorithm"): "ALS",
    Atom("users"): 2,
    Atom("items"): 3,
    Atom("created_at"): 1_767_225_600,
}


def say(term: object) -> None:
    data = frame(CODEC.encode(term))
    while data:
        data = data[os.write(1, data) :]


def hello(model: object) -> None:
    worker = {Atom("name"): "stub", Atom("version"): "0.0.0", Atom("python"): "3"}
    say(
        (
            Atom("hello"),
            {
                Atom("protocol"): FAULTS.get("protocol", 1),
                Atom("worker"): worker,
                Atom("os_pid"): os.getpid(),
                Atom("ops"): [Atom(op) for op in ("ping", "status", "recommend", "retrain", "models", "drain")],
                Atom("limits"): {Atom("max_in_flight"): 4096, Atom("max_frame_bytes"): 1 << 24},
                Atom("model"): model,
            },
        )
    )


def messages() -> Iterator[Any]:
    reader = FrameReader()
    while data := os.read(0, 65536):
        reader.feed(data)
        for payload in reader.frames():
            yield CODEC.decode(payload)


def error(call_id: int | None, code: str, details: dict[object, object] | None = None) -> None:
    body = {
        Atom("code"): Atom(code),
        Atom("message"): f"the stub says {code}",
        Atom("retryable"): code == "overloaded",
        Atom("details"): details or {},
    }
    say((Atom("error"), call_id, body))


def result(op: str, args: dict[object, object]) -> object:
    if op == "ping":
        return Atom("pong")
    if op == "status":
        return {Atom("rss_bytes"): 1000, Atom("state"): Atom("ready"), Atom("heavy_modules"): []}
    items = [(index, 1.0 / (1 + index)) for index in range(3)]
    unknown = str(args.get(Atom("user"))).find("unknown-") >= 0
    source = Atom("popular") if unknown else Atom("model")
    return {Atom("items"): items, Atom("model"): "v1", Atom("source"): source, Atom("exhausted"): False}


class Stub:
    def __init__(self) -> None:
        self.answers = 0
        self.model: object = MODEL if FAULTS.get("model", True) else None
        self.retrain: tuple[int, int] | None = None  # the call's id, the answer after which it is done

    def serve(self) -> None:
        if FAULTS.get("mute"):
            for _message in messages():
                pass
            return
        if FAULTS.get("garbage"):
            os.write(1, b"print" * 4)
            for _message in messages():
                pass
            return
        hello(self.model)
        for message in messages():
            if message[0] == "cancel":
                error(message[1], "cancelled")
            else:
                self.call(*message[1:])

    def call(self, call_id: int, op: str, args: dict[object, object], _deadline: object) -> None:
        if op == "retrain":
            self.start_retrain(call_id)
        elif op == "recommend" and self.is_heard():
            self.answer(call_id, op, args)
        elif op != "recommend":
            say((Atom("ok"), call_id, result(op, args)))

    def is_heard(self) -> bool:
        if "deaf_after" in FAULTS and self.answers >= FAULTS["deaf_after"]:
            parent = os.getppid()
            while os.getppid() == parent:
                time.sleep(0.05)
        return self.answers < int(FAULTS.get("silent_after", 1 << 60))

    def answer(self, call_id: int, op: str, args: dict[object, object]) -> None:
        self.answers += 1
        stall = FAULTS.get("stall", {"at": 0, "ms": 0})
        pause_ms = FAULTS.get("delay_ms", 0) + (stall["ms"] if self.answers == stall["at"] else 0)
        time.sleep(pause_ms / 1000)
        if self.answers == FAULTS.get("die_after"):
            os._exit(3)
        if self.answers % FAULTS.get("error_every", 1 << 60) == 0:
            error(call_id, FAULTS["error_code"])
        else:
            say((Atom("ok"), call_id, result(op, args)))
        if self.retrain is not None and self.answers >= self.retrain[1]:
            self.end_retrain(self.retrain[0])

    def start_retrain(self, call_id: int) -> None:
        body = {Atom("phase"): Atom("fit"), Atom("share"): 0.5, Atom("epoch"): 1, Atom("epochs"): 2}
        say((Atom("progress"), call_id, body))
        if "retrain_error" in FAULTS:
            error(call_id, FAULTS["retrain_error"])
            return
        self.retrain = (call_id, self.answers + FAULTS.get("retrain_answers", 0))
        if "retrain_answers" not in FAULTS:
            self.end_retrain(call_id)

    def end_retrain(self, call_id: int) -> None:
        self.retrain = None
        self.model = MODEL
        say((Atom("ok"), call_id, {**MODEL, Atom("rows"): 10, Atom("duration_ms"): 5}))


if __name__ == "__main__":
    Stub().serve()
