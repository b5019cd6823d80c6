"""Percentiles of latencies.

Nearest rank: the q-th percentile of N values is the value of rank ceil(q/100 x N) in ascending order, so it is always a
latency that was measured, and p100 is the largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Latencies:
    """Milliseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


def percentile(ascending: NDArray[np.float64], q: float) -> float:
    """The q-th percentile, 0 < q <= 100, of at least one value in ascending order."""
    # q/100 of N is rounded first: 99.9 % of 1,000 is rank 999, and not 1,000 for the last bit of a float.
    rank = math.ceil(round(q * len(ascending) / 100, 9))
    return float(ascending[max(rank, 1) - 1])


def latencies(milliseconds: NDArray[np.float64]) -> Latencies | None:
    """The percentiles of float64 (n,) milliseconds in any order; None when there are none."""
    if len(milliseconds) == 0:
        return None
    ascending = milliseconds.copy()
    ascending.sort()
    p50, p90, p99, p999, most = (percentile(ascending, q) for q in (50.0, 90.0, 99.0, 99.9, 100.0))
    return Latencies(p50, p90, p99, p999, most)
