"""Whether a model may answer, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from port_worker.evaluation.metrics import Metrics
from port_worker.evaluation.policy import CUTOFF, GatePolicy

Basis: TypeAlias = Literal["holdout", "newer", "recorded"]


@dataclass(frozen=True)
class Comparison:
    """A model beside the active one: `candidate` and `active` are NDCG of the same `users`, or as `basis` says.

    basis: `holdout`, all users whose item was held out; `newer`, those of them whose item is newer than what the active
    model has learnt; `recorded`, what was measured of the active model when it was trained.
    """

    basis: Basis
    users: int
    candidate: float
    active: float


@dataclass(frozen=True)
class Verdict:
    """Whether the model is good enough, and a sentence with the figures."""

    passed: bool
    reason: str


def judge(
    policy: GatePolicy, users: int, candidate: Metrics | None, popularity: Metrics | None, beside: Comparison | None
) -> Verdict:
    """The policy on a model. `candidate` and `popularity` are None where too few users were held out; `beside` where
    there is no active model to compare with."""
    if candidate is None or popularity is None:
        return Verdict(True, f"not judged: {users} users have an item to hold out, fewer than {policy.minimum_users}")
    name = f"NDCG@{CUTOFF}"
    against = f"{name} {candidate.ndcg:.4f} beside popularity's {popularity.ndcg:.4f}, of {users} users"
    if candidate.ndcg <= popularity.ndcg:
        return Verdict(False, f"not better than popularity: {against}")
    if beside is None:
        return Verdict(True, f"better than popularity: {against}")
    least = beside.active * (1 - policy.tolerance)
    compared = f"{name} {beside.candidate:.4f} beside the active model's {beside.active:.4f}, of {_whom(beside)}"
    if beside.candidate < least:
        return Verdict(False, f"worse than the active model: {compared}; {least:.4f} would do")
    return Verdict(True, f"{compared}; popularity's is {popularity.ndcg:.4f}")


def _whom(beside: Comparison) -> str:
    return {
        "holdout": f"the same {beside.users} users",
        "newer": f"{beside.users} users with an item newer than what it has learnt",
        "recorded": f"{beside.users} users now and others when it was trained",
    }[beside.basis]
