"""What the workers of a BEAM hold and how busy they are, looked at whenever it says how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from port_worker.bench.beam.drive import Tick

NS = 1_000_000_000


class Held(NamedTuple):
    """Of one process: resident bytes, and seconds of processor time since its start."""

    rss_bytes: int
    cpu_s: float


class Use(NamedTuple):
    """Of one worker: resident bytes, and the share of one core, 0..1, that it used since the look before."""

    pid: int
    rss_bytes: int
    cpu: float | None


def held_by(pid: int) -> Held | None:
    """None of a process that has ended."""
    import psutil

    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return Held(int(process.memory_info().rss), times.user + times.system)
    except psutil.Error:
        return None


@dataclass
class UseOfWorkers:
    """Takes a run's ticks; `look` is at one process."""

    look: Callable[[int], Held | None] = held_by
    _looks: list[tuple[int, list[Use | None]]] = field(default_factory=list)
    _before: dict[int, tuple[float, float]] = field(default_factory=dict)

    def ready(self, pids: tuple[int, ...]) -> None:
        """The load begins: processor time counts from now on."""
        for pid in pids:
            self._use(pid, 0.0)

    def tick(self, tick: Tick) -> None:
        """It is so late."""
        self._looks.append((round(tick.elapsed_s * NS), [self._use(pid, tick.elapsed_s) for pid in tick.pids]))

    def at(self, at_ns: int) -> list[Use | None]:
        """By worker, what the look showed that was nearest to that time since the start; empty where it is too far."""
        nearest = min(self._looks, key=lambda look: abs(look[0] - at_ns), default=None)
        return [] if nearest is None or abs(nearest[0] - at_ns) > NS // 2 else nearest[1]

    def facts(self, from_ns: int, to_ns: int) -> list[dict[str, Any]]:
        """By worker, of those seconds: `pid`, mean `cpu`, last `rss_bytes`, `rss_peak_bytes`; None where unknown."""
        looks = [uses for at_ns, uses in self._looks if from_ns < at_ns <= to_ns + NS // 2]
        return [_facts([use for use in uses if use is not None]) for uses in zip(*looks, strict=True)]

    def _use(self, pid: int, at_s: float) -> Use | None:
        held = self.look(pid) if pid else None
        if held is None:
            return None
        before = self._before.get(pid)
        self._before[pid] = (at_s, held.cpu_s)
        if before is None or at_s <= before[0]:
            return Use(pid, held.rss_bytes, None)
        return Use(pid, held.rss_bytes, (held.cpu_s - before[1]) / (at_s - before[0]))


def _facts(uses: list[Use]) -> dict[str, Any]:
    cpu = [use.cpu for use in uses if use.cpu is not None]
    return {
        "pid": uses[-1].pid if uses else None,
        "cpu": sum(cpu) / len(cpu) if cpu else None,
        "rss_bytes": uses[-1].rss_bytes if uses else None,
        "rss_peak_bytes": max((use.rss_bytes for use in uses), default=None),
    }
