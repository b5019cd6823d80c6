"""A bench that is told to end takes what it has started with it. Standard library only."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

Arguments = TypeVar("Arguments")


def interruptible(run: Callable[[Arguments], int]) -> Callable[[Arguments], int]:
    """Have SIGTERM end the program as Ctrl-C does: it would else leave a database or a peer behind."""

    @functools.wraps(run)
    def running(arguments: Arguments) -> int:
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            return run(arguments)
        finally:
            signal.signal(signal.SIGTERM, before)

    return running


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
