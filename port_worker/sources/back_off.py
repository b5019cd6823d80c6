"""Trying again what may go right the next time, with longer and longer pauses."""

from __future__ import annotations

import time
from collections.abc import Callable

Sleep = Callable[[float], None]  # takes seconds

_FIRST_S = 0.1
_FACTOR = 2.0
_LONGEST_S = 5.0
_MOST_TRIES = 9  # 0.1 + 0.2 + ... + 5 + 5 + 5: a server has 21 s to come back


class BackOff:
    """Counts what failed since something went right. One for each piece of work."""

    def __init__(self, sleep: Sleep = time.sleep) -> None:
        self._sleep = sleep
        self.failures = 0
        """How many tries failed since."""

    def wait(self) -> bool:
        """After a failure: pause, and say that there may be another try. False if there were enough."""
        self.failures += 1
        if self.failures >= _MOST_TRIES:
            return False
        self._sleep(min(_LONGEST_S, _FIRST_S * _FACTOR ** (self.failures - 1)))
        return True

    def succeeded(self) -> None:
        """Something went right: what fails from now on is counted anew."""
        self.failures = 0
