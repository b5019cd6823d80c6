"""What the BEAM costs: the same load by both drivers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from port_worker.bench.beam.samples import BeamFacts


def beam_findings(python: Mapping[str, Any], elixir: Mapping[str, Any], beam: BeamFacts) -> dict[str, Any]:
    """The findings of a scenario that a BEAM drove. `python`, `elixir`: phases of the report of the same load.

    `cpu` is in cores; `connection_queue_max` the longest queue of messages that a connection was seen to have.
    """
    return {
        "beam_overhead": beam_overhead(python, elixir),
        "beam": {
            "elixir": beam.elixir,
            "otp": beam.otp,
            "schedulers": beam.schedulers,
            "cpu": beam.cpu_ms / 1e3 / (beam.elapsed_ns / 1e9),
            "connection_queue_max": beam.queue_max,
            "connection_reductions": beam.reductions,
        },
    }


def beam_overhead(python: Mapping[str, Any], elixir: Mapping[str, Any]) -> dict[str, dict[str, float]] | None:
    """What a call takes longer through Elixir than from Python, milliseconds at p50 and p99.

    `corrected` compares latencies from the due time, so how punctual either driver is comes in; `uncorrected` compares
    them from the send, of calls that waited for no other, which is the cost of the client itself. None where either
    driver got no answer.
    """
    kinds = {"corrected": "latency_ms", "uncorrected": "uncorrected_ms"}
    if any(phase[name] is None for phase in (python, elixir) for name in kinds.values()):
        return None
    return {
        kind: {f"{p}_ms": elixir[name][p] - python[name][p] for p in ("p50", "p99")} for kind, name in kinds.items()
    }
