"""The goals of serving, judged from made-up findings, each at its bound and just past it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from port_worker.bench.goals import Goal
from port_worker.bench.serving import approximate, boot, bulk, embedding, networks
from tests.bench import serving_findings as found


def met(goals: Sequence[Goal]) -> list[bool | None]:
    return [goal.met for goal in goals]


def all_sizes(**ratios: float | None) -> dict[str, Any]:
    sizes = [(items, factors) for items in (4_000, 100_000, 1_000_000) for factors in (16, 64)]
    return found.embedding(*(found.world(items, factors, **ratios) for items, factors in sizes))


def test_embedding_goals_are_met_at_their_bounds() -> None:
    assert met(embedding.goals(all_sizes())) == [True] * 11


@pytest.mark.parametrize(
    ("ratio", "breached"),
    [
        ({"worker_over_librecommender": 4.99}, [1, 5]),  # with 64 in flight; alone, 2 are enough
        ({"worker_over_librecommender": 1.99}, [0, 1, 4, 5]),
        ({"arithmetic_to_faiss": 1.31}, [2, 3, 6, 7]),
        ({"worker_to_faiss": 1.31}, [8, 9]),
    ],
)
def test_each_ratio_is_judged_by_its_own_bound(ratio: dict[str, float], breached: list[int]) -> None:
    goals = embedding.goals(all_sizes(**ratio))
    assert [place for place, goal in enumerate(goals) if goal.met is False] == breached


def test_the_rate_is_judged_beside_libserving_s() -> None:
    slow = found.world() | {"calls_per_s": 6499.0}
    [goal] = [goal for goal in embedding.goals(found.embedding(slow)) if "libserving" in goal.text]
    assert (goal.met, goal.observed) == (False, "5.00 times")


def test_a_peer_that_is_not_there_and_a_size_that_is_not_breach_nothing() -> None:
    without = all_sizes(worker_over_librecommender=None, arithmetic_to_faiss=None, worker_to_faiss=None)
    assert met(embedding.goals(without)) == [None] * 10 + [True]
    assert met(embedding.goals(found.embedding(found.world(4_000)))) == [None] * 11


@pytest.mark.parametrize(
    ("recall", "times", "expected"),
    [(0.95, 10.0, [True, True]), (0.949, 10.0, [False, True]), (1.0, 9.9, [True, False])],
)
def test_approximate_ranking_is_judged_alone(recall: float, times: float, expected: list[bool]) -> None:
    assert met(approximate.goals(found.approximate(recall=recall, times=times))) == expected


def test_a_small_catalogue_says_nothing_of_the_goals() -> None:
    assert met(approximate.goals(found.approximate(items=200_000))) == [None, None]
    assert met(networks.goals(found.networks(found.network(items=2_000)))) == [None] * 4
    assert met(boot.goals(found.boot(items=4_000))) == [True, True, True, None]
    assert met(bulk.goals(found.bulk(users=2_000))) == [None]


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (found.network(), [True, True, True, True]),
        (found.network("DeepFM"), [True, True, True]),
        (found.network(full=0.99), [False, True, True, True]),
        (found.network(stages=19.9), [True, False, False, True]),
        (found.network(memory=10**9 + 10**6), [True, True, True, False]),
        (found.network(memory=None), [True, True, True, None]),
    ],
)
def test_each_network_has_its_goals(network: dict[str, Any], expected: list[bool | None]) -> None:
    assert met(networks.goals(found.networks(network))) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [True, True, True, True]),
        ({"ready_s": 0.51}, [False, True, True, True]),
        ({"own_resident": 121e6}, [True, False, True, True]),
        ({"own_resident": None}, [True, None, True, True]),
        ({"first_to_later": 2.01}, [True, True, False, True]),
        ({"own": 401_000_000}, [True, True, True, False]),
        ({"own": None}, [True, True, True, None]),
    ],
)
def test_boot_and_memory_are_judged_each_by_its_own_bound(changed: dict[str, Any], expected: list[bool | None]) -> None:
    assert met(boot.goals(found.boot(**changed))) == expected


@pytest.mark.parametrize(("times", "expected"), [(2.0, True), (2.01, False)])
def test_bulk_is_judged_by_what_interactive_calls_wait(times: float, expected: bool) -> None:
    assert met(bulk.goals(found.bulk(times=times))) == [expected]
