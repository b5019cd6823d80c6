"""What a kind of model offers: scores of items for a subject, and their ranking, in slices that hold nobody up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.subject import Features, Subject
from port_worker.serving.topk import top_k

Source = Literal["model", "fold_in", "features", "popular"]
"""What an answer comes from: what was learnt of this user; what they met since, or as somebody unknown; their
features; or what everybody likes."""

Metric = Literal["cosine", "dot"]


class Wanted(NamedTuple):
    """The `n` best items for a subject, without the rows in `banned`, and of those `allowed` (items,) where given."""

    subject: Subject
    n: int
    banned: NDArray[np.intp]
    allowed: NDArray[np.bool_] | None


class Ranked(NamedTuple):
    """Item rows, best first, equal scores in ascending row, and their scores: (m,) intp and (m,) float32, m <= n."""

    rows: NDArray[np.intp]
    scores: NDArray[np.float32]


class Ranking(Protocol):
    """Finds the best items."""

    def rank(self, wanted: Sequence[Wanted]) -> Iterator[Ranked | None]:
        """One Ranked for each, in order. None ends a slice of work that yields nothing yet: others may run."""
        ...


class Scorer(Protocol):
    """One kind of model. Holds no state that a call changes."""

    @property
    def options(self) -> frozenset[str]:
        """What it can honour: of recent, features, fold_in, similar, dot, diversity, explain."""
        ...

    @property
    def explains(self) -> Literal["exact", "similarity"]:
        """Whether contributions add up to the score, or are how alike the items are."""
        ...

    def check_features(self, features: Features) -> tuple[Features, list[str]]:
        """The features that it knows, and the names of those whose value it has never met.

        Raises OptionError for a name that it does not know or a value of the wrong type.
        """
        ...

    def source(self, subject: Subject) -> Source:
        """What its scores would come from; `popular` where it can say nothing of this subject."""
        ...

    def scores(self, subjects: Sequence[Subject]) -> Iterator[NDArray[np.float32] | None]:
        """(items,) for each in order, the caller's to overwrite; None after a slice. Minus infinity is no score."""
        ...

    def score_rows(
        self, subjects: Sequence[Subject], rows: Sequence[NDArray[np.intp]]
    ) -> Iterator[NDArray[np.float32] | None]:
        """The scores of those rows alone, as `scores` gives them."""
        ...

    def similarity(self, row: int, metric: Metric) -> NDArray[np.float32]:
        """(items,) of one item to all, the caller's to overwrite."""
        ...

    def closeness(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """(m, m) how alike the items are, -1 to 1."""
        ...

    def contributions(self, subject: Subject, row: int) -> NDArray[np.float32]:
        """(k,) how much each of the subject's items speaks for the item."""
        ...


class OptionError(Exception):
    """An option of a call that this model cannot honour, or not with this value.

    `known` are the values or names that it knows, where there is such a list.
    """

    def __init__(self, field: str, expected: str, got: object, known: Sequence[str] = ()) -> None:
        super().__init__(f"{field}: expected {expected}, got {got}")
        self.field = field
        self.expected = expected
        self.got = got
        self.known = list(known)


class FullRanking:
    """Scores every item, then takes the best."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def rank(self, wanted: Sequence[Wanted]) -> Iterator[Ranked | None]:
        """As `Ranking.rank`."""
        left = iter(wanted)
        for scores in self._scorer.scores([each.subject for each in wanted]):
            yield None if scores is None else best_of(scores, next(left))


def best_of(scores: NDArray[np.float32], wanted: Wanted) -> Ranked:
    """The best of (items,) scores, which it overwrites."""
    scores[wanted.banned] = -np.inf
    if wanted.allowed is not None:
        scores[~wanted.allowed] = -np.inf
    rows = top_k(scores, wanted.n)
    return Ranked(rows, scores[rows])
