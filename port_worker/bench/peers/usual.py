"""The usual worker at the other end of its pipes."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from port_worker.bench.peers.contender import item_rows
from port_worker.bench.serving.child import Child
from port_worker.bench.serving.closed_loop import Encoded, Flow, closed_loop
from port_worker.bench.serving.peers import N
from port_worker.bench.serving.pipe import NoAnswerError
from port_worker.bench.serving.rounds import Batches
from port_worker.bench.serving.world import World
from port_worker.host.channel import Channel

_SILENCE_S = 120.0
_SLICE_S = 1.0


class UsualWorker:
    """Frames to and from a process of `usual_worker`, as a `Link`, and with that a `Contender`.

    Args:
        world: whose users are asked about.
        argv: another command line that speaks as `usual_worker` does.
    """

    leaves_out_met = True

    def __init__(self, world: World, argv: Sequence[str] | None = None) -> None:
        module = "port_worker.bench.peers.usual_worker"
        self._users = world.users(slice(None))
        self._item_rows = item_rows(world)
        self._ids = count(1)
        self._child = Child(argv or [sys.executable, "-m", module, str(world.folder)])
        self._channel = Channel(self._child.stdout.fileno(), self._child.stdin.fileno())

    def __enter__(self) -> UsualWorker:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._channel.close()
        self._child.close()

    def flow(self, batches: Batches) -> Flow:
        """As `Contender`."""
        return closed_loop(self, self._encoded([row for batch in batches for row in batch]), len(batches[0]))

    def ranked(self, rows: Sequence[int]) -> list[list[int]]:
        """As `Contender`."""
        found: list[list[int]] = []
        for request in self._encoded(rows):
            self.send_encoded([request])
            [answer] = self.some_answers()
            found.append([self._item_rows[item.value.decode()] for item in _term(answer)[2]])
        return found

    def send_encoded(self, requests: Sequence[Encoded]) -> None:
        """As `Link`."""
        self._channel.send(*(payload for _id, payload in requests))

    def some_answers(self) -> list[bytes]:
        """As `Link`."""
        until = time.monotonic() + _SILENCE_S
        while time.monotonic() < until:
            if payloads := self._channel.receive(_SLICE_S):
                return payloads
            if self._channel.at_end:
                raise NoAnswerError(f"the usual worker {self._child.end()}")
        raise NoAnswerError(f"the usual worker said nothing for {_SILENCE_S:g} s")

    def id_of(self, answer: bytes) -> int:
        """As `Link`."""
        request_id: int = _term(answer)[1]
        return request_id

    def _encoded(self, rows: Sequence[int]) -> list[Encoded]:
        from erlang import OtpErlangAtom, OtpErlangBinary, term_to_binary

        recommend = OtpErlangAtom(b"recommend")
        found = []
        for row, request_id in zip(rows, self._ids, strict=False):
            user = OtpErlangBinary(self._users[row].encode())
            found.append((request_id, term_to_binary((recommend, request_id, user, N))))
        return found


def _term(answer: bytes) -> Any:
    from erlang import binary_to_term

    return binary_to_term(answer)
