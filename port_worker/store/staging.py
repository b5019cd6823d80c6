"""A version in the making: a hidden folder that becomes visible whole, by one rename, or not at all.

Its maker holds an flock on the folder itself while it lives. The kernel drops the lock with the process, however it
ends, so a folder whose lock can be taken belongs to nobody; a process id could have been given to another process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

_PREFIX = ".staging-"


@contextlib.contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """A new empty folder in `root`, locked, and removed at the end unless it was renamed. Raises OSError."""
    _make_root(root)
    folder, lock = _make_locked(root)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(lock)


def sweep(root: Path) -> list[str]:
    """Remove the staging folders that dead processes left in `root`; returns their names."""
    return [folder.name for folder in sorted(root.glob(f"{_PREFIX}*")) if _remove_if_abandoned(folder)]


def _make_root(root: Path) -> None:
    if not root.is_dir():
        root.mkdir(parents=True, exist_ok=True)


def _make_locked(root: Path) -> tuple[Path, int]:
    while True:
        folder = root / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        folder.mkdir()
        # A sweep may see the folder before it is locked, and remove it. Then another is made.
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.is_dir():
                return folder, lock
            os.close(lock)


def _remove_if_abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False  # renamed or removed meanwhile, or another user's
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False  # its maker lives
    shutil.rmtree(folder, ignore_errors=True)
    _unlock(lock)
    return True


def _unlock(lock: int) -> None:
    fcntl.flock(lock, fcntl.LOCK_UN)  # a forked child may hold a copy of the descriptor, which close() would not unlock
    os.close(lock)
