"""Goals of a bench, and whether a run found that they are reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One goal. `met` is None where it was not measured, which breaches nothing."""

    text: str
    observed: str
    met: bool | None


def at_least(text: str, value: float | None, least: float, shown: str = "{:.2f} times") -> Goal:
    """A goal that is reached from `least` on; a `value` of None was not measured. `shown` formats the value."""
    return unmeasured(text) if value is None else Goal(text, shown.format(value), value >= least)


def at_most(text: str, value: float | None, most: float, shown: str = "{:.2f} times") -> Goal:
    """A goal that is reached up to `most`."""
    return unmeasured(text) if value is None else Goal(text, shown.format(value), value <= most)


def unmeasured(text: str) -> Goal:
    """A goal that nothing was found out about."""
    return Goal(text, "not measured", None)


def are_met(goals: Sequence[Goal]) -> bool:
    """Whether none is breached."""
    return not any(goal.met is False for goal in goals)
