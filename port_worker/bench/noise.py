"""How much of a difference between two runs is noise.

The method is that of batch means (Law and Kelton, Simulation Modeling and Analysis; Schmeiser, Batch Size Effects in
the Analysis of Simulation Output, 1982): seconds that follow each other are not independent, a stall is in several of
them, so a run is cut into a few long batches, and the batches' figures are what varies. Where there are several runs of
each side, each run is one figure instead (Georges, Buytaert and Eeckhout, Statistically Rigorous Java Performance
Evaluation, 2007), which has the noise from run to run in it as well. Both are compared by Welch's interval for the
difference of two means, at 99 %: a report has some ten figures, and at 95 % two comparisons of equals in five would
find a difference somewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, variance

CONFIDENCE = 0.99
_MOST_BATCHES = 10
_SECONDS_A_BATCH = 5
_FEWEST_BATCHES = 4
FEWEST_SECONDS = _FEWEST_BATCHES * _SECONDS_A_BATCH

# Student's t at 99.5 %, one side, for 1, 2, ... degrees of freedom.
_T = (
    *(63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169),
    *(3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845),
    *(2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763, 2.756, 2.750),
)


@dataclass(frozen=True)
class Interval:
    """Where the difference of two means lies, at the confidence of this module."""

    low: float
    high: float

    @property
    def is_beyond_noise(self) -> bool:
        """Whether no difference at all is outside of it."""
        return not self.low <= 0.0 <= self.high


def batches(count: int) -> list[range]:
    """The places of a series of that length, cut into batches of nearly one length; none where it is too short."""
    number = min(_MOST_BATCHES, count // _SECONDS_A_BATCH)
    if number < _FEWEST_BATCHES:
        return []
    ends = [round(count * place / number) for place in range(number + 1)]
    return [range(first, end) for first, end in pairwise(ends)]


def difference(a: Sequence[float], b: Sequence[float]) -> Interval | None:
    """Welch's interval for the mean of `b` less that of `a`; None where a side has fewer than two values."""
    if min(len(a), len(b)) < 2:
        return None
    middle = fmean(b) - fmean(a)
    parts = [variance(side) / len(side) for side in (a, b)]
    error = math.sqrt(sum(parts))
    if error == 0.0:
        return Interval(middle, middle)
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (a, b), strict=True))
    reach = _T[min(len(_T), max(1, int(freedom))) - 1] * error
    return Interval(middle - reach, middle + reach)
