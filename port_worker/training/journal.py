"""What a training says in its log, a line for each phase and each epoch. Standard library only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from port_worker.training.messages import Done, Failed, Job
from port_worker.training.progress import Progress


def to_stderr(line: str) -> None:
    """The trainer's stderr is its log."""
    sys.stderr.write(line)
    sys.stderr.flush()


class Journal:
    """Hears of every progress, however often, and of the end.

    Args:
        write: takes a line, its newline included.
        clock: Unix seconds.
    """

    def __init__(self, write: Callable[[str], None] = to_stderr, clock: Callable[[], float] = time.time) -> None:
        self._write = write
        self._clock = clock
        self._last: Progress | None = None

    def begin(self, job: Job) -> None:
        """What is to be trained, from what."""
        budget = "" if job.budget_s is None else f", within {job.budget_s:g} s"
        self._say(f"training {job.plan.name} ({job.mode}) from {job.source.shown_location}{budget}")

    def hear(self, progress: Progress) -> None:
        """One more; says what has come to an end by it, or has begun."""
        before, self._last = self._last, progress
        if before is not None and (progress.phase, progress.epoch) == (before.phase, before.epoch):
            return
        if before is not None and before.epoch is not None:
            so_far = progress if progress.phase == before.phase else before
            self._say(f"{before.phase}: epoch {_ended(before)}; {_left(so_far)}")
        if before is None or progress.phase != before.phase:
            self._say(f"{progress.phase}: begins{_figures(progress)}; {_left(progress)}")

    def end(self, outcome: Done | Failed) -> None:
        """What became of it."""
        if isinstance(outcome, Failed):
            self._say(f"failed, {outcome.code}: {outcome.message}")
            return
        answers = "is to answer" if outcome.activate else "is only stored"
        self._say(f"done after {outcome.duration_ms / 1000:.1f} s: {outcome.version} {answers}: {outcome.reason}")

    def _say(self, text: str) -> None:
        self._write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self._clock()))} {text}\n")


def _ended(progress: Progress) -> str:
    of = "" if progress.epochs is None else f" of {progress.epochs}"
    return f"{progress.epoch}{of}{_figures(progress)}"


def _figures(progress: Progress) -> str:
    rows = "" if not progress.rows else f", {progress.rows:,} rows"
    loss = "" if progress.loss is None else f", loss {progress.loss:.4g}"
    return rows + loss + ("" if progress.ndcg is None else f", ndcg {progress.ndcg:.4f}")


def _left(progress: Progress) -> str:
    left = "" if progress.seconds_left is None else f", about {progress.seconds_left:.0f} s left"
    return f"{progress.share:.0%} done{left}"
