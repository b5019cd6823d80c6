"""Whole lines from a pipe that is read without blocking. Standard library only."""

from __future__ import annotations

import contextlib
import os

MAX_LINE_BYTES = 1 << 20
"""Far above any message; what grows beyond it is no message."""

_READ_BYTES = 64 * 1024


class Lines:
    """Splits what comes from a non-blocking `fd`; keeps an unfinished line for the next time."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = bytearray()
        self._closed = False
        self.ended = False
        """Whether the other end is closed and all of it was read."""

    def read(self) -> list[bytes]:
        """The lines that are complete by now, without their newlines. Raises ValueError for one that has no end."""
        with contextlib.suppress(BlockingIOError):
            while not self.ended and len(self._buffer) <= MAX_LINE_BYTES:
                piece = os.read(self._fd, _READ_BYTES)
                self._buffer += piece
                self.ended = not piece
        *lines, rest = bytes(self._buffer).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            self._buffer.clear()
            raise ValueError(f"expected a line of at most {MAX_LINE_BYTES} bytes, got {len(rest)} without an end")
        self._buffer = bytearray(rest)
        return lines

    def close(self) -> None:
        """Close the descriptor, once."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)
