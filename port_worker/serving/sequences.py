"""A user's latest items, as LibRecommender's sequence models take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.subject import Subject
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.network import Feeds, NetworkFacts


class Padded(NamedTuple):
    """(b, n) item rows, the oldest first, then the number of items for a place without one; and how many count, (b,).

    Of nothing, one counts: LibRecommender's way of saying that there is nothing.
    """

    rows: NDArray[np.int32]
    lengths: NDArray[np.int32]


class Sequences:
    """Makes sequences of so many latest items, and of so many before those."""

    def __init__(self, facts: NetworkFacts, catalogue: CatalogueArrays) -> None:
        self.taken = facts.recent > 0
        self.users = len(catalogue.user_ids)
        self._recent = facts.recent
        self._earlier = facts.earlier
        self._catalogue = catalogue

    def feeds(self, subjects: Sequence[Subject]) -> Mapping[str, NDArray[np.int32]]:
        """What the network is fed of the subjects' items, learnt or fresh."""
        if not self.taken:
            return {}
        items = [self._known(each) for each in subjects]
        recent = self._padded([each[-self._recent :] for each in items], self._recent)
        if not self._earlier:
            return {Feeds.SEQUENCE: recent.rows, Feeds.SEQUENCE_LENGTH: recent.lengths}
        before = [each[: -self._recent][-self._earlier :] for each in items]
        earlier = self._padded(before, self._earlier)
        return {
            Feeds.LONG: earlier.rows,
            Feeds.LONG_LENGTH: earlier.lengths,
            Feeds.SHORT: recent.rows,
            Feeds.SHORT_LENGTH: recent.lengths,
        }

    def _known(self, subject: Subject) -> NDArray[np.int32]:
        """The subject's items; of a known user about whom nothing newer is to be said, those learnt."""
        if subject.items.size or subject.row is None:
            return subject.items
        start, end = self._catalogue.consumed_indptr[subject.row : subject.row + 2]
        taught = self._catalogue.consumed_weights[start:end] > 0
        learnt: NDArray[np.int32] = self._catalogue.consumed_items[start:end][taught]
        return learnt

    def _padded(self, sequences: Sequence[NDArray[np.int32]], length: int) -> Padded:
        rows = np.full((len(sequences), length), len(self._catalogue.item_ids), dtype=np.int32)
        for row, sequence in zip(rows, sequences, strict=True):
            row[: len(sequence)] = sequence
        lengths = np.array([max(1, len(sequence)) for sequence in sequences], dtype=np.int32)
        return Padded(rows, lengths)
