"""Whether processes still run."""

from __future__ import annotations

import time

import psutil

_POLL_S = 0.01


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has collected yet counts."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def ends_within(seconds: float, pid: int) -> bool:
    """Wait for the end of a process that is not ours to collect; false if it takes longer."""
    give_up = time.monotonic() + seconds
    while not gone(pid):
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_S)
    return True
