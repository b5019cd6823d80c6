"""How far a training is: one share from 0 to 1 over all its phases. Standard library only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from port_worker.training.budget import Budget

Phase: TypeAlias = Literal["extract", "prepare", "fit", "evaluate", "final_fit", "export"]
Spans: TypeAlias = Mapping[Phase, tuple[float, float]]

FITTED_ONCE: Spans = {
    "extract": (0.0, 0.05),
    "prepare": (0.05, 0.15),
    "fit": (0.15, 0.92),
    "evaluate": (0.92, 0.97),
    "final_fit": (0.97, 0.97),
    "export": (0.97, 1.0),
}
"""Where each phase begins and ends. Importing TensorFlow takes most of `prepare`."""

FITTED_TWICE: Spans = {**FITTED_ONCE, "fit": (0.15, 0.53), "evaluate": (0.53, 0.58), "final_fit": (0.58, 0.97)}
"""The same where a model that has proved itself is fitted once more."""

_LEAST_SHARE = 0.02
"""Before that much is done, how long the rest takes would be a guess."""

INTERVAL_S = 0.2
"""No more than one report in this time, but for the first of a phase and the last of all."""


@dataclass(frozen=True)
class Progress:
    """`share` of the whole training, 0 to 1, never falling; None for what does not apply or is not known (yet).

    `epoch` is the one that is running, from 1; `loss` the mean of the epoch so far; `rows` those read from the source;
    `ndcg` the model's, once it is evaluated; `seconds_left` as if the rest went at the pace of what is done.
    """

    phase: Phase
    share: float
    epoch: int | None = None
    epochs: int | None = None
    loss: float | None = None
    rows: int | None = None
    ndcg: float | None = None
    seconds_left: float | None = None


class Reports(Protocol):
    """What a training tells of its progress."""

    def report(
        self,
        phase: Phase,
        done: float,
        *,
        epoch: int | None = None,
        epochs: int | None = None,
        loss: float | None = None,
        rows: int | None = None,
    ) -> None:
        """`done` is the share of this phase, 0 to 1."""
        ...

    def may_begin(self, epochs_done: int) -> bool:
        """Whether another epoch of the model that is being fitted may begin."""
        ...


class StageReporter:
    """The reports of one of several models that are fitted in turn: each phase of it is a part of the whole's."""

    def __init__(self, reporter: Reporter, stage: int, stages: int) -> None:
        self._reporter = reporter
        self._stage = stage
        self._stages = stages

    def report(
        self,
        phase: Phase,
        done: float,
        *,
        epoch: int | None = None,
        epochs: int | None = None,
        loss: float | None = None,
        rows: int | None = None,
    ) -> None:
        """As `Reports.report`. The phases after `fit` are told of the last model alone."""
        if phase == "fit" or self._stage == self._stages - 1:
            share = (self._stage + done) / self._stages if phase == "fit" else done
            self._reporter.report(phase, share, epoch=epoch, epochs=epochs, loss=loss, rows=rows)

    def may_begin(self, epochs_done: int) -> bool:
        """As `Reports.may_begin`: each stage has its part of the time that is left."""
        return self._reporter.budget.may_begin(epochs_done, 1 / (self._stages - self._stage))


class Reporter:
    """Passes progress on to `send`, not too often, and all of it to `journal`.

    Any thread may report: gensim reads its corpus on one of its own.

    Attributes:
        spans: where each phase begins and ends.
        fits: the phase that `fit` stands for: a model that is fitted once more does not know that it is.
        ndcg: of the model, once it is evaluated.
        losses: of each epoch of the model that was fitted last in a phase, the last that was heard of it.
        budget: which epochs may begin.
    """

    def __init__(
        self,
        send: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
        journal: Callable[[Progress], None] | None = None,
    ) -> None:
        self.spans = FITTED_ONCE
        self.fits: Phase = "fit"
        self.ndcg: float | None = None
        self.losses: dict[Phase, dict[int, float]] = {}
        self.budget = Budget()
        self._send = send
        self._journal = journal
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._phase: Phase | None = None
        self._share = 0.0
        self._due = 0.0

    def report(
        self,
        phase: Phase,
        done: float,
        *,
        epoch: int | None = None,
        epochs: int | None = None,
        loss: float | None = None,
        rows: int | None = None,
    ) -> None:
        """`done` is the share of this phase, 0 to 1."""
        phase = self.fits if phase == "fit" else phase
        start, end = self.spans[phase]
        with self._lock:
            self._remember(phase, epoch, loss)
            # The share never falls, not even when a loop runs once more than its model says.
            self._share = max(self._share, start + (end - start) * min(done, 1.0))
            now = self._clock()
            is_due = now >= self._due or phase != self._phase or self._share >= 1.0
            if not is_due and self._journal is None:
                return
            progress = Progress(phase, self._share, epoch, epochs, loss, rows, self.ndcg, self._seconds_left(now))
            if self._journal is not None:
                self._journal(progress)
            if is_due:
                self._due, self._phase = now + INTERVAL_S, phase
                self._send(progress)

    def _remember(self, phase: Phase, epoch: int | None, loss: float | None) -> None:
        if epoch is None:  # a model begins
            self.losses[phase] = {}
        elif loss is not None:
            self.losses.setdefault(phase, {})[epoch] = loss

    def may_begin(self, epochs_done: int) -> bool:
        """As `Reports.may_begin`."""
        return self.budget.may_begin(epochs_done)

    def _seconds_left(self, now: float) -> float | None:
        if self._share < _LEAST_SHARE:
            return None
        return round((now - self._began) * (1.0 - self._share) / self._share, 1)
