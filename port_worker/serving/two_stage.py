"""Two stages: an embedding model retrieves candidates, a ranking network orders them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ranking import Metric, OptionError, Ranked, Ranking, Scorer, Source, Wanted
from port_worker.serving.subject import Features, Subject
from port_worker.serving.topk import top_k


class TwoStageScorer:
    """A `Scorer` that scores as the ranker, and as the retriever for whom the ranker can say nothing of."""

    def __init__(self, retriever: Scorer, ranker: Scorer) -> None:
        self.retriever = retriever
        self.ranker = ranker
        self.explains: Literal["exact", "similarity"] = "similarity"  # what speaks for an item here brought it up there
        self.options = retriever.options | (ranker.options & {"features"})

    def check_features(self, features: Features) -> tuple[Features, list[str]]:
        """As `Scorer.check_features`."""
        for scorer in (self.ranker, self.retriever):
            if "features" in scorer.options:
                return scorer.check_features(features)
        raise OptionError("features", "a model that learns from features", "another")

    def source(self, subject: Subject) -> Source:
        """As `Scorer.source`."""
        source = self.ranker.source(as_known_to(self.ranker, subject))
        return source if source != "popular" else self.retriever.source(as_known_to(self.retriever, subject))

    def ranks(self, subject: Subject) -> bool:
        """Whether the ranker can order items for the subject."""
        return self.ranker.source(as_known_to(self.ranker, subject)) != "popular"

    def scores(self, subjects: Sequence[Subject]) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.scores`."""
        for subject in subjects:
            scorer = self._scorer_of(subject)
            yield from scorer.scores([as_known_to(scorer, subject)])

    def score_rows(
        self, subjects: Sequence[Subject], rows: Sequence[NDArray[np.intp]]
    ) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.score_rows`."""
        for subject, some in zip(subjects, rows, strict=True):
            scorer = self._scorer_of(subject)
            yield from scorer.score_rows([as_known_to(scorer, subject)], [some])

    def similarity(self, row: int, metric: Metric) -> NDArray[np.float32]:
        """As `Scorer.similarity`."""
        return self.retriever.similarity(row, metric)

    def closeness(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """As `Scorer.closeness`."""
        return self.retriever.closeness(rows)

    def contributions(self, subject: Subject, row: int) -> NDArray[np.float32]:
        """As `Scorer.contributions`."""
        return self.retriever.contributions(as_known_to(self.retriever, subject), row)

    def _scorer_of(self, subject: Subject) -> Scorer:
        return self.ranker if self.ranks(subject) else self.retriever


def as_known_to(scorer: Scorer, subject: Subject) -> Subject:
    """The subject without features where the scorer takes none."""
    if subject.features is None or "features" in scorer.options:
        return subject
    return subject._replace(features=None)


Fallback = Callable[[int, NDArray[np.intp], NDArray[np.bool_] | None], NDArray[np.intp]]
"""The `n` most popular rows without those banned, of those allowed."""


class TwoStageRanking:
    """A `Ranking` whose candidates are the retriever's, and whose scores are the ranker's.

    Where more items are wanted than candidates, so many are retrieved. For whom the retriever knows nothing of, the
    candidates are the most popular items; whom the ranker knows nothing of has the retriever's order.
    """

    def __init__(self, scorer: TwoStageScorer, retrieval: Ranking, popular: Fallback, candidates: int) -> None:
        self._scorer = scorer
        self._retrieval = retrieval
        self._popular = popular
        self._candidates = candidates

    def rank(self, wanted: Sequence[Wanted]) -> Iterator[Ranked | None]:
        """As `Ranking.rank`."""
        found: list[Ranked] = []
        for ranked in self._retrieved(wanted):
            if ranked is None:
                yield None
            else:
                found.append(ranked)
        ranker = self._scorer.ranker
        places = [place for place, each in enumerate(wanted) if self._scorer.ranks(each.subject)]
        left = iter(places)
        for scores in ranker.score_rows(
            [as_known_to(ranker, wanted[place].subject) for place in places], [found[place].rows for place in places]
        ):
            if scores is None:
                yield None
            else:
                place = next(left)
                found[place] = _ordered(found[place].rows, scores, wanted[place].n)
        yield from (
            Ranked(ranked.rows[: each.n], ranked.scores[: each.n]) for each, ranked in zip(wanted, found, strict=True)
        )

    def _retrieved(self, wanted: Sequence[Wanted]) -> Iterator[Ranked | None]:
        retriever = self._scorer.retriever
        asked = [self._of_retriever(each) for each in wanted]
        known = [retriever.source(each.subject) != "popular" for each in asked]
        ranked = self._retrieval.rank([each for each, is_known in zip(asked, known, strict=True) if is_known])
        for each, is_known in zip(asked, known, strict=True):
            if not is_known:
                rows = self._popular(each.n, each.banned, each.allowed)
                yield Ranked(rows, np.zeros(len(rows), dtype=np.float32))
                continue
            for found in ranked:
                yield found
                if found is not None:
                    break

    def _of_retriever(self, wanted: Wanted) -> Wanted:
        subject = as_known_to(self._scorer.retriever, wanted.subject)
        return wanted._replace(subject=subject, n=max(wanted.n, self._candidates))


def _ordered(rows: NDArray[np.intp], scores: NDArray[np.float32], n: int) -> Ranked:
    by_row = np.argsort(rows)  # so that equal scores keep the order of the items
    rows, scores = rows[by_row], scores[by_row]
    best = top_k(scores, n)
    return Ranked(rows[best], scores[best])
