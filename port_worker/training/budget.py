"""How many epochs a training may run where its time is limited. Standard library only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence


class Budget:
    """The seconds of a whole training, given out to the models that are fitted in turn.

    An epoch begins if it can be expected to end in time, going by the mean of those before; the first of each model
    begins in any case, since without it there is none. A model that is fitted once more repeats its epochs, however
    long they take: another number of them would make a model that nobody has judged.

    Args:
        seconds: from now on; None for as many as it takes.
        clock: monotonic seconds.

    Attributes:
        ran: how many epochs each model has run, of those that are counted in epochs, in the order of their fits.
        fits_to_come: how many times all of this is fitted, this time included.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.ran: list[int] = []
        self.fits_to_come = 1
        self._clock = clock
        self._ends = math.inf if seconds is None else clock() + seconds
        self._wanted: Sequence[int] | None = None
        self._began = self._until = 0.0

    def may_begin(self, done: int, share: float = 1.0) -> bool:
        """Whether one more epoch may begin of the model that is being fitted, of which `done` are done.

        share: what part of the time that is left is this model's, where others follow it.
        """
        if done == 0:
            self._begin(share)
        elif not self._has_time(done):
            return False
        self.ran[-1] = done + 1
        return True

    def repeat(self) -> None:
        """From now on, models are fitted once more."""
        self._wanted, self.ran = tuple(self.ran), []
        self.fits_to_come = 1

    def _begin(self, share: float) -> None:
        self._began = self._clock()
        self._until = self._began + max(self._ends - self._began, 0.0) * share / self.fits_to_come
        self.ran.append(0)

    def _has_time(self, done: int) -> bool:
        if self._wanted is not None:
            return done < self._wanted[len(self.ran) - 1]
        now = self._clock()
        return now + (now - self._began) / done <= self._until


def shortened(seconds: float, ran: Mapping[str, int], wanted: Mapping[str, object]) -> str:
    """What the budget has cut, for people: `; 3 of 10 epochs of DeepFM in the budget of 60 s`; empty for nothing.

    ran, wanted: epochs by the name of the algorithm.
    """
    cut = [f"{done} of {wanted[name]} epochs of {name}" for name, done in ran.items() if done != wanted[name]]
    return f"; {' and '.join(cut)} in the budget of {seconds:g} s" if cut else ""
