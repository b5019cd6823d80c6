"""Whom the load asks about: known users of the source, and strangers."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

Id: TypeAlias = int | str


def recommendations(users: Sequence[Id], *, n: int, cold: float, seed: int) -> Iterator[dict[str, Any]]:
    """Arguments of `recommend`, without end; the same seed gives the same ones.

    Args:
        users: known users; each call asks about one of them, all alike likely.
        n: how many items to ask for.
        cold: the share of calls, 0..1, about users that no model knows.
        seed: of the choices.
    """
    choices = random.Random(seed)  # noqa: S311 (a load, not a secret)
    while True:
        stranger = choices.random() < cold
        user = f"unknown-{uuid.UUID(int=choices.getrandbits(128))}" if stranger else choices.choice(users)
        yield {"user": user, "n": n}
