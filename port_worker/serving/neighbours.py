"""Who votes for whom: a subject's items for those most like each, or the users most like the subject for theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.steps import Steps, finish
from port_worker.serving.subject import Subject
from port_worker.serving.topk import top_k
from port_worker.serving.votes import Votes, stretches
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.neighbourhood import NeighbourhoodArrays, NeighbourhoodFacts

_PAIRS_AT_ONCE = 1 << 18
"""Pairs of an item and its user that are counted before others may run: a millisecond or two."""


class Voters(Protocol):
    """Votes for a subject's items. A subject that is fresh, or unknown, is judged by its items alone."""

    def any(self, subject: Subject) -> bool:
        """Whether there is any vote."""
        ...

    def votes(self, subject: Subject) -> Steps[Votes]:
        """All of them."""
        ...


class ItemVoters:
    """Each of a subject's items votes for the items most like it."""

    def __init__(self, arrays: NeighbourhoodArrays) -> None:
        self._arrays = arrays

    def any(self, subject: Subject) -> bool:
        """As `Voters.any`."""
        return bool(self._arrays.similarities[subject.items, 0].any())

    def votes(self, subject: Subject) -> Steps[Votes]:
        """As `Voters.votes`."""
        yield from ()
        rows = self._arrays.neighbours.take(subject.items, axis=0)
        return Votes(rows.reshape(-1), self._arrays.similarities.take(subject.items, axis=0).reshape(-1))


class _Alike(NamedTuple):
    """Users, the most similar first, and how similar."""

    rows: NDArray[np.integer]
    similarities: NDArray[np.float32]


class UserVoters:
    """The users most like a subject vote for all that they met and liked."""

    def __init__(self, facts: NeighbourhoodFacts, arrays: NeighbourhoodArrays, catalogue: CatalogueArrays) -> None:
        self._facts = facts
        self._arrays = arrays
        self._catalogue = catalogue

    def any(self, subject: Subject) -> bool:
        """As `Voters.any`."""
        if subject.row is not None and not subject.fresh:
            return bool(self._arrays.similarities[subject.row, 0] > 0)
        if self._facts.min_common == 1:
            return self._shares(subject)
        return len(finish(self._alike(subject)).rows) > 0

    def votes(self, subject: Subject) -> Steps[Votes]:
        """As `Voters.votes`."""
        alike = yield from self._alike(subject)
        indptr = self._catalogue.consumed_indptr
        met, lengths = stretches(indptr.take(alike.rows), indptr.take(alike.rows + 1))
        liked = self._catalogue.consumed_weights.take(met) > 0
        return Votes(self._catalogue.consumed_items.take(met), alike.similarities.repeat(lengths) * liked)

    def _alike(self, subject: Subject) -> Steps[_Alike]:
        if subject.row is None or subject.fresh:
            return (yield from self._fold_in(subject))
        similarities = self._arrays.similarities[subject.row]
        count = np.count_nonzero(similarities)  # what follows its last neighbour is 0
        return _Alike(self._arrays.neighbours[subject.row, :count], similarities[:count])

    def _fold_in(self, subject: Subject) -> Steps[_Alike]:
        """The users most like somebody with these items, found as training finds them, equals in ascending row."""
        common = np.zeros(len(self._arrays.user_sizes), dtype=np.int32)
        for users in self._users_of(np.unique(subject.items)):  # to meet an item twice makes nobody more alike
            np.add.at(common, users, 1)
            yield
        if subject.row is not None:
            common[subject.row] = 0
        rows = np.flatnonzero(common >= self._facts.min_common)
        similarities = self._similarities(len(np.unique(subject.items)), rows, common[rows].astype(np.float32))
        best = top_k(similarities, self._arrays.neighbours.shape[1])
        return _Alike(rows[best], similarities[best])

    def _shares(self, subject: Subject) -> bool:
        """Whether anybody else has one of the subject's items."""
        indptr = self._arrays.item_users_indptr
        starts, ends = indptr.take(subject.items), indptr.take(subject.items + 1)
        if subject.row is None:
            return bool((ends > starts).any())
        lone = starts[ends - starts == 1]
        return bool((ends - starts > 1).any() or (self._arrays.item_users.take(lone) != subject.row).any())

    def _users_of(self, items: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
        """The users of the items, all of one item after another, some items at a time."""
        indptr = self._arrays.item_users_indptr
        starts, ends = indptr.take(items), indptr.take(items + 1)
        slices = np.flatnonzero(np.diff(np.cumsum(ends - starts) // _PAIRS_AT_ONCE)) + 1
        for some_starts, some_ends in zip(np.split(starts, slices), np.split(ends, slices), strict=True):
            yield self._arrays.item_users.take(stretches(some_starts, some_ends)[0])

    def _similarities(self, size: int, rows: NDArray[np.intp], common: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of sets of items, in single precision and in the order of LibRecommender's operations: equal to the bit."""
        sizes = self._arrays.user_sizes[rows].astype(np.float32)
        if self._facts.metric == "jaccard":
            return common / (np.float32(size) + sizes - common)
        found: NDArray[np.float32] = common / (np.sqrt(np.float32(size)) * np.sqrt(sizes))
        return found
