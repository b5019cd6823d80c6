"""Whom the load asks about."""

from __future__ import annotations

from itertools import islice
from typing import Any

from port_worker.bench.workload import recommendations


def _first(count: int, *, cold: float, seed: int = 7) -> list[dict[str, Any]]:
    return list(islice(recommendations(["ada", "bob", 3], n=5, cold=cold, seed=seed), count))


def test_the_same_seed_asks_the_same() -> None:
    assert _first(50, cold=0.5) == _first(50, cold=0.5)
    assert _first(50, cold=0.5) != _first(50, cold=0.5, seed=8)


def test_known_users_all_come() -> None:
    asked = _first(100, cold=0.0)
    assert {call["user"] for call in asked} == {"ada", "bob", 3}
    assert {call["n"] for call in asked} == {5}


def test_strangers_have_their_share_and_are_all_different() -> None:
    strangers = [call["user"] for call in _first(1000, cold=0.25) if call["user"] not in ("ada", "bob", 3)]
    assert 200 < len(strangers) < 300
    assert len(set(strangers)) == len(strangers)
