"""What users must not get, as minus infinity among their scores, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Allowed = NDArray[np.bool_] | None
"""Which of all items (items,) may come back; None: any."""


class Masks:
    """`banned`: item rows for each of b users. `allowed`: a mask for each of them, which several may share."""

    def __init__(self, banned: Sequence[NDArray[np.intp]], allowed: Sequence[Allowed]) -> None:
        self._users = len(banned)
        # A place is row * b + user: where its score lies in memory.
        self._places = _joined([rows * self._users + user for user, rows in enumerate(banned)])
        self._sorted = False
        self._allowed = _sharers(allowed)

    def apply(self, scores: NDArray[np.float32], first: int, *, whole: bool) -> None:
        """Overwrite what is masked of `scores` (rows, b), the scores of rows `first`, `first` + 1, ...

        `whole`: these are all the rows that there are, so that nothing has to be found among the masks.
        """
        scores.reshape(-1)[self._places if whole else self._within(first * self._users, scores.size)] = -np.inf
        for mask, users in self._allowed:
            denied = np.flatnonzero(~mask[first : first + len(scores)])
            if len(denied) and len(users) == self._users:
                scores[denied] = -np.inf
            elif len(denied):
                scores[denied[:, None], users] = -np.inf

    def _within(self, start: int, size: int) -> NDArray[np.intp]:
        if not self._sorted:
            self._places = np.sort(self._places)
            self._sorted = True
        low, high = self._places.searchsorted([start, start + size])
        return self._places[low:high] - start


def _joined(parts: list[NDArray[np.intp]]) -> NDArray[np.intp]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _sharers(allowed: Sequence[Allowed]) -> list[tuple[NDArray[np.bool_], list[int]]]:
    """Each mask once, with the users that it is for."""
    sharers: dict[int, tuple[NDArray[np.bool_], list[int]]] = {}
    for user, mask in enumerate(allowed):
        if mask is not None:
            sharers.setdefault(id(mask), (mask, []))[1].append(user)
    return list(sharers.values())
