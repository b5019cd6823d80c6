"""Objectives: what they mean and what is none."""

from __future__ import annotations

import pytest

from port_worker.bench.slo import DEFAULTS, Observed, observed, parse
from tests.bench.reports import Play, scenario

OBSERVED = Observed(
    latency_ms={
        **{"mean": 1.5, "p50": 1.0, "p75": 1.6, "p90": 2.0, "p95": 4.0, "p99": 10.0, "p999": 20.0, "p9999": 25.0},
        "max": 30.0,
    },
    errors=5,
    error_rate=0.05,
    rate=190.0,
    rate_offered=200.0,
    rss_bytes=250e6,
    cpu=0.8,
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
        ("p75<1.7ms", True),
        ("p95<=4ms", True),
        ("p95<4ms", False),
        ("p99.99<26ms", True),
        ("p9999<25ms", False),
        ("mean<1500us", False),
        ("mean<=1500us", True),
        ("rss<=250MB", True),
        ("rss<250MB", False),
        ("rss<239MiB", True),
        ("rss<238MiB", False),
        ("rss<0.25GB", False),
        ("rss<=0.25GB", True),
        ("rss<1GiB", True),
        ("rss>249999999B", True),
        ("rss<250001KB", True),
        ("rss<244140KiB", False),
        ("cpu<=80%", True),
        ("cpu<80%", False),
    ],
)
def test_an_objective_is_judged(expression: str, met: bool) -> None:
    verdict = parse(expression).judge(OBSERVED)
    assert verdict.expression == expression
    assert verdict.met is met


@pytest.mark.parametrize("expression", ["p50<1s", "max>0ms", "rss<1GB", "cpu>0%", DEFAULTS[0]])
def test_what_there_is_nothing_of_is_breached(expression: str) -> None:
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
        "p98<5ms",
        "P99<5ms",
        "p99<5MB",
        "p99<5 m s",
        "p99=5ms",
        "p99<-5ms",
        "errors<5ms",
        "rate>1/s",
        "p99<5ms,max<6ms",
        "rss<300",
        "rss<300mb",
        "rss<300M",
        "rss<5%",
        "cpu<80",
        "cpu<1.5",
        "latency<5ms",
        "p99<1e3ms",
        "p99<٣ms",
    ],
)
def test_what_is_no_objective_is_named(expression: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse(expression)
    assert repr(expression) in str(caught.value)


def test_the_error_of_a_unit_names_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"expected the unit B, KB, MB, GB, KiB, MiB, GiB behind the bound of rss"):
        parse("rss<300mb")


def test_a_closed_loop_has_no_share_of_its_rate() -> None:
    closed = Observed(latency_ms={}, errors=0, error_rate=0.0, rate=190.0, rate_offered=None)
    assert parse("rate>=95%").judge(closed).observed is None
    assert parse("rate>=95").judge(closed).met


def test_a_scenario_is_observed_by_its_total_and_its_largest_worker() -> None:
    found = scenario("kill", Play(seconds=4, fails=lambda at: "overloaded" if at > 3 else None), processes=2)
    found["workers"][1] |= {"rss_peak_bytes": 300_000_000, "cpu": None}
    seen = observed(found)
    total = found["total"]
    assert seen.latency_ms["p99"] == total["latency_ms"]["p99"]
    assert (seen.errors, seen.error_rate) == (total["errors"], total["error_rate"])
    assert (seen.rate, seen.rate_offered) == (total["rate_achieved"], total["rate_offered"])
    assert (seen.rss_bytes, seen.cpu) == (300_000_000, 0.412)


def test_nothing_is_observed_where_nothing_was() -> None:
    seen = observed(scenario("boot", Play(seconds=0), workers=[]))
    assert seen == Observed({}, 0, 0.0, 0.0, 0.0, None, None)
