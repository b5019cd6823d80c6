"""A live store whose content a test tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from port_worker.serving.requests import Id
from port_worker.store.errors import FeedbackUnavailable, StoreError
from tests.models import Told, Totals


class Telling:
    """What was fed of each user, oldest first, and what is hidden."""

    def __init__(self, fed: Mapping[Id, Sequence[Told]] | None = None, hidden: Sequence[Id] = ()) -> None:
        self.fed = dict(fed or {})
        self.error: StoreError | None = None
        self.list_error: StoreError | None = None  # of the list of hidden items alone
        self._hidden = list(hidden)
        self._version = 1

    def hide(self, *items: Id) -> None:
        self._hidden += items
        self._version += 1

    def show(self, *items: Id) -> None:
        self._hidden = [item for item in self._hidden if item not in items]
        self._version += 1

    def look(self, users: Sequence[Id]) -> tuple[Totals, Mapping[Id, Sequence[Told]]]:
        return self.totals(), {user: self.fed[user] for user in users if user in self.fed}

    def totals(self) -> Totals:
        if self.error is not None:
            raise self.error
        return Totals(len(self._hidden), self._version)

    def hidden(self) -> list[Id]:
        if self.list_error is not None:
            raise self.list_error
        return list(self._hidden)


def broken(why: str = "disk I/O error") -> StoreError:
    return FeedbackUnavailable("live.sqlite", "a file that can be read", why)
