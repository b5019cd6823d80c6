"""Percentiles by nearest rank."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.bench.latency import Latencies, latencies, percentile


def test_a_thousand_values_in_any_order() -> None:
    values = np.random.default_rng(7).permutation(np.arange(1.0, 1001.0))
    assert latencies(values) == Latencies(p50=500.0, p90=900.0, p99=990.0, p999=999.0, max=1000.0)


def test_one_value_is_every_percentile() -> None:
    assert latencies(np.array([3.0])) == Latencies(3.0, 3.0, 3.0, 3.0, 3.0)


def test_of_nothing_there_is_none() -> None:
    assert latencies(np.array([], dtype=np.float64)) is None


@pytest.mark.parametrize(("q", "expected"), [(0.1, 1.0), (25.0, 1.0), (25.1, 2.0), (50.0, 2.0), (100.0, 4.0)])
def test_the_rank_is_rounded_up(q: float, expected: float) -> None:
    assert percentile(np.array([1.0, 2.0, 3.0, 4.0]), q) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100.0))
def test_at_least_that_share_is_not_above_it(values: list[float], q: float) -> None:
    found = percentile(np.sort(np.array(values)), q)
    assert found in values
    assert sum(value <= found for value in values) >= q / 100 * len(values) - 1e-6
