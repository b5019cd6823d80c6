"""What has happened since a model was trained, in its rows: items that users met, and items that must not be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.catalogue import Catalogue
from port_worker.serving.requests import Id

_FEW = 256
"""Up to so many hidden items are struck out one by one; of more, a mask over all items is faster."""


class Live(Protocol):
    """The store of what was fed and hidden; `store.live.LiveStore` is one."""

    def of_users(self, users: Sequence[Id]) -> Mapping[Id, Sequence[tuple[Id, float, int]]]:
        """For each user who has any: (item, weight, time), oldest first."""
        ...

    @property
    def hidden_version(self) -> int:
        """Another number whenever what is hidden may have changed."""
        ...

    def hidden(self) -> Sequence[Id]:
        """The hidden items."""
        ...


class Fed(NamedTuple):
    """Item rows that a user met since, oldest first, each once: (k,) int32, and (k,) float32 weights of any sign."""

    rows: NDArray[np.int32]
    weights: NDArray[np.float32]


class Hidden(NamedTuple):
    """Item rows that must not be shown, ascending; and all others as a mask where there are many, else None."""

    rows: NDArray[np.intp]
    shown: NDArray[np.bool_] | None


class Freshness:
    """What a live store says, as rows of one model."""

    def __init__(self, live: Live, catalogue: Catalogue) -> None:
        self._live = live
        self._catalogue = catalogue
        self._version: int | None = None
        self._hidden = Hidden(np.empty(0, dtype=np.intp), None)

    def fed(self, users: Sequence[Id]) -> dict[Id, Fed]:
        """What those users met that the model's catalogue has; who met nothing is not there. One question for all."""
        found = {user: self._rows(visits) for user, visits in self._live.of_users(users).items()}
        return {user: fed for user, fed in found.items() if fed.rows.size}

    def hidden(self) -> Hidden:
        """The items that must not be shown now, whichever process hid them."""
        version = self._live.hidden_version
        if version != self._version:
            self._hidden = self._hidden_rows()
            self._version = version
        return self._hidden

    def _rows(self, visits: Sequence[tuple[Id, float, int]]) -> Fed:
        known = [
            (row, weight)
            for item, weight, _time in visits
            if (row := self._catalogue.items.lookup(item)) is not None
        ]
        rows, weights = zip(*known, strict=True) if known else ((), ())
        return Fed(np.array(rows, dtype=np.int32), np.array(weights, dtype=np.float32))

    def _hidden_rows(self) -> Hidden:
        rows = np.unique(self._catalogue.items.rows(tuple(self._live.hidden())))
        if len(rows) <= _FEW:
            return Hidden(rows, None)
        shown = np.ones(len(self._catalogue.items), dtype=np.bool_)
        shown[rows] = False
        return Hidden(rows, shown)
