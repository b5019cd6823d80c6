"""One rate for a while, or a closed loop."""

from __future__ import annotations

from port_worker.bench.plan import Plan, steady_stages
from port_worker.bench.scenarios.bench import Bench, Found


def run(bench: Bench) -> Found:
    """Warm up, then measure."""
    return Found(bench.driver.drive(Plan(bench.options, bench.world, steady_stages(bench.options))))
