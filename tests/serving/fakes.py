"""A scorer whose scores are looked up in a table, and a recommender of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from port_worker.serving.catalogue import Catalogue
from port_worker.serving.freshness import Freshness
from port_worker.serving.ranking import FullRanking, Metric, Ranked, Ranking, Scorer, Source, Wanted
from port_worker.serving.recommender import Recommender
from port_worker.serving.subject import Features, Subject
from port_worker.store.catalogue import CatalogueArrays
from tests.models import NothingNew

NONE = -np.inf
Table = Mapping[int | None, Sequence[float]]


class TableScorer:
    """A `Scorer` that knows the users in its table, and under None whoever comes with features.

    Before each array it pauses `pauses` times. `subjects` are all that it was asked to score.
    """

    explains: Literal["exact", "similarity"] = "exact"

    def __init__(self, table: Table, options: Iterable[str] = (), *, pauses: int = 0, likeness: ArrayLike = ()) -> None:
        self.options = frozenset(options)
        self.subjects: list[Subject] = []
        self._table = {row: np.array(scores, dtype=np.float32) for row, scores in table.items()}
        self._pauses = pauses
        self._likeness = np.array(likeness, dtype=np.float32)

    def check_features(self, features: Features) -> tuple[Features, list[str]]:
        known = {name: value for name, value in features.items() if name == "language"}
        return known, sorted(set(features) - set(known))

    def source(self, subject: Subject) -> Source:
        if subject.features is not None:
            assert "features" in self.options
            return "features"
        return "model" if subject.row is not None and subject.row in self._table else "popular"

    def scores(self, subjects: Sequence[Subject]) -> Iterator[NDArray[np.float32] | None]:
        for subject in subjects:
            self.subjects.append(subject)
            yield from repeat(None, self._pauses)
            yield self._table[None if self.source(subject) == "features" else subject.row].copy()

    def score_rows(
        self, subjects: Sequence[Subject], rows: Sequence[NDArray[np.intp]]
    ) -> Iterator[NDArray[np.float32] | None]:
        left = iter(rows)
        for scores in self.scores(subjects):
            yield None if scores is None else scores[next(left)]

    def similarity(self, row: int, metric: Metric) -> NDArray[np.float32]:
        return np.array(self._likeness[row])

    def closeness(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return np.array(self._likeness[np.ix_(rows, rows)])

    def contributions(self, subject: Subject, row: int) -> NDArray[np.float32]:
        return np.array(self._likeness[subject.items, row])


class Watched:
    """A `Ranking` that keeps what it was asked for."""

    def __init__(self, scorer: Scorer) -> None:
        self.wanted: list[Wanted] = []
        self._ranking = FullRanking(scorer)

    def rank(self, wanted: Sequence[Wanted]) -> Iterator[Ranked | None]:
        self.wanted += wanted
        yield from self._ranking.rank(wanted)


def recommender_of(
    arrays: CatalogueArrays,
    scorer: Scorer,
    *,
    ranking: Ranking | None = None,
    live: Any = None,
    kinds: Sequence[str] = (),
) -> Recommender:
    catalogue = Catalogue(arrays, kinds, all_teach=False)
    return Recommender(catalogue, scorer, ranking or FullRanking(scorer), Freshness(live or NothingNew(), catalogue))
