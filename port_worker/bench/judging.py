"""A phase as objectives ask for it."""

from __future__ import annotations

from port_worker.bench.measured import Measured, MeasuredPhase
from port_worker.bench.phases import phase_facts
from port_worker.bench.slo import Observed


def observed(phase: MeasuredPhase, _measured: Measured) -> Observed:
    """What an objective is judged by."""
    facts = phase_facts(phase)
    return Observed(
        latency_ms=facts["latency_ms"] or {},
        errors=facts["errors"],
        error_rate=facts["error_rate"],
        rate=facts["rate_achieved"],
        rate_offered=facts["rate_offered"],
    )
