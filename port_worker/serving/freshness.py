"""What has happened since a model was trained, in its rows: items that users met, and items that must not be shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.catalogue import Catalogue
from port_worker.serving.requests import Id
from port_worker.store.errors import StoreError

_FEW = 256
"""Up to so many hidden items are struck out one by one; of more, a mask over all items is faster."""


class Told(Protocol):
    """One item of a user, as the live store has it."""

    @property
    def item(self) -> Id:
        """Its id."""
        ...

    @property
    def weight(self) -> float:
        """Summed, of any sign."""
        ...


class Totals(Protocol):
    """What is kept."""

    @property
    def hidden(self) -> int:
        """How many items are hidden."""
        ...

    @property
    def hidden_version(self) -> int:
        """Another number after each change of what is hidden."""
        ...


class Live(Protocol):
    """The store of what was fed and hidden: `store.live.LiveStore`. Its methods raise StoreError."""

    def look(self, users: Sequence[Id]) -> tuple[Totals, Mapping[Id, Sequence[Told]]]:
        """What is kept, and of each user who has any: items, oldest first, each once."""
        ...

    def totals(self) -> Totals:
        """Whoever changed them."""
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

    def any_of(self, rows: NDArray[np.intp]) -> bool:
        """Whether one of these rows is among them."""
        if self.shown is not None:
            return not self.shown[rows].all()
        return bool(np.isin(rows, self.rows).any())


class Moment(NamedTuple):
    """What some users had met by now, who met nothing is not there, and what must not be shown."""

    fed: dict[Id, Fed]
    hidden: Hidden


class Freshness:
    """What a live store says, as rows of one model.

    While the store cannot be read, which stderr is told once each time that this begins, the items that were hidden
    stay so, and nothing counts as fed; only if what is hidden was never known does that raise StoreError.
    """

    def __init__(self, live: Live, catalogue: Catalogue) -> None:
        self._live = live
        self._catalogue = catalogue
        self._version: tuple[int, int] | None = None
        self._hidden = Hidden(np.empty(0, dtype=np.intp), None)
        self._said = ""

    def look(self, users: Sequence[Id]) -> Moment:
        """What those users met that the model's catalogue has, and what is hidden: one question for all."""
        try:
            totals, told = self._live.look(users)
            hidden = self._hidden_at(totals)
        except StoreError as error:
            return Moment({}, self._last_known(error))
        found = {user: self._rows(items) for user, items in told.items()}
        return Moment({user: fed for user, fed in found.items() if fed.rows.size}, hidden)

    def hidden(self) -> Hidden:
        """The items that must not be shown now, whichever process hid them. The same object until that changes."""
        try:
            return self._hidden_at(self._live.totals())
        except StoreError as error:
            return self._last_known(error)

    def _hidden_at(self, totals: Totals) -> Hidden:
        version = (totals.hidden_version, totals.hidden)
        if version != self._version:
            self._hidden = self._hidden_rows()
            self._version = version
        self._said = ""
        return self._hidden

    def _last_known(self, error: StoreError) -> Hidden:
        if self._version is None:
            raise error
        self._say(error)
        return self._hidden

    def _say(self, error: StoreError) -> None:
        if str(error) != self._said:
            self._said = str(error)
            sys.stderr.write(f"port_worker: {error}\n")

    def _rows(self, told: Sequence[Told]) -> Fed:
        rows = [self._catalogue.items.lookup(each.item) for each in told]
        known = [(row, each.weight) for row, each in zip(rows, told, strict=True) if row is not None]
        return Fed(
            np.array([row for row, _ in known], dtype=np.int32),
            np.array([weight for _, weight in known], dtype=np.float32),
        )

    def _hidden_rows(self) -> Hidden:
        rows = np.unique(self._catalogue.items.rows(tuple(self._live.hidden())))
        if len(rows) <= _FEW:
            return Hidden(rows, None)
        shown = np.ones(len(self._catalogue.items), dtype=np.bool_)
        shown[rows] = False
        return Hidden(rows, shown)
