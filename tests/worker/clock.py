"""A clock that a test moves."""

from __future__ import annotations


class Clock:
    """Seconds; `step` is how far each look at it moves it."""

    def __init__(self, now: float = 100.0, step: float = 0.0) -> None:
        self.now = now
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now
