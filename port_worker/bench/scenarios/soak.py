"""A long run: whether the worker's memory grows."""

from __future__ import annotations

from collections.abc import Sequence

from port_worker.bench.goals import Goal, at_most, unmeasured
from port_worker.bench.measured import Row
from port_worker.bench.plan import Plan, steady_stages
from port_worker.bench.scenarios.bench import Bench, Found

_MOST_MB_PER_HOUR = 10.0
_SETTLED = 0.2
_LEAST_S = 600.0
"""Of a shorter run the slope is told, and not judged: one page more at its end would be megabytes an hour."""


def run(bench: Bench) -> Found:
    """Drive, and fit a line to what each worker held once it had settled, in the last four fifths of the run."""
    measured = bench.driver.drive(Plan(bench.options, bench.world, steady_stages(bench.options)))
    slopes = [slope_per_hour(held) for held in _held(measured.rows)]
    known = [slope for slope in slopes if slope is not None]
    steepest = max(known, default=None)
    goals = [_goal(steepest, measured.phases[0].scheduled_s)]
    return Found(measured, {"rss_slope_bytes_per_hour": steepest, "rss_slopes_bytes_per_hour": slopes}, goals)


def _held(rows: Sequence[Row]) -> list[list[tuple[float, int]]]:
    """By worker: seconds and resident bytes."""
    settled = rows[int(len(rows) * _SETTLED) :]
    workers = max((len(row.rss_bytes) for row in settled), default=0)
    return [
        [(float(at), held) for at, row in enumerate(settled) if (held := row.rss_bytes[worker]) is not None]
        for worker in range(workers)
    ]


def slope_per_hour(points: Sequence[tuple[float, float]]) -> float | None:
    """Least squares: how much the second of the pairs grows while the first, seconds, grows by an hour.

    None for fewer than two.
    """
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread * 3600 if spread else None


def _goal(slope: float | None, seconds: float) -> Goal:
    text = f"memory grows by at most {_MOST_MB_PER_HOUR:g} MB an hour"
    if slope is None or seconds < _LEAST_S:
        return unmeasured(text)
    return at_most(text, slope / 1e6, _MOST_MB_PER_HOUR, "{:.1f} MB")
