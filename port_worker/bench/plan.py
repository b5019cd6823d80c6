"""What is asked of a driver: the options of a scenario, the world that they are about, and the stages of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from port_worker.bench.arrivals import CLOSED
from port_worker.bench.stages import Stage
from port_worker.bench.users import Id


@dataclass(frozen=True)
class Options:
    """As the command line has them, with the defaults of the scenario in place of what was left out.

    `rate` in calls a second, None in a closed loop; `arrivals` constant, poisson or closed; `in_flight` of a closed
    loop; `users` how known users are chosen: uniform, zipf:S or a file; `cold` and the shares of `mix` 0..1.
    """

    rate: float | None
    arrivals: str
    in_flight: int | None
    duration_s: float
    warmup_s: float
    workers: int
    users: str
    known_users: int
    cold: float
    mix: Mapping[str, float]
    n: int
    deadline_ms: int | None
    payload_bytes: Sequence[int]
    seed: int
    codec: str

    @property
    def closed(self) -> bool:
        """Whether it is a closed loop."""
        return self.arrivals == CLOSED

    @property
    def exponent(self) -> float:
        """Of the choice of users: 0.0 where all are alike likely."""
        kind, _, exponent = self.users.partition(":")
        return float(exponent) if kind == "zipf" and exponent else 0.0

    def facts(self) -> dict[str, Any]:
        """As a report has them."""
        return asdict(self) | {"mix": dict(self.mix), "payload_bytes": list(self.payload_bytes)}


def is_drawn(users: str) -> bool:
    """Whether users are drawn from the source's known ones, and not those of a file."""
    return users == "uniform" or users.startswith("zipf:")


@dataclass(frozen=True)
class World:
    """Whom and what calls may be about: known users, the most active first, and known items."""

    users: Sequence[Id]
    items: Sequence[Id]


@dataclass(frozen=True)
class Plan:
    """One run of a driver."""

    options: Options
    world: World
    stages: tuple[Stage, ...]

    def at(self, rate: float) -> Plan:
        """The same at another rate."""
        stages = tuple(replace(stage, rate=rate) for stage in self.stages)
        return Plan(replace(self.options, rate=rate), self.world, stages)


def steady_stages(options: Options, name: str = "measured") -> tuple[Stage, ...]:
    """A warm-up, where there is one, and one measured stage."""
    measured = Stage(name, options.rate, options.duration_s)
    return (*warm_up(options), measured)


def warm_up(options: Options) -> tuple[Stage, ...]:
    """The stage before what is measured; none where it has no length."""
    return (Stage("warm-up", options.rate, options.warmup_s, measured=False),) if options.warmup_s else ()
