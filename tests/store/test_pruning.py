"""What goes when a store keeps the newest versions, and what stays whatever its age."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.errors import UnknownVersion
from port_worker.store.manifest import Manifest
from port_worker.store.models import ModelStore

Publish = Callable[[ModelStore], Manifest]


@pytest.fixture
def aging(tmp_path: Path) -> ModelStore:
    """Each version a second younger than the one before."""
    seconds = count(1_700_000_000)
    return ModelStore(tmp_path / "models", clock=lambda: next(seconds))


@pytest.fixture
def versions(aging: ModelStore, publish: Publish) -> list[str]:
    """Six, oldest first; the second is active and the first was before it."""
    made = [publish(aging).version for _ in range(6)]
    aging.activate(made[0])
    aging.activate(made[1])
    return made


def stored(store: ModelStore) -> list[str]:
    return sorted(each.version for each in store.versions())


def test_the_newest_stay_and_the_active_and_the_one_before(aging: ModelStore, versions: list[str]) -> None:
    assert aging.prune(2) == [versions[3], versions[2]]
    assert stored(aging) == [versions[place] for place in (0, 1, 4, 5)]
    assert aging.prune(2) == []
    assert aging.roll_back() == versions[0]
    assert {path.name for path in aging.root.iterdir()} == {*stored(aging), "ACTIVE", "HISTORY"}


def test_a_store_without_an_active_version_keeps_the_newest(aging: ModelStore, publish: Publish) -> None:
    assert aging.prune(1) == []
    made = [publish(aging).version for _ in range(3)]
    assert aging.prune(1) == [made[1], made[0]]


def test_damaged_versions_take_no_place_of_an_intact_one(aging: ModelStore, versions: list[str]) -> None:
    for version in versions[4:]:
        (aging.folder(version) / "item_ids.npy").unlink()
    aging.prune(1)
    assert stored(aging) == [versions[place] for place in (0, 1, 3, 4, 5)]


def test_what_is_loaded_stays_until_it_is_released(aging: ModelStore, versions: list[str]) -> None:
    held = ModelStore(aging.root).hold(versions[2])
    assert aging.prune(1) == [versions[4], versions[3]]
    held.release()
    assert aging.prune(1) == [versions[2]]
    with pytest.raises(UnknownVersion):
        aging.hold(versions[2])


def test_mapped_files_outlive_their_names(aging: ModelStore, versions: list[str]) -> None:
    arrays = EmbeddingArrays.open(aging.folder(versions[2]))
    before = np.array(arrays.item_vectors)
    assert versions[2] in aging.prune(1)
    assert np.array_equal(arrays.item_vectors, before)


def test_removing_is_sliced_and_out_of_sight_from_the_first_slice(aging: ModelStore, versions: list[str]) -> None:
    files = len(list(aging.folder(versions[2]).iterdir()))
    steps = aging.pruning(3)
    assert [next(steps) for _ in range(3)] == [None] * 3  # a look at each of those that stay
    assert len(stored(aging)) == 6
    assert next(steps) == versions[2]
    assert versions[2] not in stored(aging)
    assert list(steps) == [versions[2]] * files
    assert not list(aging.root.glob(".staging-*"))


def test_giving_up_half_way_leaves_nothing(aging: ModelStore, versions: list[str]) -> None:
    steps = aging.pruning(3)
    while next(steps) is None:
        pass
    steps.close()
    assert not list(aging.root.glob(".staging-*"))
    assert len(stored(aging)) == 5


def test_what_becomes_active_while_it_looks_stays(aging: ModelStore, versions: list[str]) -> None:
    steps = aging.pruning(3)
    next(steps)
    aging.activate(versions[2])
    assert set(steps) == {None}
    assert len(stored(aging)) == 6
