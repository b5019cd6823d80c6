"""Objectives: what they mean and what is none."""

from __future__ import annotations

import pytest

from port_worker.bench.slo import DEFAULTS, Observed, parse

OBSERVED = Observed(
    latency_ms={"p50": 1.0, "p90": 2.0, "p99": 10.0, "p999": 20.0, "max": 30.0},
    errors=5,
    error_rate=0.05,
    rate=190.0,
    rate_offered=200.0,
)
NOTHING = Observed(latency_ms={}, errors=100, error_rate=1.0, rate=0.0, rate_offered=200.0)


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("p99<500ms", True),
        ("p99<10ms", False),
        ("p99<=10ms", True),
        ("p99<1us", False),
        ("p50<1001us", True),
        ("p50<1000µs", False),
        ("p99.9<0.021s", True),
        ("p999 <= 20 ms", True),
        ("max>30ms", False),
        ("max>=30ms", True),
        ("errors<5%", False),
        ("errors<=5%", True),
        ("errors<6", True),
        ("errors<=4", False),
        ("rate>=190", True),
        ("rate>95%", False),
        ("rate>=95%", True),
    ],
)
def test_an_objective_is_judged(expression: str, met: bool) -> None:
    verdict = parse(expression).judge(OBSERVED)
    assert verdict.expression == expression
    assert verdict.met is met


@pytest.mark.parametrize("expression", ["p50<1s", "max>0ms", DEFAULTS[0]])
def test_a_latency_of_which_there_is_none_is_breached(expression: str) -> None:
    verdict = parse(expression).judge(NOTHING)
    assert not verdict.met
    assert verdict.observed is None


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "p99",
        "p99<",
        "p99<5",
        "p99<5%",
        "p95<5ms",
        "p99=5ms",
        "p99<-5ms",
        "errors<5ms",
        "rate>1/s",
        "p99<5ms,max<6ms",
    ],
)
def test_what_is_no_objective_is_named(expression: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse(expression)
    assert repr(expression) in str(caught.value)
