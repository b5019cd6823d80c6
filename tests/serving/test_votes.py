from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from port_worker.serving.votes import Tally, Votes, highest, stretches

ROWS = 12
# Eighths add up exactly in any order.
votes = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, 16).map(lambda eighths: eighths / 8)))


@given(st.lists(st.tuples(votes, st.sets(st.integers(0, ROWS - 1)))), st.integers(1, ROWS + 1))
def test_counting_and_ranking_is_what_adding_and_sorting_gives(
    rounds: list[tuple[list[tuple[int, float]], set[int]]], n: int
) -> None:
    """Round after round with one tally, which keeps nothing of the round before."""
    tally = Tally(ROWS)
    for cast, banned in rounds:
        sums: dict[int, float] = {}
        for row, value in cast:
            if row not in banned:
                sums[row] = sums.get(row, 0.0) + value
        rows = np.array([row for row, _ in cast], dtype=np.int32)
        values = np.array([value for _, value in cast], dtype=np.float32)
        found = tally.sums(Votes(rows, values), np.array(sorted(banned), dtype=np.intp))
        assert dict(zip(found[0].tolist(), found[1].tolist(), strict=True)) == {
            row: total for row, total in sums.items() if total > 0
        }
        best_rows, best_sums = highest(*found, n)
        best = sorted(zip(*(part.tolist() for part in found), strict=True), key=lambda pair: (-pair[1], pair[0]))[:n]
        assert list(zip(best_rows.tolist(), best_sums.tolist(), strict=True)) == best


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5))))
def test_stretches_are_their_places_in_turn(parts: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in parts], dtype=np.int64)
    lengths = np.array([length for _, length in parts], dtype=np.int64)
    places, found = stretches(starts, starts + lengths)
    assert places.tolist() == [place for start, length in parts for place in range(start, start + length)]
    assert found.tolist() == lengths.tolist()
