"""A model's users and items by id: rows, kinds, what each user has met, what is popular."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ids import IdIndex
from port_worker.serving.ranking import OptionError
from port_worker.store.catalogue import CatalogueArrays

_KEPT_MASKS = 16
"""Combinations of kinds whose masks are kept: a byte an item each."""


class Catalogue:
    """The arrays of a version, and the names of its item kinds in the order of their codes."""

    def __init__(self, arrays: CatalogueArrays, kinds: Sequence[str], *, all_teach: bool) -> None:
        """`all_teach`: whether every pair has a weight above 0, so that nobody needs to look."""
        self.arrays = arrays
        self.kinds = tuple(kinds)
        self.users = IdIndex(arrays.user_ids)
        self.items = IdIndex(arrays.item_ids)
        self.all_teach = all_teach
        self._masks: dict[tuple[str, ...], NDArray[np.bool_]] = {}

    def consumed(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The items that a user had met when the model was trained, oldest first, and their weights."""
        start, end = self.arrays.consumed_indptr[row : row + 2].tolist()
        return self.arrays.consumed_items[start:end], self.arrays.consumed_weights[start:end]

    def has_met(self, user: object, item: object) -> bool:
        """Whether the training met this user with this item."""
        user_row, item_row = self.users.lookup(user), self.items.lookup(item)
        if user_row is None or item_row is None:
            return False
        return bool((self.consumed(user_row)[0] == item_row).any())

    def learnt(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Those of them that say what the user likes: weights above 0."""
        items, weights = self.consumed(row)
        if self.all_teach:
            return items, weights
        liked = weights > 0
        return items[liked], weights[liked]

    def of_kinds(self, kinds: tuple[str, ...]) -> NDArray[np.bool_]:
        """(items,) which items are of one of the kinds; not to be written to. Raises OptionError for an unknown one."""
        mask = self._masks.get(kinds)
        if mask is None:
            mask = np.isin(self.arrays.item_kinds, [self._code(index, kind) for index, kind in enumerate(kinds)])
            if len(self._masks) >= _KEPT_MASKS:
                self._masks.pop(next(iter(self._masks)))
            self._masks[kinds] = mask
        return mask

    def most_popular(self, n: int, banned: NDArray[np.intp], allowed: NDArray[np.bool_] | None) -> NDArray[np.intp]:
        """(up to n,) rows in order of popularity, without those banned, of those allowed (items,).

        Looks at as much of the order as it takes, ever more of it: most is never read.
        """
        order = self.arrays.popular_items
        size = n + len(banned)
        while True:
            rows = order[:size].astype(np.intp)
            if allowed is not None:
                rows = rows[allowed[rows]]
            if len(banned):
                rows = rows[~np.isin(rows, banned)]
            if len(rows) >= n or size >= len(order):
                return rows[:n]
            size *= 4

    def _code(self, index: int, kind: str) -> int:
        if kind not in self.kinds:
            expected = f"one of {', '.join(self.kinds)}" if self.kinds else "none: the model's data has no kinds"
            raise OptionError(f"kinds[{index}]", expected, repr(kind), self.kinds)
        return self.kinds.index(kind)
