"""The course of a training: read, hold out, fit, evaluate, fit what was good enough once more, publish."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from port_worker.evaluation.comparing import FACT, Evaluation, Held, evaluate
from port_worker.evaluation.gate import Verdict, judge, not_judged
from port_worker.evaluation.opened import opened
from port_worker.serving.opening import ServedModel
from port_worker.sources.registry import open_source
from port_worker.store.errors import StoreError
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore, Staging
from port_worker.training import dataset, fit, two_stage
from port_worker.training.budget import Budget, shortened
from port_worker.training.dataset import TrainingData
from port_worker.training.exported import Exported
from port_worker.training.history import DAYS, LOSSES, by_day, losses
from port_worker.training.holdout import Holdout, leave_last_out
from port_worker.training.messages import Done, Job
from port_worker.training.plan import Plan
from port_worker.training.progress import FITTED_ONCE, FITTED_TWICE, Reporter
from port_worker.training.start import Start, read_start

if TYPE_CHECKING:
    from port_worker.store.manifest import Json

FINAL_FIT = "final_fit"
"""The fact whether a version has also learnt what was held out."""

EPOCHS = "epochs"
"""The fact how many epochs each algorithm ran; fewer than `n_epochs` where the training's time was limited."""

MODE = "mode"
STARTED_FROM = "started_from"
"""The facts of how a version was trained, and from which one; None from nothing."""

_RANKED_PAIRS = 100_000_000
"""Users times items that a network, which takes a microsecond for each, is asked about at most."""
_LEAST_RANKED = 500


@dataclass(frozen=True, eq=False)
class _Proved:
    """A model of what was not held out, its figures, and whether they are enough."""

    exported: Exported
    verdict: Verdict
    evaluation: Evaluation | None


class Course:
    """One training."""

    def __init__(self, job: Job, reporter: Reporter) -> None:
        self._job = job
        self._reporter = reporter
        self._store = ModelStore(Path(job.store))
        self._source = open_source(job.source)
        self._facts: dict[str, Json] = {}
        self._start: Start | None = None

    def run(self) -> Done:
        """Everything from the source to the published version. Raises what the rooms raise."""
        started = time.monotonic()
        self._reporter.budget = Budget(self._job.budget_s)
        self._start = read_start(self._store, self._job.plan, self._job.mode)
        data = self._extracted()
        if self._start is not None:
            self._start.check(data)
        plan = two_stage.fitting(self._job.plan, len(data.item_ids), len(data.user_ids))
        held = self._held_out(data, plan)
        self._reporter.report("prepare", 0.0, rows=data.rows)
        fit.load_libraries()
        proved = self._proved(plan, data, held)
        wanted = self._job.activate != "never" and (proved.verdict.passed or self._job.activate == "force")
        again = held is not None and self._job.gate.final_fit and (proved.verdict.passed or wanted)
        exported = self._fitted_again(plan, data) if again else proved.exported
        self._facts |= _facts(proved, held is None or again) | self._origin()
        self._facts |= {LOSSES: losses(self._reporter.losses), EPOCHS: cast("Json", self._epochs(plan))}
        manifest = self._published(plan, data, exported)
        self._reporter.report("export", 1.0)
        return Done(
            version=manifest.version,
            algorithm=plan.name,
            rows=data.rows,
            users=manifest.users,
            items=manifest.items,
            duration_ms=round((time.monotonic() - started) * 1000),
            mode=self._job.mode,
            activate=wanted,
            reason=_reason(self._job.activate, proved.verdict) + self._shortened(plan),
            evaluation=None if proved.evaluation is None else proved.evaluation.to_json(),
            skipped=data.skipped,
        )

    def _extracted(self) -> TrainingData:
        self._reporter.report("extract", 0.0, rows=0)
        rows = self._source.interactions(lambda rows: self._reporter.report("extract", 0.0, rows=rows))
        self._facts[DAYS] = by_day(rows.times)
        if rows.skipped:
            sys.stderr.write(f"{self._source.spec}: {rows.skipped} malformed row(s) skipped, {len(rows)} read\n")
        return dataset.described(dataset.prepare(rows), self._source)

    def _held_out(self, data: TrainingData, plan: Plan) -> Holdout | None:
        """None where there are too few users to tell anything by."""
        gate = self._job.gate
        most = min(gate.most_users, _most_ranked(plan, len(data.item_ids)))
        held = leave_last_out(data, most, _seed(plan), None if self._start is None else self._start.learnt_until)
        if len(held.users) < gate.minimum_users:
            return None
        self._reporter.spans = FITTED_TWICE if gate.final_fit else FITTED_ONCE
        self._reporter.budget.fits_to_come = 2 if gate.final_fit else 1
        return held

    def _proved(self, plan: Plan, data: TrainingData, held: Holdout | None) -> _Proved:
        policy = self._job.gate
        if held is None:
            return _Proved(self._trained(plan, data), not_judged(policy), None)
        # What was held out was met all the same: it is not to be recommended.
        exported = self._trained(plan, held.train)
        self._reporter.report("evaluate", 0.0)
        evaluation = self._evaluated(plan, held, exported)
        self._reporter.ndcg = evaluation.candidate.ndcg
        self._reporter.report("evaluate", 1.0)
        verdict = judge(policy, evaluation.lead, evaluation.beside)
        return _Proved(two_stage.with_catalogue(exported, data), verdict, evaluation)

    def _trained(self, plan: Plan, data: TrainingData) -> Exported:
        exported = two_stage.trained(plan, data, self._reporter, self._job.index, self._start)
        return exported if self._job.keep_variables else two_stage.without_variables(exported)

    def _fitted_again(self, plan: Plan, data: TrainingData) -> Exported:
        self._reporter.fits = "final_fit"
        self._reporter.budget.repeat()
        return self._trained(plan, data)

    def _epochs(self, plan: Plan) -> dict[str, int]:
        """How many epochs ran, of each of the plan's algorithms that has epochs."""
        return dict(zip(plan.name.split("+"), self._reporter.budget.ran, strict=False))

    def _shortened(self, plan: Plan) -> str:
        if self._job.budget_s is None:
            return ""
        wanted = {plan.algorithm: plan.params, plan.retriever: plan.retriever_params}
        ran = self._epochs(plan)
        return shortened(self._job.budget_s, ran, {name: wanted[name].get("n_epochs") for name in ran})

    def _evaluated(self, plan: Plan, held: Holdout, exported: Exported) -> Evaluation:
        with self._store.stage() as staging:
            scratch = ModelStore(staging.path)
            with scratch.stage() as place:
                version = self._publish(place, plan, held.train, exported).version
            candidate = opened(scratch, version)
            return evaluate(candidate, Held(held.users, held.items, held.times), self._active(), self._job.gate)

    def _active(self) -> ServedModel | None:
        try:
            version = self._store.active()
            return None if version is None else opened(self._store, version)
        except StoreError as error:
            sys.stderr.write(f"not compared with the active model: {error}\n")
            return None

    def _origin(self) -> dict[str, Json]:
        return {MODE: self._job.mode, STARTED_FROM: None if self._start is None else self._start.version}

    def _published(self, plan: Plan, data: TrainingData, exported: Exported) -> Manifest:
        self._reporter.report("export", 0.0)
        with self._store.stage() as staging:
            return self._publish(staging, plan, data, replace(exported, facts=exported.facts | self._facts))

    def _publish(self, staging: Staging, plan: Plan, data: TrainingData, exported: Exported) -> Manifest:
        exported.write(staging.path)
        return staging.publish(
            algorithm=plan.name,
            kind=exported.kind,
            params=cast("dict[str, Json]", plan.all_params),  # every Value is a Json, but dict is invariant
            users=len(data.user_ids),
            items=len(data.item_ids),
            rows=data.rows,
            source=self._source.spec,
            libraries=fit.library_versions(),
            facts=exported.facts,
        )


def _facts(proved: _Proved, final_fit: bool) -> dict[str, Json]:
    facts: dict[str, Json] = {FINAL_FIT: final_fit, "verdict": proved.verdict.reason}
    return facts if proved.evaluation is None else facts | {FACT: proved.evaluation.to_json()}


def _reason(activate: str, verdict: Verdict) -> str:
    """Why the model is to answer, or why not."""
    if activate == "gated":
        return verdict.reason
    return f"{'activated in any case' if activate == 'force' else 'only stored, as asked'}; {verdict.reason}"


def _most_ranked(plan: Plan, items: int) -> int:
    """Users whose rankings are worth their time."""
    from port_worker.training.catalogue import ALGORITHMS

    is_slow = ALGORITHMS[plan.algorithm].kind == "network" and plan.retriever is None
    return max(_LEAST_RANKED, _RANKED_PAIRS // items) if is_slow else sys.maxsize


def _seed(plan: Plan) -> int:
    seed = plan.params["seed"]
    assert isinstance(seed, int)
    return seed
