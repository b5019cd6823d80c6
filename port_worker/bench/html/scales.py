"""Axes: where a value lies between the ends, and which values are marked on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """From `least` to `most`, both finite and apart; `ticks` are values and what stands there."""

    least: float
    most: float
    ticks: Sequence[tuple[float, str]]
    is_log: bool = False

    def at(self, value: float) -> float:
        """0 at the least and 1 at the most; what lies outside is put at the end."""
        if self.is_log:
            found = math.log(max(value, self.least) / self.least) / math.log(self.most / self.least)
        else:
            found = (value - self.least) / (self.most - self.least)
        return min(1.0, max(0.0, found))


def linear(most: float, wanted: int = 5) -> Scale:
    """From 0 to at least `most`, in steps of 1, 2 or 5 times a power of ten."""
    step = _step(max(most, 1e-9) / wanted)
    count = max(1, math.ceil(round(most / step, 9)))
    return Scale(0.0, count * step, [(place * step, label(place * step)) for place in range(count + 1)])


def span(least: float, most: float, wanted: int = 6) -> Scale:
    """From `least` to `most` exactly, marked at round values: an axis of time."""
    most = most if most > least else least + 1.0
    step = _step((most - least) / wanted)
    first = math.ceil(round(least / step, 9))
    places = range(first, math.floor(round(most / step, 9)) + 1)
    return Scale(least, most, [(place * step, label(place * step)) for place in places])


def logarithmic(values: Iterable[float]) -> Scale:
    """Around positive values, from a 1, 2 or 5 below them to one above; no value: 1 to 10."""
    positive = [value for value in values if value > 0] or [1.0, 10.0]
    least, most = _below(min(positive)), _above(max(positive))
    if least == most:
        most = _above(most * 1.5)
    decades = math.log10(most / least)
    steps = (1.0, 2.0, 5.0) if decades <= 3 else (1.0,)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    marked = (step * 10.0**power for power in powers for step in steps)
    ticks = [(value, label(value)) for value in marked if least * 0.999 <= value <= most * 1.001]
    return Scale(least, most, ticks, is_log=True)


def percentiles(most_nines: float) -> Scale:
    """An axis of nines: equal steps for 90 %, 99 %, 99.9 %."""
    most = max(1.0, most_nines)
    names = ("0%", "90%", "99%", "99.9%", "99.99%", "99.999%", "99.9999%")
    return Scale(0.0, most, [(float(nines), name) for nines, name in enumerate(names) if nines <= most])


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * 0.999)


def _below(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in _STEPS[:-1] if step * power <= value * 1.001)


def _above(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * 0.999)


def label(value: float) -> str:
    """A round number in as few digits as it has."""
    return f"{round(value, 9):,.10g}"
