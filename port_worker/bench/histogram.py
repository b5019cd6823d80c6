"""Latencies as an HdrHistogram: what is reported is read from it, and it is what other tools can read.

Values are microseconds from 1 us to 1 h with three significant digits, so a value that is read is at most 0.1% off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from port_worker.bench.percentile import rank
from port_worker.bench.recording import Counts

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

LEAST_US, MOST_US, DIGITS = 1, 3_600_000_000, 3

PERCENTILES = {"p50": 50.0, "p75": 75.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9, "p9999": 99.99}
"""What a report has of latencies, by the names of its fields."""


def histogram_of(counts: Counts) -> HdrHistogram:
    """The histogram of counts of microseconds; what is out of its range counts as its end."""
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(LEAST_US, MOST_US, DIGITS)
    for value, count in counts.items():
        histogram.record_value(min(max(value, LEAST_US), MOST_US), count)
    return histogram


def encoded(histogram: HdrHistogram) -> str:
    """As base64 of HdrHistogram's V2 compressed format, which its libraries of other languages decode."""
    text: bytes = histogram.encode()
    return text.decode("ascii")


def latency_ms(histogram: HdrHistogram, counts: Counts) -> dict[str, float] | None:
    """`count`, `mean`, the PERCENTILES and `max`, in milliseconds; None when there are none.

    A percentile is that of the nearest rank, the least value that has so many percent at or below it, and at most the
    greatest that was recorded. The mean is that of `counts`, of which the histogram was made.
    """
    if not histogram.total_count:
        return None
    found: dict[str, float] = {"count": histogram.total_count, "mean": _mean(counts) / 1e3}
    found |= {name: us / 1e3 for name, us in zip(PERCENTILES, _values(histogram), strict=True)}
    return found | {"max": histogram.max_value / 1e3}


def _values(histogram: HdrHistogram) -> list[int]:
    """Microseconds of the PERCENTILES, ascending."""
    ranks = [rank(histogram.total_count, q) for q in PERCENTILES.values()]
    values: list[int] = []
    for step in histogram.get_recorded_iterator():
        value = min(histogram.get_highest_equivalent_value(step.value_iterated_to), histogram.max_value)
        while len(values) < len(ranks) and step.total_count_to_this_value >= ranks[len(values)]:
            values.append(value)
    return values


def _mean(counts: Counts) -> float:
    return sum(value * count for value, count in counts.items()) / sum(counts.values())
