"""Recordings to inspect, and the program as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from port_worker.recording import Recorder
from protocol.atoms import Atom
from protocol.codec import codec
from protocol.messages import Call, ErrorReply, Hello, Message, Ok, to_payload
from tests.peers.stubs import ENVIRONMENT

PROGRAM = [sys.executable, "-m", "port_worker", "inspect"]

Record = Callable[..., Path]


@dataclass(frozen=True)
class Ran:
    """What a run of the program left."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


def inspect(*arguments: object, stdin: bytes | None = None, environment: dict[str, str] | None = None) -> Ran:
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        input=b"" if stdin is None else stdin,
        capture_output=True,
        env={**ENVIRONMENT, **(environment or {})},
        timeout=60,
        check=False,
    )
    ran = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ran.err
    return ran


class Clock:
    """A millisecond for each time that it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


STUB_RESULT = {
    Atom("items"): [(index, 1.0 / (1 + index)) for index in range(3)],
    Atom("model"): "v1",
    Atom("source"): Atom("model"),
    Atom("exhausted"): False,
}
"""What the stub worker recommends."""


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write messages and payloads to a recording: calls and bytes as incoming, the rest as outgoing."""

    def write(*said: Message | bytes, codec_name: str = "etf", clock: Callable[[], float] | None = None) -> Path:
        path = tmp_path / f"recorded-{len(list(tmp_path.iterdir()))}"
        recorder = Recorder(path, codec_name, clock or Clock())
        for one in said:
            payload = one if isinstance(one, bytes) else to_payload(one, codec(codec_name))
            (recorder.outgoing if isinstance(one, Hello | Ok | ErrorReply) else recorder.incoming)(payload)
        recorder.close()
        return path

    return write


@pytest.fixture
def recorded(record: Record) -> Path:
    """Three calls and a cancel, as the stub worker answers them."""
    return record(
        Hello({Atom("protocol"): 1}),
        Call(1, "ping"),
        Ok(1, Atom("pong")),
        Call(2, "recommend", {"user": "ada", "n": 3}, 1000),
        Call(3, "recommend", {"user": "bo"}),
        Ok(3, STUB_RESULT),
        Ok(2, STUB_RESULT),
    )
