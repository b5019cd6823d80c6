"""Scores come block by block; what may be among the best of a user is kept, and little else."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.topk import block_width, lower_bound

GROUP = 32
"""Rows whose scores are looked at through their highest one. A block's rows are a multiple of it."""

LOWEST = np.finfo(np.float32).min
"""What a score must reach that is not masked."""


class Shortlist(Protocol):
    """What may be among the n best of each of b users, whose scores may be out of order by up to `slack`."""

    size: int
    """How many are kept."""

    def add(self, scores: NDArray[np.float32], first: int) -> None:
        """Look through the `scores` (rows, b) of rows `first`, `first` + 1, ... Minus infinity is never kept."""

    def take(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(rows, users) of all that is kept, of equal scores the lower row first, and empty the list."""

    def put_back(self, rows: NDArray[np.intp], users: NDArray[np.intp], scores: NDArray[np.float32]) -> None:
        """Keep these, of what was taken, all the same; of equal scores the lower row comes first."""


def shortlist(ns: list[int], slack: NDArray[np.float64]) -> Shortlist:
    """For users who want `ns` (b,) items each, and whose scores have that `slack` (b,)."""
    return LoneShortlist(ns[0], float(slack[0])) if len(ns) == 1 else SharedShortlist(np.array(ns), slack)


class LoneShortlist:
    """The shortlist of one user: a few passes over the scores, so that a lone call on a small catalogue is quick."""

    def __init__(self, n: int, slack: float) -> None:
        self._n = n
        self._slack = slack
        self._bound = -np.inf
        self._rows: list[NDArray[np.intp]] = []
        self.size = 0

    def add(self, scores: NDArray[np.float32], first: int) -> None:
        line = scores.reshape(-1)
        bound = max(self._bound, float(lower_bound(line, self._n)))
        floor = np.nextafter(np.float32(bound - self._slack), np.float32(-np.inf))
        if self._slack == 0 and bound == self._bound:  # ties are ties, and the first of them are kept already
            floor = np.nextafter(np.float32(bound), np.float32(np.inf))
        self._bound = bound
        rows = np.flatnonzero(line >= max(floor, LOWEST))
        self._rows.append(rows + first if first else rows)
        self.size += len(rows)

    def take(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        rows = self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)
        self._rows, self.size = [], 0
        return rows, np.zeros(len(rows), dtype=np.intp)

    def put_back(self, rows: NDArray[np.intp], users: NDArray[np.intp], scores: NDArray[np.float32]) -> None:  # noqa: ARG002
        self._rows, self.size = [rows], len(rows)


class SharedShortlist:
    """The shortlists of several users at once, so that each step is one call for all of them.

    A pass over the highest scores of groups finds a bound that enough items reach; only groups that reach it are
    looked into. The bound rises from block to block, so that later ones are mostly passed over.
    """

    def __init__(self, ns: NDArray[np.intp], slack: NDArray[np.float64]) -> None:
        self._slack = slack
        self._most = int(ns.max())
        self._nth = (self._most - ns, np.arange(len(ns)))
        self._highest = np.full((self._most, len(ns)), -np.inf, dtype=np.float32)
        self._bound = np.full(len(ns), -np.inf, dtype=np.float32)
        self._floor = np.full(len(ns), LOWEST, dtype=np.float32)  # of what stays
        self._entry = self._floor  # of what comes in
        self._places = [np.empty(0, dtype=np.intp)]
        self._scores = [np.empty(0, dtype=np.float32)]
        self.size = 0

    def add(self, scores: NDArray[np.float32], first: int) -> None:
        rows, users = scores.shape
        # A group is every row of the same remainder, so that its maxima are one straight pass over the memory.
        groups = scores.reshape(block_width(rows, self._most, GROUP), -1)
        maxima = groups.max(axis=0)
        self._raise_floor(maxima.reshape(-1, users))
        reached = np.flatnonzero(maxima.reshape(-1, users) >= self._entry)
        if len(reached) == 0:
            return
        found = np.take(groups, reached, axis=1)
        # In the order of memory, so in ascending row.
        kept, group = np.nonzero(found >= self._entry[reached % users])
        self._keep(kept * maxima.size + reached[group] + first * users, found[kept, group])

    def take(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        users = len(self._floor)
        places, scores = np.concatenate(self._places), np.concatenate(self._scores)
        self._places, self._scores, self.size = self._places[:1], self._scores[:1], 0
        rows, user = np.divmod(places[scores >= self._floor[places % users]], users)
        return rows, user

    def put_back(self, rows: NDArray[np.intp], users: NDArray[np.intp], scores: NDArray[np.float32]) -> None:
        self._keep(rows * len(self._floor) + users, scores)

    def _keep(self, places: NDArray[np.intp], scores: NDArray[np.float32]) -> None:
        self._places.append(places)
        self._scores.append(scores)
        self.size += len(places)

    def _raise_floor(self, maxima: NDArray[np.float32]) -> None:
        width = block_width(len(maxima), self._most)
        coarse = maxima[: len(maxima) // width * width].reshape(width, -1, maxima.shape[1]).max(axis=0)
        self._highest = np.sort(np.concatenate([self._highest, coarse]), axis=0)[-self._most :]
        bound = self._highest[self._nth]
        floor = np.maximum(_below(bound, self._slack), LOWEST)
        # Who has no slack (a vector of zeros, say) has ties that are ties, and the first of them are kept already.
        settled = (self._slack == 0) & (bound == self._bound)
        above = np.nextafter(bound, np.float32(np.inf))
        self._bound, self._floor = bound, floor
        self._entry = np.where(settled, np.maximum(above, floor), floor)


def _below(bound: NDArray[np.float32], slack: NDArray[np.float64]) -> NDArray[np.float32]:
    """A float32 below what the slack leaves of a bound."""
    return np.nextafter((bound - slack).astype(np.float32), np.float32(-np.inf))
