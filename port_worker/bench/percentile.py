"""Percentiles by nearest rank: the q-th of N values is the ceil(q/100 x N)-th of them in ascending order.

So it is always a value that was measured, at least q percent are not above it, and p100 is the largest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def rank(count: int, q: float) -> int:
    """Which of `count` values in ascending order, from 1 on, is their q-th percentile, 0 < q <= 100."""
    # q/100 of the count is rounded first: 99.9% of 1,000 is rank 999, and not 1,000 for the last bit of a float.
    return max(math.ceil(round(q * count / 100, 9)), 1)


def percentile(ascending: Sequence[float], q: float) -> float:
    """The q-th percentile of at least one value in ascending order."""
    return ascending[rank(len(ascending), q) - 1]


def counted_percentile(counts: Mapping[int, int], q: float) -> int:
    """The q-th percentile of values that come with how often they occurred, at least one."""
    left = rank(sum(counts.values()), q)
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    raise ValueError("expected at least one value")
