"""Recommendations for many users in one call, a few users a slice, so that interactive calls pass in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ids import plain_ids
from port_worker.serving.recommender import Answer, Asked, Recommender
from port_worker.serving.requests import SOURCES, Id, ManyRecommendations, ManyRequest, RecommendRequest
from port_worker.serving.steps import Steps

_NONE_LEFT = -1


HURRIED_SHARE = 0.1
"""Of a slice's time, while urgent calls come: whoever comes waits for what is left of a slice."""

HURRIED_SECONDS = 0.25
"""How long after an urgent call another is expected."""


class Pace:
    """How many users make a slice: as many as took `target_seconds` of late, `most` at most.

    After an urgent call slices are shorter for a while, though a product for fewer users takes longer for each.
    """

    def __init__(
        self, target_seconds: float = 0.004, most: int = 64, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.size = 1
        self._target = target_seconds
        self._hurried_until = float("-inf")
        self._most = most
        self._clock = clock
        self._resumed_at = 0.0
        self._busy = 0.0

    def hurry(self) -> None:
        """An urgent call has come."""
        now = self._clock()
        if now >= self._hurried_until:
            self.size = max(1, int(self.size * HURRIED_SHARE))
        self._hurried_until = now + HURRIED_SECONDS

    def begin(self) -> None:
        """A slice begins."""
        self._busy = 0.0
        self.resume()

    def pause(self) -> None:
        """Others run."""
        self._busy += self._clock() - self._resumed_at

    def resume(self) -> None:
        """The work goes on."""
        self._resumed_at = self._clock()

    def end(self, users: int) -> None:
        """A slice of so many `users`, of the last ones fewer than `size`, has been done: the next is at most twice as
        large as `size`.
        """
        self.pause()
        target = self._target * (HURRIED_SHARE if self._clock() < self._hurried_until else 1.0)
        fitting = int(users * target / self._busy) if self._busy > 0 else self._most
        self.size = max(1, min(fitting, 2 * self.size, self._most))


@dataclass(frozen=True, eq=False)
class _Found:
    """(users, n) item rows and scores, and (users,) places in SOURCES."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    sources: NDArray[np.uint8]

    def put(self, place: int, answer: Answer) -> None:
        count = len(answer.rows)
        self.rows[place] = _NONE_LEFT
        self.rows[place, :count] = answer.rows
        self.scores[place] = 0
        self.scores[place, :count] = answer.scores
        self.sources[place] = SOURCES.index(answer.source)


def recommend_many(recommender: Recommender, request: ManyRequest, pace: Pace) -> Steps[ManyRecommendations]:
    """The answers to all, in the order of the users. Raises OptionError, as `Recommender.ask`, at the first step."""
    size = (len(request.users), request.n)
    found = _Found(
        np.full(size, _NONE_LEFT, dtype=np.int32), np.zeros(size, dtype=np.float32), np.zeros(size[0], dtype=np.uint8)
    )
    places = np.arange(size[0])
    while len(places):
        yield from _fill(found, recommender, request, places, pace)
        places = _showing_hidden(found, recommender)
    return _encoded(found, recommender)


def _fill(
    found: _Found, recommender: Recommender, request: ManyRequest, places: NDArray[np.intp], pace: Pace
) -> Steps[None]:
    excluded = recommender.catalogue.items.rows(request.filter.exclude)
    if request.filter.kinds is not None:
        recommender.catalogue.of_kinds(request.filter.kinds)
    start = 0
    while start < len(places):
        some = places[start : start + pace.size]
        start += len(some)
        pace.begin()
        for ready in recommender.answer(_asked(request, some, excluded)):
            for local, answer in ready:
                found.put(int(some[local]), answer)
            pace.pause()
            yield
            pace.resume()
        pace.end(len(some))


def _asked(request: ManyRequest, places: NDArray[np.intp], excluded: NDArray[np.intp]) -> list[Asked]:
    def asked(user: Id) -> Asked:
        wanted = RecommendRequest(user, request.n, request.filter, request.filter_consumed)
        return Asked(wanted, excluded, None, None, ())

    return list(map(asked, _users_at(request, places)))


def _users_at(request: ManyRequest, places: NDArray[np.intp]) -> Sequence[Id]:
    users = request.users
    return plain_ids(users[places]) if isinstance(users, np.ndarray) else [users[place] for place in places.tolist()]


def _showing_hidden(found: _Found, recommender: Recommender) -> NDArray[np.intp]:
    """The users among whose items is one that was hidden meanwhile."""
    rows = recommender.freshness.hidden().rows
    if not rows.size:
        return np.empty(0, dtype=np.intp)
    hidden = np.zeros(len(recommender.catalogue.items) + 1, dtype=np.bool_)  # the last stands for no item
    hidden[rows] = True
    return np.flatnonzero(hidden[found.rows].any(axis=1))


def _encoded(found: _Found, recommender: Recommender) -> ManyRecommendations:
    used = np.zeros(len(recommender.catalogue.items) + 1, dtype=np.bool_)
    used[found.rows] = True
    used[_NONE_LEFT] = False
    places = np.cumsum(used, dtype=np.int32) - 1
    places[_NONE_LEFT] = _NONE_LEFT
    ids = recommender.catalogue.items.column(np.flatnonzero(used))
    return ManyRecommendations(ids, places[found.rows], found.scores, found.sources)
