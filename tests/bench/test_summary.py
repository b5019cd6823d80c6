"""The summary's judgement of its own driver."""

from __future__ import annotations

import pytest

from port_worker.bench.calls import Calls, Phase
from port_worker.bench.load import Run
from port_worker.bench.schedule import Schedule
from port_worker.bench.summary import summarize


def _run(lag_ms: float, busy: float) -> Run:
    calls = Calls()
    for place in range(100):
        calls.sent(lag_ms, Phase.BEFORE)
        calls.answered(place, 5.0)
    return Run(calls, window_s=2.0, driver_busy=busy)


@pytest.mark.parametrize(("lag_ms", "busy", "limited"), [(0.1, 0.1, False), (3.0, 0.1, True), (0.1, 0.9, True)])
def test_a_driver_that_is_late_or_busy_says_so(lag_ms: float, busy: float, limited: bool) -> None:
    driver = summarize(_run(lag_ms, busy), Schedule(50.0, 0.0, 2.0), None, [])["driver"]
    assert driver["limited"] is limited
    assert driver["send_lag_ms"]["p99"] == lag_ms


def test_rates_are_over_the_measured_window() -> None:
    summary = summarize(_run(0.0, 0.0), Schedule(50.0, 0.0, 2.0), None, [])
    assert summary["rate_achieved"] == 50.0
    assert summary["latency_ms"] == {"p50": 5.0, "p90": 5.0, "p99": 5.0, "p999": 5.0, "max": 5.0}
    assert summary["slo_met"]
