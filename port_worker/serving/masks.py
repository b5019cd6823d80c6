"""What users must not get, as the lowest of their scores, block by block."""

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
        self._rows = _joined(banned)
        self._owners = np.repeat(np.arange(self._users), [len(rows) for rows in banned])
        self._sorted = False
        self._allowed = _sharers(allowed)

    def apply(self, scores: NDArray[np.float32], first: int, *, whole: bool) -> None:
        """Make minus infinity of what is masked of `scores` (rows, users), those of rows `first`, `first` + 1, ...

        `whole`: these are all the rows that there are, so that nothing has to be found among the masks.
        """
        some = slice(None) if whole else self._within(first, len(scores))
        scores[self._rows[some] - first, self._owners[some]] = -np.inf
        for mask, users in self._allowed:
            denied = np.flatnonzero(~mask[first : first + len(scores)])
            if len(denied) and len(users) == self._users:
                scores[denied] = -np.inf
            elif len(denied):
                scores[denied[:, None], users] = -np.inf

    def apply_to_products(self, products: NDArray[np.int32], first: int, *, whole: bool) -> None:
        """The same for products of codes (users, rows): what is masked is below MASKED afterwards."""
        rows = products.shape[1]
        for mask, users in self._allowed:
            down = lowering(mask[first : first + rows])
            for user in users:
                products[user] += down
        some = slice(None) if whole else self._within(first, rows)
        products[self._owners[some], self._rows[some] - first] = BANNED

    def _within(self, first: int, count: int) -> slice:
        if not self._sorted:
            order = np.argsort(self._rows, kind="stable")
            self._rows, self._owners = self._rows[order], self._owners[order]
            self._sorted = True
        return slice(*self._rows.searchsorted([first, first + count]).tolist())


MASKED = -(1 << 29)
"""No product of codes is as low with fewer than 30,000 factors."""

BANNED = 2 * MASKED
"""What stands for one that is masked."""


def lowering(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """What is added to products, so that those are masked that `mask` does not allow: BANNED, or 0.

    A sum of whole arrays takes a tenth of the time of finding places and writing there.
    """
    down: NDArray[np.int32] = np.subtract(mask, 1, dtype=np.int32, casting="unsafe")
    down *= -BANNED
    return down


def _joined(parts: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _sharers(allowed: Sequence[Allowed]) -> list[tuple[NDArray[np.bool_], list[int]]]:
    """Each mask once, with the users that it is for."""
    sharers: dict[int, tuple[NDArray[np.bool_], list[int]]] = {}
    for user, mask in enumerate(allowed):
        if mask is not None:
            sharers.setdefault(id(mask), (mask, []))[1].append(user)
    return list(sharers.values())
