"""Votes for items, counted and ranked in time that grows with their number and not with that of the items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_NO_ROWS = np.empty(0, dtype=np.intp)


class Votes(NamedTuple):
    """Rows (m,) int32, any of them often, and what each vote is worth (m,) float32: 0 for none, never below."""

    rows: NDArray[np.int32]
    values: NDArray[np.float32]


class Tally:
    """Counts votes for rows below `rows`. One answers at a time: it keeps a table of that many places."""

    def __init__(self, rows: int) -> None:
        self._place = np.empty(rows, dtype=np.intp)  # never cleared: only what was just written is read

    def sums(self, votes: Votes, banned: NDArray[np.intp] = _NO_ROWS) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows with a sum above 0, each once, without those in `banned`; and the sums. In no certain order.

        Takes what numpy does fastest: `take` instead of indices in brackets, and indices of its own width.
        """
        count = len(votes.rows)
        rows, places = votes.rows.astype(np.intp), np.arange(count)
        self._place[rows] = places  # of equal rows the last one's place stays, and stands for the row
        self._place[banned] = count
        owners = self._place.take(rows)
        chosen = (owners == places).nonzero()[0]
        sums = np.bincount(owners, votes.values, count + 1).take(chosen).astype(np.float32)
        rows = rows.take(chosen)
        if sums.all():
            return rows, sums
        some = sums > 0
        return rows[some], sums[some]


def highest(rows: NDArray[np.intp], sums: NDArray[np.float32], n: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The (up to) `n` rows of the highest sums, highest first, equal sums in ascending row; and their sums."""
    if len(rows) > n:
        reached = (sums >= np.partition(sums, -n)[-n]).nonzero()[0]
        rows, sums = rows.take(reached), sums.take(reached)
    order = np.lexsort((rows, -sums))[:n]
    return rows.take(order), sums.take(order)


def stretches(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every place of the stretches [start, end) one after another, and the length of each stretch."""
    lengths = ends - starts
    after = lengths.cumsum()
    total = int(after[-1]) if after.size else 0
    return np.arange(total) + (starts - after + lengths).repeat(lengths), lengths
