"""Objectives: `p99<500ms`, `errors<5%`, `rss<300MB`, parsed and judged."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

DEFAULTS = ("p99<500ms", "errors<5%")

LATENCIES = {
    **{name: name for name in ("p50", "p75", "p90", "p95", "p99", "max", "mean")},
    **{"p99.9": "p999", "p999": "p999", "p99.99": "p9999", "p9999": "p9999"},
}
"""As they are typed, and as they are called in a report."""
# Decimals: 95 times the float 0.01 is more than 0.95, which 95 of 100 would then miss.
_MILLISECONDS = {"us": Decimal("0.001"), "µs": Decimal("0.001"), "ms": Decimal(1), "s": Decimal(1000)}
_THOUSANDS = {"KB": Decimal(10**3), "MB": Decimal(10**6), "GB": Decimal(10**9)}
_BYTES = {"B": Decimal(1), **_THOUSANDS, "KiB": Decimal(2**10), "MiB": Decimal(2**20), "GiB": Decimal(2**30)}
_SHARES = {"%": Decimal("0.01")}
_COUNTS = {"": Decimal(1)}
_UNITS: Mapping[str, tuple[str, Mapping[str, Decimal]]] = {
    **dict.fromkeys(LATENCIES, ("us, ms or s", _MILLISECONDS)),
    "errors": ("% or none", _SHARES | _COUNTS),
    "rate": ("% or none", _SHARES | _COUNTS),
    "rss": (", ".join(_BYTES), _BYTES),
    "cpu": ("%", _SHARES),
}
"""Metric to its units in words, and each unit in what the report counts."""
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM = re.compile(r"\s*([a-z0-9.]+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-zµ/%]*)\s*", re.ASCII)
METRICS = "p50, p75, p90, p95, p99, p99.9, p99.99, max, mean, errors, rate, rss or cpu"
_EXPECTED = (
    f"a metric ({METRICS}), one of < <= > >=, a number and its unit (us, ms or s for a latency; % or none for errors "
    "and rate; KB, MB, GB, KiB, MiB or GiB for rss; % of a core for cpu), as in 'p99<500ms'"
)


@dataclass(frozen=True)
class Observed:
    """What a run measured, as objectives ask for it.

    `latency_ms` by the names of a report, empty when nothing was answered; `error_rate` 0..1; rates in calls a second,
    `rate_offered` None in a closed loop; `rss_bytes` the highest resident memory of any worker, and `cpu` the mean
    share of a core of the busiest one, None where no worker said it.
    """

    latency_ms: Mapping[str, float]
    errors: int
    error_rate: float
    rate: float
    rate_offered: float | None
    rss_bytes: float | None = None
    cpu: float | None = None


def observed(scenario: Mapping[str, Any]) -> Observed:
    """What objectives are judged by: the total of a scenario of a report, and its workers."""
    total = scenario["total"]
    return Observed(
        latency_ms=total["latency_ms"] or {},
        errors=total["errors"],
        error_rate=total["error_rate"],
        rate=total["rate_achieved"],
        rate_offered=total["rate_offered"],
        rss_bytes=_largest(scenario, "rss_peak_bytes"),
        cpu=_largest(scenario, "cpu"),
    )


def _largest(scenario: Mapping[str, Any], name: str) -> float | None:
    return max((worker[name] for worker in scenario["workers"] if worker[name] is not None), default=None)


@dataclass(frozen=True)
class Objective:
    """One bound of `metric`, in milliseconds, bytes, calls, calls a second, or, if `relative`, as a share of 0..1."""

    expression: str
    metric: str
    comparison: str
    bound: float
    relative: bool

    def judge(self, observed: Observed) -> Verdict:
        """Whether a run met it. What there is nothing of is not met."""
        value = self._value(observed)
        return Verdict(self.expression, value, value is not None and _OPERATORS[self.comparison](value, self.bound))

    def _value(self, observed: Observed) -> float | None:
        if self.metric == "errors":
            return observed.error_rate if self.relative else float(observed.errors)
        if self.metric == "rate":
            return _share(observed.rate, observed.rate_offered) if self.relative else observed.rate
        if self.metric in ("rss", "cpu"):
            return observed.rss_bytes if self.metric == "rss" else observed.cpu
        return observed.latency_ms.get(self.metric)


def _share(part: float, whole: float | None) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True)
class Verdict:
    """An objective, what was observed of it in the unit of its bound, and whether that met it."""

    expression: str
    observed: float | None
    met: bool


def parse(expression: str) -> Objective:
    """Read one objective. Raises ValueError that says what was expected."""
    form = _FORM.fullmatch(expression)
    if form is None or form[1] not in _UNITS:
        raise ValueError(f"expected {_EXPECTED}, got {expression!r}")
    name, comparison, number, unit = form.groups()
    words, units = _UNITS[name]
    if unit not in units:
        raise ValueError(f"expected the unit {words} behind the bound of {name}, got {expression!r}")
    return Objective(
        expression, LATENCIES.get(name, name), comparison, float(Decimal(number) * units[unit]), unit == "%"
    )
