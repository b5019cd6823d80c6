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
        self._place = np.empty(rows, dtype=np.int32)  # never cleared: only what was just written is read

    def sums(self, votes: Votes, banned: NDArray[np.intp] = _NO_ROWS) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows with a sum above 0, each once, without those in `banned`; and the sums. In no certain order."""
        count = len(votes.rows)
        places = np.arange(count, dtype=np.int32)
        self._place[votes.rows] = places  # of equal rows the last one's place stays, and stands for the row
        self._place[banned] = count
        owners = self._place[votes.rows]
        sums = np.bincount(owners, votes.values, count + 1)[:count].astype(np.float32)
        chosen = np.flatnonzero((owners == places) & (sums > 0))
        return votes.rows[chosen], sums[chosen]


def highest(rows: NDArray[np.int32], sums: NDArray[np.float32], n: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The (up to) `n` rows of the highest sums, highest first, equal sums in ascending row; and their sums."""
    if len(rows) > n:
        reached = sums >= np.partition(sums, -n)[-n]
        rows, sums = rows[reached], sums[reached]
    order = np.lexsort((rows, -sums))[:n]
    return rows[order].astype(np.intp), sums[order]


def stretches(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Every place of the stretches [start, end) one after another, and for each place the number of its stretch."""
    lengths = ends - starts
    owners = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    return np.arange(len(owners)) + (starts - before)[owners], owners
