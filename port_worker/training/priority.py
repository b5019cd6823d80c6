"""What answers requests goes first. Standard library only."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LOWEST = 19

OF_THE_SESSION = 5
"""A third of the share of a session that asks for nothing. With 19, a machine that is always busy ends no training."""

_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Take the processor only when nobody else wants it, as far as the system lets a process say so.

    A trainer has a session of its own, and Linux may share processors out between sessions first (autogroups, see
    sched(7)): then niceness counts among the processes of one session alone, and the session has one of its own.
    """
    with contextlib.suppress(OSError):
        os.nice(LOWEST)
    with contextlib.suppress(OSError):
        _AUTOGROUP.write_text(str(OF_THE_SESSION))
    leave_one_processor()


def processors() -> int:
    """On how many this process may run."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def leave_one_processor() -> None:
    """Run on all processors but one, where the system can be told so: what is served finds that one free at once."""
    if not hasattr(os, "sched_setaffinity"):  # only Linux has it
        return
    processors = os.sched_getaffinity(0)
    if len(processors) > 1:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, processors - {min(processors)})
