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
