"""What two runs of a scenario are compared by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from port_worker.bench.noise import batches

Scenario = Mapping[str, Any]
Pairs = list[tuple[float, float]]
"""What is summed, and what it is divided by, of each second."""


@dataclass(frozen=True)
class Metric:
    """One figure. `unit` as a report has it; `is_log` compares logarithms, so that a mean is a geometric one.

    `is_share` is compared by its difference and not by a ratio: none at all is common, and no error has no ratio.
    `pairs` are by the second; `whole`, in their place, is a figure that only the whole run has.
    """

    name: str
    unit: str
    pairs: Callable[[Scenario], Pairs] | None = None
    whole: Callable[[Scenario], float | None] | None = None
    is_log: bool = False
    is_share: bool = False

    def of_run(self, scenario: Scenario) -> float | None:
        """The figure of one run; None where it has none."""
        if self.whole is not None:
            return self._scaled(self.whole(scenario))
        assert self.pairs is not None
        return _divided(self.pairs(scenario))

    def of_batches(self, scenario: Scenario) -> list[float]:
        """The figure of each batch of a run; empty where it is too short, or only the whole has it."""
        pairs = [] if self.pairs is None else self.pairs(scenario)
        found = (_divided([pairs[place] for place in batch]) for batch in batches(len(pairs)))
        return [value for value in found if value is not None]

    def shown(self, value: float | None) -> float | None:
        """In its own unit again."""
        return math.exp(value) if self.is_log and value is not None else value

    def _scaled(self, value: float | None) -> float | None:
        if value is None or (self.is_log and value <= 0):
            return None
        return math.log(value) if self.is_log else value


def _divided(pairs: Pairs) -> float | None:
    below = math.fsum(one for _, one in pairs)
    return math.fsum(one for one, _ in pairs) / below if below else None


def _latencies(field: str) -> Callable[[Scenario], Pairs]:
    """Logarithms: a second that is ten times as slow weighs as much as one that is ten times as fast."""
    return lambda scenario: [
        (math.log(value), 1.0) for value in scenario["series"][field] if value is not None and value > 0
    ]


def _answered(scenario: Scenario) -> Pairs:
    series = scenario["series"]
    return [(float(ok), series["interval_s"]) for ok in series["ok"]]


def _errors(scenario: Scenario) -> Pairs:
    series = scenario["series"]
    return [(float(bad), float(due)) for bad, due in zip(series["errors"], series["offered"], strict=True)]


def _summed(field: str) -> Callable[[Scenario], Pairs]:
    """Of all workers, in the seconds in which each was there."""
    return lambda scenario: [
        (math.fsum(row), 1.0) for row in scenario["series"][field] if row and all(value is not None for value in row)
    ]


def _memory(scenario: Scenario) -> float | None:
    """A figure of the whole run: within one it hardly moves, so its seconds know nothing of what another would hold."""
    return _divided(_summed("rss_bytes")(scenario))


def _percentile(name: str) -> Callable[[Scenario], float | None]:
    return lambda scenario: (scenario["total"]["latency_ms"] or {}).get(name)


def _knee(scenario: Scenario) -> float | None:
    knee = scenario["findings"].get("knee_rate")
    return float(knee) if isinstance(knee, int | float) else None


METRICS: Sequence[Metric] = (
    Metric("knee of the ramp", "/s", whole=_knee, is_log=True),
    Metric("p50 in a second", "ms", _latencies("p50_ms"), is_log=True),
    Metric("p99 in a second", "ms", _latencies("p99_ms"), is_log=True),
    Metric("worst in a second", "ms", _latencies("max_ms"), is_log=True),
    *(
        Metric(f"{words} of all", "ms", whole=_percentile(name), is_log=True)
        for name, words in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"), ("max", "worst"))
    ),
    Metric("answered", "/s", _answered),
    Metric("errors", "share", _errors, is_share=True),
    Metric("memory of all workers", "bytes", whole=_memory, is_log=True),
    Metric("CPU of all workers", "cores", _summed("cpu")),
)
