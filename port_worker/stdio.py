"""The worker's standard streams: taken before anything can print, then written without ever blocking the loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

READ_BYTES = 64 * 1024
"""One read: a Port's pipe holds no more."""

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class Pipes(NamedTuple):
    """Private descriptors of the protocol, inherited by no child."""

    incoming: int
    outgoing: int


def take_standard_streams() -> Pipes:
    """Keep the pipes for the protocol; point descriptor 0 at nothing and 1 at stderr.

    A stray print, from Python, C or a child process, would be taken for a frame's length by the BEAM.
    """
    pipes = Pipes(os.dup(_STDIN), os.dup(_STDOUT))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)
    os.dup2(_STDERR, _STDOUT)
    return pipes


class HostGoneError(Exception):
    """The host closed its end, or left replies unread for too long."""


class Outgoing:
    """Frames on their way out: buffered, written as far as the pipe takes them.

    Args:
        fd: a pipe, which is made non-blocking.
        stall_seconds: how long nothing may leave a buffer that holds something.
        clock: monotonic seconds.
    """

    def __init__(self, fd: int, stall_seconds: float, clock: Callable[[], float]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._buffer = bytearray()
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._moved_at = clock()

    def send(self, data: bytes) -> None:
        """Queue a frame; `flush` writes it."""
        if not self._buffer:
            self._moved_at = self._clock()
        self._buffer += data

    def flush(self) -> None:
        """Write what the pipe takes. Raises HostGoneError when it is closed or nothing left for `stall_seconds`."""
        if not self._buffer:
            return
        try:
            written = os.write(self._fd, self._buffer)
        except BlockingIOError:
            self._check_stall()
            return
        except OSError as error:
            raise HostGoneError(f"the host closed its end: {error.strerror}") from error
        del self._buffer[:written]
        self._moved_at = self._clock()

    def _check_stall(self) -> None:
        if self.stalls_at <= self._clock():
            raise HostGoneError(f"the host has read nothing for {self._stall_seconds:g} s")

    @property
    def stalls_at(self) -> float:
        """When the host is taken for dead unless it reads; infinite while there is nothing to read."""
        return self._moved_at + self._stall_seconds if self._buffer else float("inf")

    def __len__(self) -> int:
        return len(self._buffer)
