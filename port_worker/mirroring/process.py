"""The worker's hold on its mirror, a child process. Standard library only; a request's steps hold up no call.

A step takes what the mirror has said, and never waits for it: whoever runs the steps waits on `fd`.

A mirror that has died is started again for the next request, or by `tend`.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias

from port_worker.mirroring.messages import Look, Outcome, Publish, Pull, Request, Setup, decode, encode
from port_worker.store.errors import StoreUnavailable, from_code
from port_worker.training import environment
from port_worker.training.lines import Lines

MIRROR = (sys.executable, "-m", "port_worker.mirroring")
_CLOSE_SECONDS = 2.0

Steps: TypeAlias = Generator[None, None, None]


class Mirroring:
    """One remote store's mirror.

    Args:
        setup: which store it is, and its cache.
        clock: monotonic seconds.
        command: what to start; None is MIRROR.
    """

    def __init__(
        self, setup: Setup, clock: Callable[[], float] = time.monotonic, command: Sequence[str] | None = None
    ) -> None:
        self._setup = setup
        self._clock = clock
        self._command = command or MIRROR
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._said: Lines | None = None
        self._until: float | None = None

    @property
    def fd(self) -> int | None:
        """The descriptor that a request waits on: until it is readable, or it is `until`, a step does nothing.

        None while no request waits.
        """
        if self._until is None or self._process is None or self._process.stdout is None:
            return None
        return self._process.stdout.fileno()

    @property
    def until(self) -> float:
        """When a request gives up the wait; infinite while none waits."""
        return math.inf if self._until is None else self._until

    def catch_up(self, seconds: float) -> None:
        """As `look`, all of it at once: for a start, when no call waits."""
        for _step in self.look(seconds):
            if self.fd is not None:
                select.select([self.fd], [], [], max(0.0, self.until - self._clock()))

    def look(self, seconds: float) -> Steps:
        """Have the cache take over what is active in the store. Raises what went wrong: StoreError."""
        yield from self._done(Look(self._next()), seconds)

    def pull(self, version: str, seconds: float) -> Steps:
        """Have a version in the cache. Raises UnknownVersion, ModelDamaged, StoreUnavailable."""
        yield from self._done(Pull(self._next(), version), seconds)

    def publish(self, history: Sequence[str], seconds: float) -> Steps:
        """Have a history's last version active in the store. Raises StoreUnavailable: the mirror goes on trying."""
        yield from self._done(Publish(self._next(), list(history)), seconds)

    def tell(self, history: Sequence[str]) -> None:
        """As `publish`, without waiting for what becomes of it."""
        if history and self._process is not None:
            self._send(encode(Publish(self._next(), list(history))))

    def tend(self) -> None:
        """See that it runs. Raises StoreUnavailable where it cannot be started."""
        if self._process is None or self._process.poll() is not None:
            self._start()

    def close(self) -> None:
        """End it; a request that runs is given a moment."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _done(self, request: Request, seconds: float) -> Steps:
        until = self._clock() + seconds
        self.tend()
        self._send(encode(request))
        self._until = until
        try:
            while (outcome := self._heard(request.number)) is None:
                if self._clock() >= until:
                    raise StoreUnavailable("model store", f"an answer within {seconds:g} s", "none")
                yield
        finally:
            self._until = None
        if outcome.code is not None:
            raise from_code(outcome.code, outcome.message, outcome.details)

    def _start(self) -> None:
        self.close()
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                env=environment.of_child(),
                bufsize=0,
            )
        except OSError as error:
            raise StoreUnavailable("model store", "a process that mirrors it", error) from error
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._said = Lines(self._process.stdout.fileno())
        self._send(encode(self._setup))

    def _send(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `_heard` finds out
            self._process.stdin.write(line)

    def _heard(self, number: int) -> Outcome | None:
        """The outcome of that request, None where it has not been said. Raises StoreUnavailable where it never will."""
        assert self._said is not None
        for line in self._said.read():
            outcome = decode(line)
            assert isinstance(outcome, Outcome)
            if outcome.number == number:  # the others' requests were given up
                return outcome
        if self._said.ended:
            expected, found = "the process that mirrors it to run", "it has ended; stderr has its reason"
            raise StoreUnavailable("model store", expected, found)
        return None
