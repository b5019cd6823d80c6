"""When a trained model is good enough to answer. Standard library only: the worker imports it."""

from __future__ import annotations

from dataclasses import dataclass

CUTOFF = 10
"""Items of a ranking that count: about as many as are looked at."""


@dataclass(frozen=True)
class GatePolicy:
    """What is asked of a model before it answers.

    tolerance: by what share its NDCG may be below the active model's. 0.05 is what another seed makes of it.
    minimum_users: with fewer users nothing can be told, and a model is good enough.
    most_users: of whom an item is held out; more would cost time and tell little more.
    final_fit: whether a model that was good enough is fitted once more, with what was held out.
    """

    tolerance: float = 0.05
    minimum_users: int = 100
    most_users: int = 10_000
    final_fit: bool = True
