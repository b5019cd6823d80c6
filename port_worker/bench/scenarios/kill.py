"""SIGKILL at random times: how soon another worker answers, what is lost, and that no call is left hanging.

The driver is the supervisor: it sees the end of the worker's output, fails what was in flight, and spawns another
worker at once, in a moment in which it sends nothing. Calls that are due until its hello are not sent, and count as
errors.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Protocol

from port_worker.bench.goals import at_most
from port_worker.bench.incidents import Incident, Running
from port_worker.bench.plan import Plan, steady_stages
from port_worker.bench.recording import NO_ANSWER
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.stages import NEVER, NS
from port_worker.bench.wire import Answer

_RECOVERY_MS = 1000.0
_LATEST = 0.6
"""Each kill is in a slot of the run of its own, within this share of it, so that there is time to recover."""

_AGAIN_NS = 50_000_000


class Mortals(Protocol):
    """What is killed: a `Fleet`."""

    def __len__(self) -> int:
        """How many places it has."""

    def kill(self, worker: int) -> bool:
        """Kill the worker at that place; returns whether there was one that was ready."""


@dataclass
class Kill:
    """One kill: `at_ns` and `recovered_ns` from the start of the run, the latter of the first good answer since."""

    worker: int
    at_ns: int
    lost: int | None = None
    recovered_ns: int | None = None

    @property
    def recovered_ms(self) -> float | None:
        """From the kill; None where no answer came any more."""
        return None if self.recovered_ns is None else (self.recovered_ns - self.at_ns) / 1e6


@dataclass
class Killing(Incident):
    """Kills a worker, chosen at random, at each of `times_ns` from the start of what is measured."""

    fleet: Mortals
    times_ns: list[int]
    choices: random.Random
    kills: list[Kill] = field(default_factory=list)
    measured_from_ns: int = 0
    _again_ns: int = 0

    def due_ns(self) -> int:
        """As `Incident`."""
        return self._again_ns if self.times_ns else NEVER

    def act(self, run: Running, now_ns: int) -> None:
        """As `Incident`; a worker that has not answered since its start is left to it, and killed a little later."""
        self.measured_from_ns = run.timeline.measured_from_ns
        due_ns = self.measured_from_ns + self.times_ns[0]
        if self.measured_from_ns == NEVER or now_ns < due_ns:
            self._again_ns = min(due_ns, now_ns + _AGAIN_NS)
            return
        worker = self.choices.randrange(len(self.fleet))
        recovers = any(kill.worker == worker and kill.recovered_ns is None for kill in self.kills)
        if recovers or not self.fleet.kill(worker):
            self._again_ns = now_ns + _AGAIN_NS
            return
        self.times_ns.pop(0)
        self.kills.append(Kill(worker, now_ns))
        run.mark(now_ns, f"killed worker {worker} (SIGKILL)")

    def lost(self, _run: Running, worker: int, calls: int, _now_ns: int) -> None:
        """As `Incident`."""
        for kill in self.kills:
            if kill.worker == worker and kill.lost is None:
                kill.lost = calls

    @property
    def listens(self) -> bool:
        """As `Incident`."""
        return any(kill.lost is not None and kill.recovered_ns is None for kill in self.kills)

    def answered(self, _run: Running, worker: int, answer: Answer, now_ns: int) -> None:
        """As `Incident`: only answers since the loss are of the next worker."""
        for kill in self.kills if answer.code is None else ():
            if kill.worker == worker and kill.lost is not None and kill.recovered_ns is None:
                kill.recovered_ns = now_ns


def kill_times_ns(count: int, duration_s: float, choices: random.Random) -> list[int]:
    """One at random in each of `count` equal slots, ascending."""
    slot_s = duration_s / count
    return [round((place + choices.uniform(0.05, _LATEST)) * slot_s * NS) for place in range(count)]


def run(bench: Bench) -> Found:
    """Drive at one rate, and kill."""
    options = bench.options
    choices = random.Random(options.seed)  # noqa: S311 (a load, not a secret)
    killing = Killing(bench.fleet, kill_times_ns(bench.own["count"], options.duration_s, choices), choices)
    measured = bench.driver.drive(Plan(options, bench.world, steady_stages(options)), [killing])
    errors = measured.phases[0].total.errors
    times = [kill.recovered_ms for kill in killing.kills]
    known = [one for one in times if one is not None]
    slowest = None if not times else max(known) if len(known) == len(times) else float("inf")
    goals = [
        at_most(f"the first good answer within {_RECOVERY_MS:g} ms of a kill", slowest, _RECOVERY_MS, "{:.0f} ms"),
        at_most("no call is left hanging", float(errors[NO_ANSWER]), 0.0, "{:.0f}"),
    ]
    return Found(measured, _findings(killing, errors[NO_ANSWER]), goals)


def _findings(killing: Killing, hanging: int) -> dict[str, Any]:
    kills = [
        {
            "at_s": (kill.at_ns - killing.measured_from_ns) / NS,
            "worker": kill.worker,
            "recovered_ms": kill.recovered_ms,
            "lost": kill.lost or 0,
        }
        for kill in killing.kills
    ]
    return {"kills": kills, "hanging": hanging}
