"""Calls that tell a worker what has happened since its model was trained: feedback, and items to hide or to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from port_worker.active_model import ActiveModel
from port_worker.answering import Outcome
from port_worker.scheduler import Work
from port_worker.serving.ids import IdIndex
from port_worker.store.errors import StoreError
from port_worker.store.live import LiveStore
from protocol.arguments import Feedback, HideItems, IdList, ShowItems
from protocol.errors import ProtocolError
from protocol.messages import atom_keys

ROWS_AT_ONCE = 200
"""Rows that are written between two slices of other work: about two milliseconds. Each such part is kept or not as a
whole; a call with more rows is several parts."""


class Feeding:
    """Writes to the live store of a home, a part a step, and counts what the served model does not know.

    Args:
        model: what is served, which may be nothing.
        live: where it is kept.
        now: seconds since 1970, for feedback that says no time.
    """

    def __init__(self, model: ActiveModel, live: LiveStore, now: Callable[[], float] = time.time) -> None:
        self._model = model
        self._live = live
        self._now = now

    def feedback(self, work: Work) -> Iterator[list[Outcome]]:
        """Keep interactions. Raises ProtocolError; the parts before the one that failed are kept."""
        arguments: Feedback = work.arguments
        unknown_users = unknown_items = 0
        for part in _parts(len(arguments)):
            if part.start:
                yield []
            users, items, weights, times = self._rows(arguments, part)
            _kept(self._live.add, users, items, weights, times)
            unknown_users += _unknown(self._users, users)
            unknown_items += _unknown(self._items, items)
        stored = _kept(lambda: self._live.totals().rows)
        result = atom_keys(
            accepted=len(arguments),
            unknown_users=unknown_users,
            unknown_items=unknown_items,
            stored=stored,
        )
        yield [(work, result)]

    def _rows(self, arguments: Feedback, part: slice) -> tuple[Any, Any, Any, Any]:
        users, items = arguments.users[part], arguments.items[part]
        weights = [1.0] * len(users) if arguments.weights is None else arguments.weights[part]
        times = [int(self._now())] * len(users) if arguments.times is None else arguments.times[part]
        return users, items, weights, times

    def hide_items(self, work: Work) -> Iterator[list[Outcome]]:
        """Keep items out of every answer that is sent after this one's. Raises ProtocolError."""
        arguments: HideItems = work.arguments
        return self._change(work, arguments.items, self._live.hide)

    def show_items(self, work: Work) -> Iterator[list[Outcome]]:
        """Let items be shown again. Raises ProtocolError."""
        arguments: ShowItems = work.arguments
        return self._change(work, arguments.items, self._live.show)

    def _change(self, work: Work, items: IdList, change: Callable[[Any], int]) -> Iterator[list[Outcome]]:
        changed = unknown = 0
        for part in _parts(len(items)):
            if part.start:
                yield []
            changed += _kept(change, items[part])
            unknown += _unknown(self._items, items[part])
        hidden = _kept(lambda: self._live.totals().hidden)
        yield [(work, atom_keys(changed=changed, hidden=hidden, unknown=unknown))]

    @property
    def _users(self) -> IdIndex | None:
        return self._model.catalogue.users if self._model.catalogue is not None else None

    @property
    def _items(self) -> IdIndex | None:
        return self._model.catalogue.items if self._model.catalogue is not None else None


def _parts(size: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, size, ROWS_AT_ONCE))


def _unknown(index: IdIndex | None, ids: IdList) -> int:
    """How many of the ids, each place counted, are none of the model's; all without a model."""
    return len(ids) if index is None else int(np.count_nonzero(index.places(ids) < 0))


def _kept(change: Callable[..., int], *columns: Any) -> int:
    try:
        return change(*columns)
    except StoreError as error:
        raise ProtocolError(error.code, str(error), error.details) from error
