"""What a scenario found, as objectives ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from port_worker.bench.slo import Observed


def observed(scenario: Mapping[str, Any]) -> Observed:
    """What objectives are judged by: the total of a scenario of a report."""
    total = scenario["total"]
    return Observed(
        latency_ms=total["latency_ms"] or {},
        errors=total["errors"],
        error_rate=total["error_rate"],
        rate=total["rate_achieved"],
        rate_offered=total["rate_offered"] or total["rate_achieved"] or 1.0,
    )
