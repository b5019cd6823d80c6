"""One retrain at a time: the trainer's process, its progress, then the swap, in steps that never hold up a call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from port_worker.active_model import ActiveModel
from port_worker.config import Settings
from port_worker.sources.errors import SourceError
from port_worker.store.errors import StoreError
from port_worker.training.errors import TrainingError
from port_worker.training.messages import Done, Job
from port_worker.training.modes import check_mode
from port_worker.training.plan import Plan, make_plan
from port_worker.training.process import TrainerProcess
from port_worker.training.progress import Progress
from protocol.arguments import Retrain
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.messages import atom_keys

_LOOK_SECONDS = 1.0
"""How often to ask after a silent trainer: one that died may have left its pipe open in a child of its own."""

Report = Callable[[dict[Atom, Any]], None]


@dataclass
class _Run:
    """A retrain under way. `swap` is set once the trainer has published a version."""

    process: TrainerProcess
    algorithm: str
    report: Report
    started: float
    latest: dict[Atom, Any]
    done: Done | None = None
    swap: Iterator[None] | None = None
    abandoned: bool = False


class Retraining:
    """At most one retrain. `step` is called when the trainer's descriptor is readable, and while `swapping`."""

    def __init__(self, settings: Settings, model: ActiveModel, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._model = model
        self._clock = clock
        self._run: _Run | None = None
        self._looked_at = clock()

    def start(self, arguments: Retrain, report: Report) -> None:
        """Spawn the trainer. Raises ProtocolError when the arguments or another retrain are in the way."""
        if self._run is not None:
            raise ProtocolError(
                "training_in_progress",
                f"retrain: expected none to run, got one of {self._run.algorithm}",
                {"algorithm": self._run.algorithm},
            )
        try:
            plan = self._plan(arguments)
            check_mode(plan, str(arguments.mode))
            process = TrainerProcess.start(self._job(plan, arguments), self._settings.training_log)
        except (SourceError, TrainingError) as error:
            raise ProtocolError(error.code, str(error), error.details) from error
        self._run = _Run(process, plan.name, report, self._clock(), _facts(Progress(phase="extract", share=0.0)))

    def _job(self, plan: Plan, arguments: Retrain) -> Job:
        settings = self._settings
        return Job(
            source=settings.source if arguments.source is None else settings.source_named(arguments.source),
            store=str(settings.models),
            algorithm=plan.algorithm,
            params=plan.params,
            retriever=plan.retriever,
            retriever_params=plan.retriever_params,
            candidates=plan.candidates,
            index=settings.index,
            mode=str(arguments.mode),
            budget_s=arguments.budget_s,
            activate=str(arguments.activate),
            gate=settings.gate,
            memory_limit=settings.trainer_memory,
            remote=settings.remote,
            keep_variables=settings.keep_variables,
        )

    def _plan(self, arguments: Retrain) -> Plan:
        pair = f"{arguments.retriever}+{arguments.ranker}" if arguments.retriever is not None else None
        algorithm = pair or arguments.algorithm or self._settings.algorithm
        return make_plan(
            algorithm,
            arguments.params,
            arguments.retriever_params,
            arguments.candidates,
            epochs=arguments.epochs,
            seed=arguments.seed,
        )

    @property
    def fd(self) -> int | None:
        """The descriptor to wait on; None while no trainer runs."""
        return self._run.process.fd if self._run and self._run.swap is None else None

    @property
    def swapping(self) -> bool:
        """Whether `step` has work to do at once."""
        return self._run is not None and self._run.swap is not None

    @property
    def look_at(self) -> float:
        """When to call `step` even if nothing was said; infinite while no trainer runs."""
        return float("inf") if self.fd is None else self._looked_at + _LOOK_SECONDS

    @property
    def latest(self) -> dict[Atom, Any] | None:
        """The last progress, None while no retrain runs."""
        return self._run.latest if self._run else None

    def step(self) -> dict[Atom, Any] | None:
        """Go on by one slice. Returns the result of a retrain that just ended. Raises ProtocolError when it failed."""
        run = self._run
        self._looked_at = self._clock()
        if run is None:
            return None
        try:
            if run.swap is not None:
                return self._swap(run)
            self._read(run)
        except ProtocolError:
            self.close()
            raise
        except StoreError as error:
            self.close()
            raise ProtocolError(error.code, str(error), error.details) from error
        except OSError as error:
            self.close()
            raise ProtocolError("training_failed", f"model: expected it to load, got {error}") from error
        return None

    def _read(self, run: _Run) -> None:
        for message in run.process.read():
            if isinstance(message, Progress):
                self._report(run, _facts(message))
            elif run.abandoned:
                self.close()
            elif isinstance(message, Done):
                run.done = message
                run.swap = self._model.swap(message.version) if message.activate else iter(())
                self._report(run, {**run.latest, **atom_keys(phase=Atom("load"), share=1.0)})
            else:
                raise ProtocolError(message.code, message.message, message.details)

    def _report(self, run: _Run, facts: dict[Atom, Any]) -> None:
        run.latest = facts
        if not run.abandoned:
            run.report(run.latest)

    def _swap(self, run: _Run) -> dict[Atom, Any] | None:
        assert run.swap is not None
        assert run.done is not None
        for _slice in run.swap:
            return None
        self.close()
        return _result(run.done, run.algorithm, round((self._clock() - run.started) * 1000))

    def abandon(self) -> None:
        """Kill the trainer and forget its call, without waiting; until it is gone no other retrain may start."""
        run = self._run
        if run is not None and run.swap is not None:
            self.close()
        elif run is not None:
            run.abandoned = True
            run.process.kill()

    def close(self) -> None:
        """End the retrain, if one runs, and wait until the trainer is gone; the active model is untouched."""
        run, self._run = self._run, None
        if run is not None:
            run.process.close()


def _result(done: Done, algorithm: str, duration_ms: int) -> dict[Atom, Any]:
    return atom_keys(
        version=done.version,
        algorithm=algorithm,
        mode=Atom(done.mode),
        rows=done.rows,
        skipped=done.skipped,
        users=done.users,
        items=done.items,
        duration_ms=duration_ms,
        activated=done.activate,
        reason=done.reason,
        evaluation=None if done.evaluation is None else _figures(done.evaluation),
    )


def _figures(evaluation: dict[str, Any]) -> dict[Atom, Any]:
    """An `Evaluation` as the wire has it."""
    basis = evaluation["basis"]
    models = {name: _metrics(evaluation[name]) for name in ("candidate", "popularity", "active")}
    return atom_keys(
        users=evaluation["users"],
        cutoff=evaluation["cutoff"],
        standard_error=evaluation["standard_error"],
        basis=None if basis is None else Atom(basis),
        compared_users=evaluation["compared_users"],
        **models,
    )


def _metrics(found: dict[str, float] | None) -> dict[Atom, Any] | None:
    return None if found is None else atom_keys(**found)


def _facts(progress: Progress) -> dict[Atom, Any]:
    return atom_keys(
        phase=Atom(progress.phase),
        share=float(progress.share),
        epoch=progress.epoch,
        epochs=progress.epochs,
        loss=progress.loss,
        rows=progress.rows,
        ndcg=progress.ndcg,
        seconds_left=progress.seconds_left,
    )
