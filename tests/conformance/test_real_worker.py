"""This project's worker keeps the rules that it wrote."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from port_worker.conformance.clauses import CLAUSES
from port_worker.conformance.process import WorkerProcess
from port_worker.conformance.runner import run
from port_worker.conformance.verdicts import PASS
from port_worker.conformance.world import Options
from port_worker.host import worker_command

NEED_A_MODEL = {
    *("terms.string", "terms.map-order", "arguments.n-largest"),
    *("ops.recommend-order", "ops.recommend-n", "ops.recommend-exclude", "ops.recommend-unknown"),
    *("ops.recommend-columns", "ops.recommend-exclude-column"),
    *("hello.model-kind", "ops.recommend-scored", "ops.recommend-kinds", "ops.unsupported-option"),
    *("ops.recommend-many", "ops.recommend-many-rest", "ops.recommend-many-too-large"),
    *("ops.similar", "ops.unknown-item", "ops.score", "ops.explain"),
}

WRITING = {
    *("ops.feedback", "ops.feedback-consumed", "ops.feedback-fold-in", "ops.hide-items", "ops.show-items"),
    *("ops.activate", "ops.rollback"),
}

TRAINING = {"order.id-in-use", *(clause.name for clause in CLAUSES if clause.name.startswith("retrain."))}


def not_passed(home: Path, *, permitted: bool) -> dict[str, str]:
    """The clauses that did not pass, each with its outcome and why."""
    options = Options(timeout=60.0, hello_timeout=60.0, retrain=permitted, write=permitted)
    verdicts = run(partial(WorkerProcess.start, worker_command(home)), CLAUSES, options, lambda _done, _clause: None)
    return {each.clause.name: f"{each.outcome}: {each.why}" for each in verdicts if each.outcome != PASS}


def test_with_a_model_every_clause_passes(home: Path) -> None:
    assert not_passed(home, permitted=True) == {}


def test_without_a_model_all_pass_that_need_none(untrained_home: Path) -> None:
    skipped = not_passed(untrained_home, permitted=False)
    assert skipped.keys() == NEED_A_MODEL | TRAINING | WRITING
    assert all(why.startswith("skipped: ") for why in skipped.values()), skipped
