"""A small world with a structure, LibRecommender in this process, and the rule for tests that need torch."""

from __future__ import annotations

import os

import numpy as np
import pytest

from port_worker.sources.columns import IdColumn, Interactions
from port_worker.training import catalogue, dataset, fit
from port_worker.training.dataset import TrainingData

N_USERS, N_ITEMS, N_ROWS = 230, 90, 5000
_DAY = 86_400


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what needs torch where it is not installed; where nothing may be left out, fail."""
    if item.get_closest_marker("graph") is None or catalogue.torch_installed():
        return
    reason = "the extra `graph` (torch) is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def make_interactions(seed: int = 5) -> Interactions:
    """Users of three tastes and items of three kinds; ids of users are text, ids of items are integers."""
    rng = np.random.default_rng(seed)
    users = np.concatenate([np.arange(N_USERS), rng.integers(0, N_USERS, N_ROWS - N_USERS)])
    by_taste = 3 * rng.integers(0, N_ITEMS // 3, N_ROWS) + users % 3
    items = np.where(rng.random(N_ROWS) < 0.8, by_taste, rng.integers(0, N_ITEMS, N_ROWS))
    return Interactions(
        users=IdColumn.of(np.array([f"user-{(user * 7919) % 1009:04}".encode() for user in users])),
        items=IdColumn.of((1000 - 7 * items).astype(np.int64)),
        weights=rng.choice([1.0, 3.0], N_ROWS).astype(np.float32),
        times=rng.integers(0, 300 * _DAY, N_ROWS),
    )


@pytest.fixture(scope="session")
def interactions() -> Interactions:
    return make_interactions()


@pytest.fixture(scope="session")
def data(interactions: Interactions) -> TrainingData:
    return dataset.prepare(interactions)


@pytest.fixture(scope="session")
def _libraries() -> None:
    fit.load_libraries()
