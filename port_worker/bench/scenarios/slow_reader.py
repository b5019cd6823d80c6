"""The host stops reading for a while and goes on sending: what the worker holds stays bounded.

A worker keeps up to 8 MiB of replies that nobody takes, then reads no more calls; they wait in the pipe, then in the
host, which at a bound of its own does not send them. A worker whose host reads nothing for a minute ends with status 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from port_worker.bench.fleet import Fleet
from port_worker.bench.goals import Goal, at_most
from port_worker.bench.incidents import Incident, Running
from port_worker.bench.measured import Measured
from port_worker.bench.plan import Plan, warm_up
from port_worker.bench.recording import NO_ANSWER, WORKER_GONE
from port_worker.bench.sampling import use_of
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.stages import NEVER, Stage

_GROWTH_MB = 64.0
_LOOK_NS = 100_000_000


@dataclass
class NotReading(Incident):
    """Leaves the workers' output unread during the stage at `place`, and looks at what they hold meanwhile."""

    place: int
    fleet: Fleet
    before_bytes: dict[int, int] = field(default_factory=dict)
    peak_bytes: dict[int, int] = field(default_factory=dict)
    _next_ns: int = 0

    def due_ns(self) -> int:
        """As `Incident`."""
        return self._next_ns

    def act(self, run: Running, now_ns: int) -> None:
        """As `Incident`."""
        timeline = run.timeline
        began_ns = timeline.began_ns[self.place] if timeline.place >= self.place else NEVER
        ended_ns = timeline.ended_ns[self.place] if timeline.place > self.place else NEVER
        self._next_ns = now_ns + _LOOK_NS
        if now_ns < began_ns:
            self._next_ns = min(self._next_ns, began_ns)
        elif now_ns >= ended_ns:
            self.fleet.paused.clear()
            run.mark(now_ns, "reading again")
            self._next_ns = NEVER
        else:
            self._look(run, now_ns)

    def over(self, _now_ns: int) -> bool:
        """As `Incident`."""
        return self._next_ns == NEVER

    @property
    def growth_bytes(self) -> int | None:
        """The most that one of them grew by; None where none was looked at."""
        grown = [self.peak_bytes[pid] - before for pid, before in self.before_bytes.items()]
        return max(grown, default=None)

    def _look(self, run: Running, now_ns: int) -> None:
        if not self.before_bytes:
            self.fleet.paused.update(range(len(self.fleet)))
            run.mark(now_ns, "stopped reading")
        for pid in self.fleet.pids():
            use = None if pid is None else use_of(pid)
            if pid is not None and use is not None:
                self.before_bytes.setdefault(pid, use.rss_bytes)
                self.peak_bytes[pid] = max(self.peak_bytes.get(pid, 0), use.rss_bytes)


def run(bench: Bench) -> Found:
    """Half of the duration, the pause, the other half."""
    options = bench.options
    half_s = options.duration_s / 2
    lengths = {"reading": half_s, "not reading": bench.own["pause"], "reading again": half_s}
    stages = (*warm_up(options), *(Stage(name, options.rate, length) for name, length in lengths.items()))
    pause = NotReading(len(stages) - 2, bench.fleet)
    measured = bench.driver.drive(Plan(options, bench.world, stages), [pause])
    growth = pause.growth_bytes
    growth_mb = None if growth is None else growth / 1e6
    goals = [
        at_most(f"memory grows by at most {_GROWTH_MB:g} MB", growth_mb, _GROWTH_MB, "{:.1f} MB"),
        _lives(bench.fleet, measured),
    ]
    return Found(measured, {"pause_s": bench.own["pause"], "rss_growth_bytes": growth, **_ends(bench.fleet)}, goals)


def _lives(fleet: Fleet, measured: Measured) -> Goal:
    """Alive, and every call that was sent was answered; or ended as the protocol says."""
    text = "every call that was sent is answered, or the worker ends with status 0"
    if fleet.ended:
        return Goal(text, f"ended with {fleet.ended}", all(status == 0 for status in fleet.ended))
    silent = sum(phase.total.errors[NO_ANSWER] + phase.total.errors[WORKER_GONE] for phase in measured.phases)
    return at_most(text, float(silent), 0.0, "{:.0f} unanswered")


def _ends(fleet: Fleet) -> dict[str, Any]:
    return {"ended_with": list(fleet.ended)}
