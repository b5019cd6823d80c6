"""What is held out, and what stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from port_worker.training.dataset import TrainingData
from port_worker.training.holdout import leave_last_out


@st.composite
def training_data(draw: st.DrawFn) -> TrainingData:
    """Pairs in order of time, each user and item with a positive one."""
    size = draw(st.integers(2, 5))
    cells = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    pairs = draw(st.lists(cells, unique=True, max_size=20))
    pairs += [(each, each) for each in range(size) if (each, each) not in pairs]
    weights = [draw(st.sampled_from([1.0, 2.0, -1.0])) if user != item else 1.0 for user, item in pairs]
    ids = np.arange(size) * 10
    users, items = np.array(pairs).T
    times = np.arange(len(pairs)) * 5
    return TrainingData(ids, ids, users, items, np.array(weights, dtype=np.float32), times, len(pairs))


@given(training_data(), st.integers(1, 6))
def test_each_keeps_a_positive_pair_and_the_last_one_goes(data: TrainingData, most: int) -> None:
    held = leave_last_out(data, most, seed=3)
    train, positive = held.train, held.train.positive
    assert np.unique(train.users[positive]).tolist() == np.unique(data.users[data.positive]).tolist()
    assert np.unique(train.items[positive]).tolist() == np.unique(data.items[data.positive]).tolist()
    assert len(held.users) == len(set(held.users.tolist())) <= most
    assert len(train.users) + len(held.users) == len(data.users)
    for user, item, time in zip(held.users.tolist(), held.items.tolist(), held.times.tolist(), strict=True):
        liked = data.items[(data.users == user) & data.positive]
        assert item == liked[-1]
        assert time == data.times[(data.users == user) & (data.items == item)][0]
        assert item not in train.items[train.users == user]


def test_of_an_item_that_all_would_lose_the_first_pair_stays() -> None:
    ids = np.arange(3)
    users, items = np.array([0, 1, 2, 0, 1]), np.array([0, 1, 0, 2, 2])
    data = TrainingData(ids, ids, users, items, np.ones(5, dtype=np.float32), np.arange(5), 5)
    held = leave_last_out(data, 10, seed=0)
    assert [held.users.tolist(), held.items.tolist()] == [[1], [2]]


def test_users_are_drawn_by_the_seed() -> None:
    random = np.random.default_rng(1)
    users, items = np.divmod(np.sort(random.choice(100 * 30, 1000, replace=False)), 30)
    order = random.permutation(1000)
    data = TrainingData(
        np.arange(100), np.arange(30), users[order], items[order], np.ones(1000, np.float32), np.arange(1000), 1000
    )
    first, again, other = (leave_last_out(data, 20, seed).users.tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 20
