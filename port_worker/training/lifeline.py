"""A trainer never outlives its worker, however that ends. Standard library only."""

from __future__ import annotations

import ctypes
import os
import signal
import threading

_PR_SET_PDEATHSIG = 1
_READ_BYTES = 4096


class ParentGoneError(Exception):
    """The other end of the life line is closed."""


def die_with_parent() -> bool:
    """Have the kernel kill this process when its parent ends. Returns whether it can: only Linux has `prctl`."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return False
    return bool(prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)


def read_line(fd: int) -> bytes:
    """The first line from the worker; nothing follows it. Raises ParentGoneError."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(fd, _READ_BYTES)
        if not piece:
            raise ParentGoneError
        line += piece
    return bytes(line)


def watch(fd: int) -> None:
    """End this process at once when the worker's end of `fd` closes, which the system does however the worker ends."""
    threading.Thread(target=_exit_at_end, args=(fd,), name="life line", daemon=True).start()


def _exit_at_end(fd: int) -> None:
    while os.read(fd, _READ_BYTES):
        pass
    os._exit(1)  # nothing to tidy: a staging folder is swept by the next worker, and nobody is left to tell
