"""Two drivers side by side."""

from __future__ import annotations

import pytest

from port_worker.bench.beam.overhead import beam_findings, beam_overhead
from port_worker.bench.beam.samples import BeamFacts
from tests.bench.beam_runs import BEAM

PYTHON = {"latency_ms": {"p50": 0.5, "p99": 2.0}, "uncorrected_ms": {"p50": 0.5, "p99": 1.75}}
ELIXIR = {"latency_ms": {"p50": 0.75, "p99": 1.5}, "uncorrected_ms": {"p50": 0.625, "p99": 2.0}}


def test_the_cost_is_what_a_call_takes_longer() -> None:
    assert beam_overhead(PYTHON, ELIXIR) == {
        "corrected": {"p50_ms": 0.25, "p99_ms": -0.5},
        "uncorrected": {"p50_ms": 0.125, "p99_ms": 0.25},
    }


@pytest.mark.parametrize(
    "pair", [(PYTHON, {**ELIXIR, "latency_ms": None}), ({**PYTHON, "uncorrected_ms": None}, ELIXIR)]
)
def test_nothing_is_compared_with_a_run_without_answers(pair: tuple[dict[str, object], dict[str, object]]) -> None:
    assert beam_overhead(*pair) is None


def test_findings_say_what_the_virtual_machine_took() -> None:
    findings = beam_findings(PYTHON, ELIXIR, BeamFacts(**BEAM))  # type: ignore[arg-type]
    assert findings["beam"]["cpu"] == 0.25
    assert findings["beam"]["connection_queue_max"] == 7
    assert findings["beam_overhead"]["corrected"]["p50_ms"] == 0.25
