"""The clauses against a small correct worker, and against one defect for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

import protocol
from port_worker.conformance.clauses import CLAUSES
from port_worker.conformance.runner import run
from port_worker.conformance.verdicts import FAIL, PASS, SKIPPED, Clause, Verdict
from port_worker.conformance.world import Options
from tests.conformance.forked import start
from tests.peers.broken_serving import DEFECTS

OPTIONS = Options(timeout=2.0, hello_timeout=20.0, retrain=True, write=True)
OF_ONE_PAYLOAD = (
    *("terms.refused.", "terms.atom-", "terms.key-", "limits.", "messages.", "arguments.", "ops.", "hello."),
    *("order.term", "order.message", "order.unknown-", "order.missing-"),
)
"""Clauses whose defects are about payloads that no other clause sends, or about one answer."""
OF_ONE_WORKER = (
    *("frames.", "calls.", "retrain.", "drain.", "sigterm."),
    *("order.draining", "order.overloaded", "order.id-in-use"),
)
"""Clauses that start workers of their own, which takes most of the time."""
LATER_OPS = ("recommend_many", "similar", "score", "explain", "feedback", "hide_items", "show_items", "activate")
OF_LATER_OPS = (
    *("ops.recommend-scored", "ops.recommend-kinds", "ops.unsupported-option", "ops.recommend-many", "ops.similar"),
    *("ops.unknown-item", "ops.score", "ops.explain", "ops.feedback", "ops.hide-items", "ops.show-items"),
    *("ops.activate", "ops.rollback"),
)
OF_ALL = ("messages.shapes", "hello.first", "hello.early")
"""Clauses whose defects may show anywhere, whatever they are called."""


def judged(name: str, clauses: Sequence[Clause] = CLAUSES) -> list[Verdict]:
    return run(partial(start, name), clauses, OPTIONS, lambda _done, _clause: None)


def clauses_against(clause: str) -> list[Clause]:
    """What a defect of a clause is judged by: all, or where that cannot matter all that are fast."""
    fast = clause.startswith(OF_ONE_PAYLOAD) and clause not in OF_ALL
    return [each for each in CLAUSES if not (fast and each.name.startswith(OF_ONE_WORKER))]


def test_a_correct_worker_passes_every_clause() -> None:
    assert [(each.clause.name, each.why) for each in judged("") if each.outcome != PASS] == []


@pytest.mark.parametrize("what", DEFECTS)
def test_a_defect_fails_its_clause_and_no_other(what: str) -> None:
    clause = DEFECTS[what][0]
    failed = {each.clause.name: each.why for each in judged(what, clauses_against(clause)) if each.outcome == FAIL}
    assert list(failed) == [clause], failed


def test_every_clause_has_a_defect() -> None:
    assert {clause for clause, _kind in DEFECTS.values()} == {clause.name for clause in CLAUSES}


def test_a_worker_without_a_model_is_judged_on_the_rest() -> None:
    verdicts = judged("no-model")
    assert [(each.clause.name, each.why) for each in verdicts if each.outcome == FAIL] == []
    assert {each.clause.name for each in verdicts if each.outcome == SKIPPED} == {
        *("terms.string", "terms.map-order", "arguments.n-largest"),
        *("ops.recommend-order", "ops.recommend-n", "ops.recommend-exclude", "ops.recommend-unknown"),
        *("ops.recommend-columns", "ops.recommend-exclude-column"),
        *("hello.model-kind", "ops.recommend-scored", "ops.recommend-kinds", "ops.unsupported-option"),
        *("ops.recommend-many", "ops.recommend-many-rest", "ops.recommend-many-too-large"),
        *("ops.similar", "ops.unknown-item", "ops.score"),
        *("ops.explain", "ops.feedback-consumed", "ops.feedback-fold-in", "ops.hide-items", "ops.show-items"),
        *("ops.activate", "ops.rollback"),
    }


def test_a_worker_is_not_judged_on_ops_that_it_does_not_offer() -> None:
    verdicts = judged("older")
    assert [(each.clause.name, each.why) for each in verdicts if each.outcome == FAIL] == []
    assert {each.clause.name for each in verdicts if each.outcome == SKIPPED} == {
        "hello.model-kind",
        *(f"arguments.{name}" for name in ("options", *(op.replace("_", "-") for op in LATER_OPS))),
        *(clause for clause, _kind in DEFECTS.values() if clause.startswith(OF_LATER_OPS)),
    }


def test_nothing_is_fed_or_hidden_unless_it_is_permitted() -> None:
    clauses = [clause for clause in CLAUSES if clause.section in ("`feedback`", "`hide_items`", "`show_items`")]
    verdicts = run(partial(start, ""), clauses, Options(timeout=2.0), lambda _done, _clause: None)
    assert {each.clause.name: each.outcome for each in verdicts} == {
        each.name: PASS if each.name.startswith("arguments.") else SKIPPED for each in clauses
    }


def test_a_clause_that_cannot_be_judged_says_which_one_it_needs() -> None:
    verdicts = {each.clause.name: each for each in judged("takes one frame of each read")}
    assert verdicts["calls.one-end"].outcome == SKIPPED
    assert verdicts["calls.one-end"].why == "needs frames.joined, which did not pass"


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.name)
def test_a_clause_cites_a_section_of_the_spec(clause: Clause) -> None:
    spec = (Path(protocol.__file__).parent / "SPEC.md").read_text(encoding="utf-8")
    headings = {line.lstrip("# ") for line in spec.splitlines() if line.startswith("#")}
    assert clause.section in headings
    assert clause.rule


def test_needs_are_clauses_that_are_judged_before() -> None:
    order = [clause.name for clause in sorted(CLAUSES, key=lambda clause: clause.watched)]
    assert len(set(order)) == len(order)
    for clause in CLAUSES:
        for needed in clause.needs:
            assert order.index(needed) < order.index(clause.name)
