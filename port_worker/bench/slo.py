"""Objectives: `p99<500ms`, `errors<5%`, parsed and judged."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DEFAULTS = ("p99<500ms", "errors<5%")

_LATENCIES = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p999", "p999": "p999", "max": "max"}
_MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM = re.compile(r"\s*([a-z0-9.]+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ/%]*)\s*")
_EXPECTED = (
    "a metric (p50, p90, p99, p99.9, max, errors or rate), one of < <= > >=, a number and its unit "
    "(us, ms or s for a latency; % or none for errors and rate), as in 'p99<500ms'"
)


@dataclass(frozen=True)
class Observed:
    """What a run measured, as objectives ask for it.

    `latency_ms` by p50, p90, p99, p999 and max, empty when nothing was answered; `error_rate` 0..1; rates in
    calls a second.
    """

    latency_ms: Mapping[str, float]
    errors: int
    error_rate: float
    rate: float
    rate_offered: float


@dataclass(frozen=True)
class Objective:
    """One bound of `metric`, in milliseconds, calls, calls a second, or, if `relative`, as a share of 0..1."""

    expression: str
    metric: str
    comparison: str
    bound: float
    relative: bool

    def judge(self, observed: Observed) -> Verdict:
        """Whether a run met it. A latency of which there is none is not met."""
        value = self._value(observed)
        return Verdict(self.expression, value, value is not None and _OPERATORS[self.comparison](value, self.bound))

    def _value(self, observed: Observed) -> float | None:
        if self.metric == "errors":
            return observed.error_rate if self.relative else float(observed.errors)
        if self.metric == "rate":
            return observed.rate / observed.rate_offered if self.relative else observed.rate
        return observed.latency_ms.get(self.metric)


@dataclass(frozen=True)
class Verdict:
    """An objective, what was observed of it in the unit of its bound, and whether that met it."""

    expression: str
    observed: float | None
    met: bool


def parse(expression: str) -> Objective:
    """Read one objective. Raises ValueError that says what was expected."""
    form = _FORM.fullmatch(expression)
    if form is None:
        raise ValueError(f"expected {_EXPECTED}, got {expression!r}")
    name, comparison, number, unit = form.groups()
    if name in _LATENCIES:
        if unit not in _MILLISECONDS:
            raise ValueError(f"expected the unit us, ms or s behind the bound of {name}, got {expression!r}")
        return Objective(expression, _LATENCIES[name], comparison, float(number) * _MILLISECONDS[unit], relative=False)
    if name not in ("errors", "rate") or unit not in ("", "%"):
        raise ValueError(f"expected {_EXPECTED}, got {expression!r}")
    relative = unit == "%"
    return Objective(expression, name, comparison, float(number) / (100 if relative else 1), relative)
