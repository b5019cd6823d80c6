"""Locks between processes, which the kernel drops with the process that holds them, however it ends.

A store's own lock is held by whoever changes which version is active or which there are: some milliseconds. A version's
is shared by all that have it loaded, for as long as they have: what is loaded is not pruned.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from port_worker.store.errors import StoreUnavailable, UnknownVersion

WAIT_SECONDS = 10.0
"""How long to wait for a store's lock, which nobody holds for longer than a few flushes of a small file."""
_LOOK_SECONDS = 0.005


@contextmanager
def changing(
    root: Path,
    wait_seconds: float = WAIT_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of the store at `root`, a folder. Raises StoreUnavailable when others keep it, OSError."""
    fd = _opened(root)
    try:
        until = clock() + wait_seconds
        while not _try_lock(fd, fcntl.LOCK_EX):
            if clock() >= until:
                raise StoreUnavailable(str(root), f"its lock within {wait_seconds:g} s", "another process holds it")
            sleep(_LOOK_SECONDS)
        yield
    finally:
        _release(fd)


class Hold:
    """A version that is loaded. `release` it with the model; the kernel does at the end of the process."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def release(self) -> None:
        """It may be pruned now. Any number of times."""
        fd, self._fd = self._fd, None
        if fd is not None:
            _release(fd)


def hold(folder: Path) -> Hold:
    """Keep a version's folder from being pruned. Raises UnknownVersion when it was meanwhile, OSError."""
    try:
        fd = _opened(folder)
    except FileNotFoundError:
        raise UnknownVersion(folder.name) from None
    fcntl.flock(fd, fcntl.LOCK_SH)  # who prunes has it for one rename only
    if not _is_at(fd, folder):
        _release(fd)
        raise UnknownVersion(folder.name)
    return Hold(fd)


@contextmanager
def unless_held(folder: Path) -> Iterator[bool]:
    """Whether nobody holds the version, nor can while this is open."""
    fd = _opened(folder)
    try:
        yield _try_lock(fd, fcntl.LOCK_EX)
    finally:
        _release(fd)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), folder.stat())
    except FileNotFoundError:
        return False


def _release(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_UN)  # a forked child may hold a copy of the descriptor, which close() would not unlock
    os.close(fd)
