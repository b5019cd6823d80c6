"""The mirror's work: one request after the other, and a look at the store in between."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

from port_worker.mirroring.messages import Look, Outcome, Publish, Pull, Request, Setup, decode, encode
from port_worker.store.errors import StoreError
from port_worker.store.mirror import Mirror
from port_worker.store.models import ModelStore
from port_worker.store.remote import RemoteStore
from port_worker.training import lifeline

_READ_BYTES = 65536


def main(requests: int, outcomes: int) -> None:
    """Serve requests from one descriptor until its end; the first line is the Setup."""
    lifeline.die_with_parent()
    lines = bytearray()
    while b"\n" not in lines:
        if not (data := os.read(requests, _READ_BYTES)):
            return
        lines += data
    line, _, rest = bytes(lines).partition(b"\n")
    setup = decode(line)
    assert isinstance(setup, Setup)
    work = Looking(_opener(setup), lambda text: sys.stderr.write(f"port_worker: {text}\n"))
    _serve(work, bytearray(rest), requests, outcomes, setup.seconds or None)


def _opener(setup: Setup) -> Callable[[], Mirror]:
    return lambda: Mirror(RemoteStore(setup.url, ModelStore(Path(setup.cache))), setup.keep)


class Looking:
    """A mirror that is opened when it can be, and says what is wrong once, until something else is or all is well."""

    def __init__(self, open_mirror: Callable[[], Mirror], say: Callable[[str], object]) -> None:
        self._open = open_mirror
        self._say = say
        self._mirror: Mirror | None = None
        self._said = ""

    def look(self) -> None:
        """As `Mirror.look`, but what it raises is said."""
        outcome = self.do(Look(0))
        self._tell(outcome.message)

    def do(self, request: Request) -> Outcome:
        """What becomes of a request, whatever is raised."""
        try:
            self._do(request)
        except StoreError as error:
            return Outcome(request.number, error.code, str(error), error.details)
        except (OSError, ValueError) as error:
            return Outcome(request.number, "store_unavailable", f"model store: {error}", {"got": str(error)})
        return Outcome(request.number)

    def _do(self, request: Request) -> None:
        self._mirror = self._mirror or self._open()
        if isinstance(request, Pull):
            self._mirror.pull(request.version)
        elif isinstance(request, Publish):
            self._mirror.publish(request.history)
        else:
            self._mirror.look()

    def _tell(self, message: str) -> None:
        if message != self._said and message:
            self._say(f"{message}; trying again")
        self._said = message


def _serve(work: Looking, lines: bytearray, requests: int, outcomes: int, seconds: float | None) -> None:
    looks_at = time.monotonic() + (seconds or 0)
    while True:
        while b"\n" in lines:
            line, _, rest = bytes(lines).partition(b"\n")
            lines = bytearray(rest)
            request = decode(line)
            assert isinstance(request, Look | Pull | Publish)
            os.write(outcomes, encode(work.do(request)))
        left = None if seconds is None else max(0.0, looks_at - time.monotonic())
        if select.select([requests], [], [], left)[0]:
            data = os.read(requests, _READ_BYTES)
            if not data:
                return
            lines += data
        else:
            work.look()
            looks_at = time.monotonic() + (seconds or 0)
