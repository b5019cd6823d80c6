"""What a scenario has to work with, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from port_worker.bench.driving import Driver
from port_worker.bench.fleet import Fleet, Link
from port_worker.bench.goals import Goal
from port_worker.bench.measured import Measured, MeasuredPhase
from port_worker.bench.plan import Options, World
from port_worker.bench.slo import Objective


@dataclass(frozen=True)
class Bench:
    """One scenario's surroundings.

    Args:
        options: those that all scenarios have.
        own: those that this one has, by name.
        world: whom and what to ask about.
        driver: makes the load.
        fleet: the workers that it drives; empty where another driver starts them.
        objectives: of --slo.
        spawn: starts one more worker and does not wait for it.
        tell: says one line to whoever watches.
    """

    options: Options
    own: Mapping[str, Any]
    world: World
    driver: Driver
    fleet: Fleet
    objectives: Sequence[Objective]
    spawn: Callable[[], Link]
    tell: Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """What a scenario found. `judged` is the phase that --slo is about, where that is not all of it."""

    measured: Measured
    findings: Mapping[str, Any] = field(default_factory=dict)
    goals: Sequence[Goal] = ()
    judged: MeasuredPhase | None = None
    total: MeasuredPhase | None = None
    """In place of all phases together, where that would mean nothing."""
