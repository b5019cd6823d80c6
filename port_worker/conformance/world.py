"""What a clause has at hand: a worker that it may share, and fresh ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from port_worker.conformance.peer import Peer
from port_worker.conformance.process import WorkerProcess
from port_worker.conformance.watch import Watch

Start: TypeAlias = Callable[[float], WorkerProcess]
"""Starts a worker, given the time limit of a wait. Raises StartError."""


@dataclass(frozen=True)
class Options:
    """How to drive.

    `timeout` and `hello_timeout` are seconds of one wait; `retrain` permits what makes the worker train, `write` what
    changes the interactions and hidden items that it keeps, or which version is active.
    """

    timeout: float = 10.0
    hello_timeout: float = 30.0
    retrain: bool = False
    write: bool = False


class World:
    """Starts workers of one kind, and ends them."""

    def __init__(self, start: Start, options: Options) -> None:
        self.options = options
        self.watch = Watch()
        self._start_process = start
        self._shared: Peer | None = None

    @property
    def peer(self) -> Peer:
        """A worker that clauses share, each of which leaves it as it was. Raises StartError and NoHelloError."""
        if self._shared is None:
            self._shared = self._start()
        return self._shared

    @contextmanager
    def fresh(self, early: bytes = b"") -> Iterator[Peer]:
        """A worker of the clause's own, which ends with the block; `early` is written before its hello is awaited.

        Raises StartError and NoHelloError.
        """
        peer = self._start(early)
        try:
            yield peer
        finally:
            peer.process.end()

    def discard(self) -> None:
        """End the shared worker: what a clause did to it must not show in the next."""
        if self._shared is not None:
            self._shared.process.end()
            self._shared = None

    def _start(self, early: bytes = b"") -> Peer:
        process = self._start_process(self.options.timeout)
        try:
            process.push(early)
            peer = Peer(process, self.watch)
            peer.greet(self.options.hello_timeout)
        except BaseException:
            process.end()
            raise
        return peer
