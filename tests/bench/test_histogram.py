"""Percentiles: exact ones of values, and those that are read from a histogram."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from port_worker.bench.histogram import MOST_US, PERCENTILES, encoded, histogram_of, latency_ms
from port_worker.bench.percentile import counted_percentile, percentile

MICROSECONDS = st.one_of(st.integers(1, 1000), st.integers(1, 100_000), st.integers(1, MOST_US))


def figures(values: list[int]) -> dict[str, float]:
    counts = Counter(values)
    found = latency_ms(histogram_of(counts), counts)
    assert found is not None
    return found


@given(st.lists(MICROSECONDS, min_size=1, max_size=400))
def test_recorded_percentiles_are_within_a_percent_of_those_of_the_samples(values: list[int]) -> None:
    found = figures(values)
    ascending = sorted(values)
    for name, q in PERCENTILES.items():
        exact_us = ascending[max(math.ceil(round(q * len(values) / 100, 9)), 1) - 1]
        assert found[name] * 1000 == pytest.approx(exact_us, rel=0.01), name
    assert round(found["max"] * 1000) == max(values)
    assert found["mean"] * 1000 == pytest.approx(sum(values) / len(values))
    assert found["count"] == len(values)


@given(st.lists(MICROSECONDS, min_size=1, max_size=100))
def test_percentiles_ascend_to_the_maximum(values: list[int]) -> None:
    found = figures(values)
    ladder = [found[name] for name in PERCENTILES]
    assert ladder == sorted(ladder)
    assert ladder[-1] <= found["max"]


@given(st.dictionaries(MICROSECONDS, st.integers(1, 10**6), min_size=1, max_size=50))
def test_a_histogram_comes_back_from_its_text(counts: dict[int, int]) -> None:
    histogram = histogram_of(counts)
    back = HdrHistogram.decode(encoded(histogram))
    assert back.get_total_count() == sum(counts.values())
    for q in (50.0, 99.0, 100.0):
        assert back.get_value_at_percentile(q) == histogram.get_value_at_percentile(q)


def test_what_is_out_of_range_counts_as_its_end() -> None:
    found = figures([0, 2 * MOST_US])
    assert (found["count"], found["max"] * 1000) == (2, MOST_US)


def test_of_nothing_there_is_no_latency() -> None:
    assert latency_ms(histogram_of({}), {}) is None


@pytest.mark.parametrize(("q", "expected"), [(0.1, 1.0), (25.0, 1.0), (25.1, 2.0), (50.0, 2.0), (100.0, 4.0)])
def test_the_rank_is_rounded_up(q: float, expected: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], q) == expected


def test_a_share_of_a_round_number_is_no_rank_more() -> None:
    assert percentile(list(range(1, 1001)), 99.9) == 999


@given(st.lists(st.integers(0, 100), min_size=1), st.floats(0.1, 100.0))
def test_counted_values_have_the_percentiles_of_the_values(values: list[int], q: float) -> None:
    found = counted_percentile(Counter(values), q)
    assert found == percentile(sorted(values), q)
    assert sum(value <= found for value in values) >= q / 100 * len(values) - 1e-6
