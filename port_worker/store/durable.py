"""Writes that survive a crash: the data reaches the disk before the name that shows it does."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Flush the folder's own entries, so that a name made or renamed in it survives a power cut."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Path) -> None:
    """Flush a file's content."""
    _sync(path, os.O_RDONLY)


def write_file(path: Path, data: bytes) -> None:
    """Write `data` to `path` and flush it. The folder's entry is flushed by `sync_folder`."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
