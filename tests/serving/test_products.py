"""The best of each user: in order of score, then of row, whatever the rows and however many the users."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.serving.products import best_of_each

Kept = list[tuple[int, int, float]]

scores = st.sampled_from([0.0, -0.0, 1.5, -1.5, 2.0**-140, -(2.0**-140), 3e38, -3e38, 0.1])
wants = st.lists(st.integers(1, 4), min_size=1, max_size=70)


@st.composite
def lists(draw: st.DrawFn) -> tuple[Kept, list[int]]:
    """Each user's rows, all different, with scores; and how many items each wants."""
    ns = draw(wants)
    last = draw(st.sampled_from([9, 2**26 - 1, 2**26]))
    some = st.tuples(st.integers(0, len(ns) - 1), st.integers(max(0, last - 20), last), scores)
    return draw(st.lists(some, max_size=60, unique_by=lambda one: one[:2])), ns


@given(lists())
def test_the_best_of_each_are_those_of_a_plain_sort(case: tuple[Kept, list[int]]) -> None:
    kept, ns = case
    users, rows = (np.array([one[place] for one in kept], dtype=np.intp) for place in (0, 1))
    found = best_of_each(rows, users, np.array([one[2] for one in kept], dtype=np.float32), ns)
    for user, (ranked, n) in enumerate(zip(found, ns, strict=True)):
        mine = sorted((-np.float32(score), row) for owner, row, score in kept if owner == user)[:n]
        assert ranked.rows.tolist() == [row for _, row in mine]
        assert ranked.scores.tolist() == [-score for score, _ in mine]


@pytest.mark.parametrize("n", [3, 5, 8])
def test_users_who_all_have_enough_share_a_table(n: int) -> None:
    random = np.random.default_rng(3)
    rows = np.concatenate([random.permutation(50)[:8] for _ in range(16)])
    users = np.repeat(np.arange(16), 8)
    values = random.choice([0.25, 0.5, 1.0], len(rows)).astype(np.float32)
    for user, ranked in enumerate(best_of_each(rows, users, values, [n] * 16)):
        mine = sorted(zip(-values[users == user], rows[users == user], strict=True))[:n]
        assert [*zip(-ranked.scores, ranked.rows, strict=True)] == mine
