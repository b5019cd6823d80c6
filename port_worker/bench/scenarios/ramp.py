"""Rising rates until the objectives are breached, then bisection, and the highest rate that holds: the knee.

Every step has a load of its own, after which the worker is idle again: what one step has piled up, the next does not
pay. Besides the objectives a worker has to keep up, which short steps would hide: KEEPS_UP of what is offered is
answered a second, up to the last answer. A rate that breaches is tried once more, and breaches if it does so again: on
a machine that does other things too, one busy moment is no limit of the worker. Nor is one good moment: the rate that
was found has to hold for HOLDS_TIMES as long as a step, at the first attempt, or a lower one has to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from port_worker.bench.measured import Mark, Measured, MeasuredPhase, joined
from port_worker.bench.phases import phase_facts
from port_worker.bench.plan import Options, Plan, steady_stages
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.slo import observed

KEEPS_UP = 0.98
HOLDS_TIMES = 4.0
EASED = 0.9
"""The next rate that is to hold, as a share of one that did not."""

_TIMES = 1.5
_MOST_RATE = 1e6
_LEAST_RATE = 1.0


@dataclass(frozen=True)
class Step:
    """One rate: whether all was met (`breached` names what was not), and whether the driver was the limit."""

    rate: float
    measured: Measured
    breached: Sequence[str]

    @property
    def met(self) -> bool:
        """Whether nothing was breached."""
        return not self.breached

    def facts(self) -> dict[str, Any]:
        """As the findings have it."""
        phase = phase_facts(self.measured.phases[0])
        latency = phase["latency_ms"]
        return {
            "rate": self.rate,
            "seconds": self.measured.phases[0].scheduled_s,
            "met": self.met,
            "breached": list(self.breached),
            "rate_achieved": phase["rate_achieved"],
            "error_rate": phase["error_rate"],
            "p99_ms": None if latency is None else latency["p99"],
            "driver_limited": self.measured.limited,
        }


def climb(first: float, precision: float, step: Callable[[float], Step]) -> list[Step]:
    """The steps, in the order in which they were made: up by half, or down to where it is met; then bisected.

    `precision` is how far, as a share, the knee may be below the least rate that breaches.
    """
    steps = [step(first)]
    if steps[0].met:
        while steps[-1].met and not steps[-1].measured.driver.saturated and steps[-1].rate * _TIMES <= _MOST_RATE:
            steps.append(step(steps[-1].rate * _TIMES))
    else:
        while not steps[-1].met and steps[-1].rate / _TIMES >= _LEAST_RATE:
            steps.append(step(steps[-1].rate / _TIMES))
    while (bounds := _bounds(steps)) is not None and bounds[1] > bounds[0] * (1 + precision):
        steps.append(step((bounds[0] * bounds[1]) ** 0.5))
    return steps


def knee(steps: Sequence[Step]) -> Step | None:
    """The highest rate below the least that breaches; None where the lowest breaches."""
    least_breach = min((step.rate for step in steps if not step.met), default=float("inf"))
    return max(
        (step for step in steps if step.met and step.rate < least_breach), key=lambda one: one.rate, default=None
    )


def held(found: Step, hold: Callable[[float], Step]) -> Step | None:
    """The step, for longer, or one of a lower rate, that meets everything; None where none does."""
    step = hold(found.rate)
    while not step.met and step.rate * EASED >= _LEAST_RATE:
        step = hold(step.rate * EASED)
    return step if step.met else None


def _bounds(steps: Sequence[Step]) -> tuple[float, float] | None:
    """The knee and the least rate that breaches; None while there is not one of each."""
    met = knee(steps)
    breached = [step.rate for step in steps if not step.met]
    return None if met is None or not breached else (met.rate, min(breached))


def run(bench: Bench) -> Found:
    """Climb; the objectives are judged at the knee, or at the lowest rate where none is met."""
    assert bench.options.rate is not None
    tried: list[Step] = []
    steps = climb(bench.options.rate, bench.own["precision"], lambda rate: _twice(bench, rate, tried))
    best = knee(steps)
    found = None if best is None else held(best, lambda rate: _held(bench, rate, tried))
    judged = found or min(steps, key=lambda step: step.rate)
    rate = None if found is None else found.rate
    limited = judged.measured.limited or any(step.measured.driver.saturated for step in tried)
    bench.tell("no rate met the objectives" if rate is None else f"the knee is at {rate:,.0f} calls a second")
    return Found(
        joined([step.measured for step in tried]),
        {"knee_rate": rate, "driver_limited": limited, "steps": [step.facts() for step in tried]},
        judged=judged.measured.phases[0],
    )


def _twice(bench: Bench, rate: float, tried: list[Step]) -> Step:
    """The step, or the same again where it breaches; each is added to what was `tried`."""
    name = f"{rate:,.0f}/s"
    tried.append(_step(bench, rate, bench.options, name))
    if not tried[-1].met:
        tried.append(_step(bench, rate, bench.options, name))
    return tried[-1]


def _held(bench: Bench, rate: float, tried: list[Step]) -> Step:
    options = replace(bench.options, duration_s=HOLDS_TIMES * bench.options.duration_s)
    tried.append(_step(bench, rate, options, f"{rate:,.0f}/s held"))
    return tried[-1]


def _step(bench: Bench, rate: float, options: Options, name: str) -> Step:
    plan = Plan(options, bench.world, steady_stages(options, name)).at(rate)
    measured = bench.driver.drive(plan)
    measured.marks.insert(0, Mark(0.0, f"rate {name}"))
    phase = measured.phases[0]
    step = Step(rate, measured, _breached(bench, phase, measured))
    bench.tell(f"{name}: {'met' if step.met else 'breached ' + ', '.join(step.breached)}")
    return step


def _breached(bench: Bench, phase: MeasuredPhase, measured: Measured) -> list[str]:
    seen = observed({"total": phase_facts(phase), "workers": measured.workers})
    found = [one.expression for one in bench.objectives if not one.judge(seen).met]
    total = phase.total
    kept_up = total.offered == 0 or total.ok / phase.duration_s >= KEEPS_UP * total.offered / phase.scheduled_s
    return found if kept_up else [*found, f"rate>={KEEPS_UP:.0%}"]
