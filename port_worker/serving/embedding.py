"""Embedding models: a score is the product of a user's vector and an item's, which is what LibRecommender ranks by.

A user's vector is the one that was learnt; for whom something new is known, an encoder computes it where the model has
one, else it is folded in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.encoders.encoder import Encoder
from port_worker.serving.explanation import by_likeness
from port_worker.serving.fold_in import FoldIn
from port_worker.serving.history import History, summed
from port_worker.serving.ranking import Metric, OptionError, Ranked, Source, Wanted
from port_worker.serving.similar import ItemSimilarity
from port_worker.serving.subject import Features, Subject
from port_worker.store.embedding import EmbeddingArrays


class VectorRanking(Protocol):
    """Finds the items whose product with a vector is highest."""

    def rank_vectors(
        self,
        vectors: NDArray[np.float32],
        banned: Sequence[NDArray[np.intp]],
        allowed: Sequence[NDArray[np.bool_] | None],
        ns: Sequence[int],
    ) -> Iterator[Ranked | None]:
        """One Ranked for each row of (b, d) vectors; None ends a slice."""
        ...


class EmbeddingScorer:
    """A `Scorer` of vectors. Holds no state that a call changes."""

    def __init__(
        self, arrays: EmbeddingArrays, similarity: ItemSimilarity, fold_in: FoldIn | None, encoder: Encoder | None
    ) -> None:
        self._users = arrays.user_vectors
        self.item_vectors = arrays.item_vectors
        self._similarity = similarity
        self._fold_in = fold_in
        self._encoder = encoder
        self._by_sequence = encoder is not None and encoder.takes_sequence
        self._by_features = encoder is not None and encoder.takes_features
        self._folds = self._by_sequence or fold_in is not None
        self._takes_apart = not self._by_sequence and fold_in is not None and fold_in.exact
        self.explains: Literal["exact", "similarity"] = "exact" if self._takes_apart else "similarity"
        folding = {"recent", "fold_in"} if self._folds else set()
        self.options = frozenset(
            {"similar", "dot", "diversity", "explain"} | folding | ({"features"} if self._by_features else set())
        )

    def check_features(self, features: Features) -> tuple[Features, list[str]]:
        """As `Scorer.check_features`."""
        if self._encoder is None or not self._by_features:
            raise OptionError("features", "none: this model has no features", ", ".join(sorted(features)))
        return self._encoder.check_features(features)

    def source(self, subject: Subject) -> Source:
        """As `Scorer.source`."""
        if subject.features is not None:
            return "features"
        if subject.row is not None and not (subject.fresh and self._folds and subject.items.size):
            return "model"
        return "fold_in" if self._folds and subject.items.size else "popular"

    def vectors(self, subjects: Sequence[Subject]) -> NDArray[np.float32]:
        """(b, d) of subjects whose source is not `popular`."""
        if len(subjects) == 1 and self.source(subjects[0]) == "model":
            row = subjects[0].row or 0
            return self._users[row : row + 1]
        learnt = [place for place, subject in enumerate(subjects) if self.source(subject) == "model"]
        found = self._users.take([subjects[place].row or 0 for place in learnt], axis=0)
        if len(learnt) == len(subjects):
            return found
        vectors = np.empty((len(subjects), self._users.shape[1]), dtype=np.float32)
        vectors[learnt] = found
        others = sorted(set(range(len(subjects))) - set(learnt))
        vectors[others] = self._computed([subjects[place] for place in others])
        return vectors

    def _computed(self, subjects: Sequence[Subject]) -> NDArray[np.float32]:
        encoded = [place for place, each in enumerate(subjects) if self._by_sequence or each.features is not None]
        vectors = np.empty((len(subjects), self._users.shape[1]), dtype=np.float32)
        if encoded:
            vectors[encoded] = self._encoded([subjects[place] for place in encoded])
        folded = sorted(set(range(len(subjects))) - set(encoded))
        if folded:
            assert self._fold_in is not None
            histories = [summed(History(subjects[place].items, subjects[place].weights)) for place in folded]
            items, weights = zip(*histories, strict=True)
            vectors[folded] = self._fold_in.vectors(items, weights)
        return vectors

    def _encoded(self, subjects: Sequence[Subject]) -> NDArray[np.float32]:
        assert self._encoder is not None
        return self._encoder.vectors(
            [each.items for each in subjects], [each.row for each in subjects], [each.features for each in subjects]
        )

    def scores(self, subjects: Sequence[Subject]) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.scores`."""
        for vector in self.vectors(subjects):
            yield self.item_vectors @ vector
            yield None

    def score_rows(
        self, subjects: Sequence[Subject], rows: Sequence[NDArray[np.intp]]
    ) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.score_rows`."""
        for vector, some in zip(self.vectors(subjects), rows, strict=True):
            yield self.item_vectors[some] @ vector

    def similarity(self, row: int, metric: Metric) -> NDArray[np.float32]:
        """As `Scorer.similarity`."""
        return self._similarity.similarity(row, metric)

    def closeness(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """As `Scorer.closeness`."""
        return self._similarity.closeness(rows)

    def contributions(self, subject: Subject, row: int) -> NDArray[np.float32]:
        """As `Scorer.contributions`."""
        if self._fold_in is not None and self._takes_apart:
            return self._fold_in.contributions(subject.items, subject.weights, row)
        return by_likeness(self._similarity, subject.items, subject.weights, row)


class EmbeddingRanking:
    """A `Ranking` by vectors, exact or approximate."""

    def __init__(self, scorer: EmbeddingScorer, ranking: VectorRanking) -> None:
        self._scorer = scorer
        self._ranking = ranking

    def rank(self, wanted: Sequence[Wanted]) -> Iterator[Ranked | None]:
        """As `Ranking.rank`."""
        if not wanted:
            return iter(())
        return self._ranking.rank_vectors(
            self._scorer.vectors([each.subject for each in wanted]),
            [each.banned for each in wanted],
            [each.allowed for each in wanted],
            [each.n for each in wanted],
        )
