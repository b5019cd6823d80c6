"""How far a run is, on stderr."""

from __future__ import annotations

import sys
from typing import IO

from port_worker.bench.incidents import Incident, Running
from port_worker.bench.stages import NS, Stage

_WIDTH = 110


class Live:
    """Shows how far a run is: one line that overwrites itself on a terminal, a line for each stage elsewhere.

    Written directly: redrawing a bar takes milliseconds, which calls that are due meanwhile would pay.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._overwrites = self._stream.isatty()
        self._shown = False
        self.title = ""
        """Of what runs: the scenario."""

    def watching(self) -> Watching:
        """What tells this about one run."""
        return Watching(self)

    def stage(self, stage: Stage) -> None:
        """Another stage has begun."""
        if not self._overwrites:
            self._stream.write(f"bench: {self._named(stage)}: {_described(stage)}\n")

    def far(self, stage: Stage, elapsed_s: float, run: Running) -> None:
        """How far it is, about once a second."""
        self.show(f"{stage.name} {elapsed_s:.0f} s, {_described(stage)}", run.sent, run.answered, run.errors)

    def show(self, what: str, sent: int, answered: int, errors: int) -> None:
        """The line, on a terminal."""
        if self._overwrites:
            counts = f"{sent:,} sent, {answered:,} answered, {sent - answered:,} in flight, {errors:,} errors"
            text = f"bench: {self.title} {what}, {counts}"
            self._stream.write(f"\r{text[:_WIDTH]:<{_WIDTH}}")
            self._stream.flush()
            self._shown = True

    def rest(self) -> None:
        """The run is over: leave its line."""
        if self._shown:
            self._stream.write(f"\r{'':<{_WIDTH}}\r")
            self._shown = False

    def _named(self, stage: Stage) -> str:
        return f"{self.title} {stage.name}".strip()


class Watching(Incident):
    """Tells a `Live` of one run."""

    patient = True

    def __init__(self, live: Live) -> None:
        self._live = live
        self._next_ns = 0
        self._stage: Stage | None = None

    def due_ns(self) -> int:
        """As `Incident`."""
        return self._next_ns

    def act(self, run: Running, now_ns: int) -> None:
        """As `Incident`."""
        self._next_ns = now_ns + NS
        stage = run.timeline.stage
        if stage is None:
            return
        if stage is not self._stage:
            self._stage = stage
            self._live.stage(stage)
        self._live.far(stage, now_ns / NS, run)


def _described(stage: Stage) -> str:
    rate = "closed loop" if stage.rate is None else f"{stage.rate:,.6g} calls a second"
    return rate if stage.duration_s is None else f"{rate} for {stage.duration_s:g} s"
