"""Whether a model may answer, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

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


@dataclass(frozen=True)
class Lead:
    """NDCG of a model and of popularity on the same `users`, and the standard error of the difference."""

    users: int
    candidate: float
    popularity: float
    standard_error: float

    @property
    def is_certain(self) -> bool:
        """Whether the model is better, and not by chance: one in forty of those that are not would look so."""
        return self.candidate - self.popularity > _STANDARD_ERRORS * self.standard_error


_STANDARD_ERRORS = 2.0


def judge(policy: GatePolicy, lead: Lead, beside: Comparison | None) -> Verdict:
    """The policy on a model; `beside` is None where there is no active model to compare with."""
    name = f"NDCG@{CUTOFF}"
    popularity = f"popularity's {lead.popularity:.4f}"
    if not lead.is_certain:
        least = f"of {lead.users} users, with a standard error of {lead.standard_error:.4f}"
        return Verdict(
            False, f"not certainly better than popularity: {name} {lead.candidate:.4f} to {popularity} {least}"
        )
    if beside is None:
        return Verdict(True, f"{name} {lead.candidate:.4f} to {popularity}, of {lead.users} users")
    needed = beside.active * (1 - policy.tolerance)
    compared = f"{name} {beside.candidate:.4f} to the active model's {beside.active:.4f}, of {_whom(beside)}"
    if beside.candidate < needed:
        return Verdict(False, f"worse than the active model: {compared}; {needed:.4f} would do")
    return Verdict(True, f"{compared}; and to {popularity}")


def not_judged(policy: GatePolicy) -> Verdict:
    """Where too few users have an item to hold out."""
    return Verdict(True, f"not judged: fewer than {policy.minimum_users} users have an item to hold out")


def _whom(beside: Comparison) -> str:
    return {
        "holdout": f"the same {beside.users} users",
        "newer": f"{beside.users} users with an item newer than what it has learnt",
        "recorded": f"{beside.users} users now and others when it was trained",
    }[beside.basis]
