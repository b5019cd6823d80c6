"""A worker at the other end of its pipes, and the time that each of its answers takes.

A call is encoded before the clock starts and its answer is decoded after it has stopped: both are the host's work,
which the BEAM does in its own time. All between the write of a frame and the last byte of the answer counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from port_worker.bench.fleet import Link
from port_worker.bench.serving.closed_loop import Encoded, Flow, closed_loop
from port_worker.host import WorkerError, worker_command
from protocol.messages import Call, Ok, Progress, parse_outbound, plain, to_payload

_HELLO_S = 120.0
_SILENCE_S = 120.0


class NoAnswerError(Exception):
    """A worker or a peer was silent, or a call that has to be answered was refused; the message says which."""


class TimedWorker(Link):
    """A worker that also sends what was encoded before, and tells when the answers came."""

    def __enter__(self) -> TimedWorker:
        return self

    def encoded(self, op: str, calls: Iterable[Mapping[str, Any]]) -> list[Encoded]:
        """The id and the payload of each call, to be sent later, by `closed_loop`."""
        found = []
        for args in calls:
            found.append((self._next_id, to_payload(Call(self._next_id, op, dict(args)), self._codec)))
            self._next_id += 1
        return found

    def closed_loop(self, calls: Sequence[Encoded], in_flight: int) -> Flow:
        """Send them, `in_flight` at a time: each answer lets the next one go.

        Raises NoAnswerError for an answer that is an error, and when none comes; WorkerGone.
        """
        return closed_loop(self, calls, in_flight)

    def send_encoded(self, requests: Sequence[Encoded]) -> None:
        """As `closed_loop.Link`."""
        self.send_frames(*(payload for _id, payload in requests))

    def recommended(self, users: Sequence[str], n: int) -> list[list[str]]:
        """The ids of the items that each user gets."""
        return [[one for one, _ in self.call("recommend", {"user": user, "n": n})["items"]] for user in users]

    def some_answers(self) -> list[bytes]:
        """As `closed_loop.Link`."""
        until = time.monotonic() + _SILENCE_S
        while time.monotonic() < until:
            payloads = self._receive(_SILENCE_S)
            if payloads:
                return payloads
        raise NoAnswerError(f"the worker said nothing for {_SILENCE_S:g} s")

    def id_of(self, answer: bytes) -> int:
        """As `closed_loop.Link`."""
        said = parse_outbound(answer, self._codec)
        if isinstance(said, Ok):
            return said.id
        shown = said.facts if isinstance(said, Progress) else said
        raise NoAnswerError(f"expected the answer to a call, got {plain(shown)}")


def timed_worker(home: Path, environment: Mapping[str, str] | None = None) -> TimedWorker:
    """Spawn a worker on `home` and wait for its hello; `environment` is added to this process's. Raises WorkerGone."""
    return TimedWorker.start(worker_command(home), env=os.environ | dict(environment or {}), hello_timeout=_HELLO_S)


def recommend_calls(users: Iterable[str], n: int) -> Iterable[dict[str, Any]]:
    """Arguments of `recommend`, a call for each of the users."""
    return ({"user": user, "n": n} for user in users)


__all__ = ["Flow", "NoAnswerError", "TimedWorker", "WorkerError", "recommend_calls", "timed_worker"]
