"""Which answers are right: the best items by the vectors, up to ties."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from port_worker.bench.peers.truth import Truth
from port_worker.bench.serving.peers import N
from port_worker.bench.serving.world import World
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from tests.bench.peers_stand_ins import small_world

USER = 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small_world(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def scores(world: World) -> list[float]:
    vectors = EmbeddingArrays.open(world.folder)
    found: list[float] = (vectors.item_vectors @ vectors.user_vectors[USER]).tolist()
    return found


@pytest.fixture(scope="module")
def met(world: World) -> set[int]:
    catalogue = CatalogueArrays.open(world.folder)
    ends = catalogue.consumed_indptr
    return set(catalogue.consumed_items[ends[USER] : ends[USER + 1]].tolist())


@pytest.fixture(scope="module")
def best(scores: list[float], met: set[int]) -> list[int]:
    """All that the user has not met, best first."""
    return sorted(set(range(len(scores))) - met, key=lambda row: -scores[row])


def right(world: World, items: Sequence[int], *, leaves_out_met: bool = True) -> bool:
    return Truth(world.folder).share_right([USER], [items], leaves_out_met=leaves_out_met) == 1.0


def test_the_best_are_right_in_any_order(world: World, best: list[int]) -> None:
    assert right(world, best[:N])
    assert right(world, best[:N][::-1])


def test_another_item_is_wrong(world: World, best: list[int]) -> None:
    assert not right(world, [*best[: N - 1], best[N]])


def test_fewer_items_and_the_same_item_twice_are_wrong(world: World, best: list[int]) -> None:
    assert not right(world, best[: N - 1])
    assert not right(world, [*best[: N - 1], best[0]])


def test_what_the_user_has_met_is_right_only_where_it_is_not_left_out(
    world: World, scores: list[float], met: set[int], best: list[int]
) -> None:
    one_met = [next(iter(met)), *best[: N - 1]]
    assert not right(world, one_met)
    all_items = sorted(range(len(scores)), key=lambda row: -scores[row])
    assert right(world, all_items[:N], leaves_out_met=False)
    assert not right(world, [*all_items[: N - 1], all_items[N]], leaves_out_met=False)


def test_a_tie_is_right_either_way(tmp_path_factory: pytest.TempPathFactory, best: list[int]) -> None:
    world = small_world(tmp_path_factory.mktemp("home"))
    path = world.folder / "item_vectors.npy"
    vectors = np.load(path)
    vectors[best[N]] = vectors[best[N - 1]] * np.float32(1 - 1e-6)
    np.save(path, vectors)
    assert right(world, [*best[: N - 1], best[N]])


def test_the_share_is_of_users(world: World, best: list[int]) -> None:
    answers = [best[:N], best[: N - 1]]
    assert Truth(world.folder).share_right([USER, USER], answers, leaves_out_met=True) == 0.5
