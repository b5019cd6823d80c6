"""Calm, a burst of several times the rate, calm: what the burst costs, and how soon it is calm again."""

from __future__ import annotations

from collections.abc import Sequence

from port_worker.bench.goals import at_most
from port_worker.bench.histogram import histogram_of, latency_ms
from port_worker.bench.measured import Measured, Row
from port_worker.bench.plan import Plan, warm_up
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.stages import Stage

_RECOVERED_S = 2.0
_CALM_TIMES = 2.0
_CALM_MS = 5.0
"""Calm again is a second whose p99 is at most so many times that before the burst, or so few milliseconds."""

_SHARES = {"calm": 0.25, "burst": 0.25, "after": 0.5}


def run(bench: Bench) -> Found:
    """Three stages in one run, so that what the burst has piled up is paid after it."""
    options = bench.options
    assert options.rate is not None
    rates = {"calm": options.rate, "burst": options.rate * bench.own["times"], "after": options.rate}
    stages = [Stage(name, rates[name], share * options.duration_s) for name, share in _SHARES.items()]
    measured = bench.driver.drive(Plan(options, bench.world, (*warm_up(options), *stages)))
    recovered_s = _recovered_s(measured)
    failed = sum(phase.total.failed for phase in measured.phases)
    goals = [
        at_most(f"calm again within {_RECOVERED_S:g} s of the burst's end", recovered_s, _RECOVERED_S, "{:.0f} s"),
        at_most("no errors", float(failed), 0.0, "{:.0f}"),
    ]
    return Found(measured, {"recovered_s": recovered_s}, goals)


def _recovered_s(measured: Measured) -> float | None:
    """Whole seconds after the burst until it stays calm; None without answers before it."""
    calm = measured.phases[0].total.corrected
    before = latency_ms(histogram_of(calm), calm)
    if before is None:
        return None
    ended = round(sum(phase.scheduled_s for phase in measured.phases[:2]))
    return seconds_until_calm(measured.rows[ended:], max(before["p99"] * _CALM_TIMES, _CALM_MS))


def seconds_until_calm(rows: Sequence[Row], most_ms: float) -> float:
    """How many seconds there are before those whose p99 stays at most so high, and that have no error."""
    for place in range(len(rows), 0, -1):
        row = rows[place - 1]
        if row.errors or (row.p99_ms is not None and row.p99_ms > most_ms):
            return float(place)
    return 0.0
