"""Synthetic models: what the store takes and a worker's own code opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from port_worker.bench.serving.training import meetings
from port_worker.bench.serving.world import Size, met_items, synthesise, uuids
from port_worker.config import settings
from port_worker.serving.opening import open_model
from port_worker.store.models import ModelStore
from tests.models import NothingNew


def test_a_model_is_published_and_active(tmp_path: Path) -> None:
    size = Size(items=300, factors=8, users=40, met=12)
    world = synthesise(tmp_path, size)
    store = ModelStore(settings(tmp_path).models)
    active = store.active()
    assert active is not None
    assert world.folder == store.folder(active)
    catalogue = open_model(store, active, NothingNew()).recommender.catalogue
    assert (len(catalogue.users), len(catalogue.items)) == (40, 300)
    assert [catalogue.users.lookup(one) for one in world.users([0, 39])] == [0, 39]
    assert len(catalogue.consumed(7)[0]) == 12


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    size = Size(items=50, factors=4, users=10, met=3)
    one, same, other = (synthesise(tmp_path / name, size, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert (one.folder / "item_vectors.npy").read_bytes() == (same.folder / "item_vectors.npy").read_bytes()
    assert (one.folder / "item_vectors.npy").read_bytes() != (other.folder / "item_vectors.npy").read_bytes()


@pytest.mark.parametrize("size", [Size(40, 4, users=200, met=30), Size(30, 4, users=200, met=30), Size(5000, 4)])
def test_what_a_user_met_is_in_the_catalogue_and_each_once(size: Size) -> None:
    met = met_items(np.random.default_rng(3), size)
    assert met.shape == (size.users, size.met)
    assert met.min() >= 0
    assert met.max() < size.items
    assert all(len(set(one)) == size.met for one in met.tolist())


def test_ids_are_uuids_in_order() -> None:
    ids = uuids(np.random.default_rng(3), 100)
    assert ids.dtype == "S36"
    assert (ids[:-1] < ids[1:]).all()
    assert [len(part) for part in ids[0].decode().split("-")] == [8, 4, 4, 4, 12]


@pytest.mark.parametrize(("items", "users"), [(1000, 200), (70, 50), (120, 7)])
def test_meetings_cover_the_whole_catalogue(items: int, users: int) -> None:
    data = meetings(items, users)
    assert (len(data.item_ids), len(data.user_ids)) == (items, users)
    assert data.positive.all()
