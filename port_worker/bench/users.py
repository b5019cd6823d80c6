"""Whom the load asks about: known users, some of them far more often than others, and strangers."""

from __future__ import annotations

import random
import uuid
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

Id: TypeAlias = int | str


class Users:
    """Chooses a user for each call.

    Args:
        known: the most active first.
        exponent: the k-th of them is asked about as often as 1/k to the power of this; 0 asks about all alike.
        cold: the share of calls, 0..1, about users that no model knows.
        seed: the same one gives the same users.
    """

    def __init__(self, known: Sequence[Id], *, exponent: float, cold: float, seed: int) -> None:
        self._known = known
        self._choices = random.Random(seed)  # noqa: S311 (a load, not a secret)
        self._cold = cold
        self._weights = list(accumulate((k + 1) ** -exponent for k in range(len(known)))) if exponent else None

    def next(self) -> tuple[Id, bool]:
        """A user, and whether it is a known one."""
        if self._cold and self._choices.random() < self._cold:
            return f"unknown-{uuid.UUID(int=self._choices.getrandbits(128))}", False
        if self._weights is None:
            return self._choices.choice(self._known), True
        drawn = self._choices.random() * self._weights[-1]
        return self._known[min(bisect_left(self._weights, drawn), len(self._known) - 1)], True
