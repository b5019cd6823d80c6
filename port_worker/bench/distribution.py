"""The HdrHistograms of a report: what is in them beyond the few percentiles that are written out."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

US_PER_MS = 1000.0
_TICKS = 5
"""Points for each halving of what is left to 100 %: the library's own, and wrk2's."""


def decoded(text: str | None) -> HdrHistogram | None:
    """The histogram of microseconds; None for none or an empty one. Raises ValueError for what is no histogram."""
    from hdrh.codec import HdrCookieException, HdrLengthException
    from hdrh.histogram import HdrHistogram

    if not text:
        return None
    try:
        found = HdrHistogram.decode(text.encode("ascii"))
    except (ValueError, TypeError, zlib.error, HdrCookieException, HdrLengthException) as error:
        raise ValueError(f"expected an HdrHistogram in base64, got {text[:20]!r}: {error}") from None
    return found if found.get_total_count() else None


def curve(histogram: HdrHistogram) -> list[tuple[float, float]]:
    """Shares 0..1 in ascending order, each with the milliseconds that so many calls took at most; the last is 1."""
    return [
        (step.percentile_level_iterated_to / 100, step.value_iterated_to / US_PER_MS)
        for step in histogram.get_percentile_iterator(_TICKS)
    ]


def nines(share: float, most: float) -> float:
    """How far a share is on the axis of percentiles: 0 at 0, 1 at 90 %, 2 at 99 %; at most `most`."""
    return most if share >= 1 else min(most, -math.log10(1 - share))
