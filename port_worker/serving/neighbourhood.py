"""Recommendations of a neighbourhood model: a score is the sum of the similarities of those who vote for an item.

Where neighbours are items, each of a subject's items votes for the items most like it; where they are users, the users
most like the subject vote for all that they met. Labels are 1 in training, so weights have no part in a score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.neighbours import ItemVoters, UserVoters, Voters
from port_worker.serving.ranking import Metric, OptionError, Ranked, Source, Wanted
from port_worker.serving.subject import Features, Subject
from port_worker.serving.votes import Tally, highest, stretches
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.neighbourhood import NeighbourhoodArrays, NeighbourhoodFacts

_VOTES_AT_ONCE = 1 << 17
"""Votes that are counted before others may run: some milliseconds'."""


class NeighbourhoodScorer:
    """UserCF, ItemCF, RsUserCF, RsItemCF and Swing, by their arrays alone. It is its own `Ranking` too.

    What no neighbour votes for has no score, so `rank` may give fewer than were wanted.
    """

    options = frozenset({"recent", "fold_in", "similar", "diversity", "explain"})

    def __init__(self, facts: NeighbourhoodFacts, arrays: NeighbourhoodArrays, catalogue: CatalogueArrays) -> None:
        """The arrays must fit to the catalogue's: see `NeighbourhoodArrays.catalogue_problem`."""
        self._facts = facts
        self._arrays = arrays
        self._voters: Voters = UserVoters(facts, arrays, catalogue) if arrays.of_users else ItemVoters(arrays)

    @property
    def explains(self) -> Literal["exact", "similarity"]:
        """Items' votes add up to the score; where users vote, the items that they share stand for them."""
        return "similarity" if self._arrays.of_users else "exact"

    def check_features(self, features: Features) -> NoReturn:
        """It knows none."""
        raise OptionError("features", "none: this model has no features", ", ".join(sorted(features)))

    def source(self, subject: Subject) -> Source:
        """`popular` if nobody votes. A known user whose items are other than those learnt counts as a new one."""
        if not self._voters.any(subject):
            return "popular"
        return "fold_in" if subject.row is None or subject.fresh else "model"

    def rank(self, wanted: Sequence[Wanted]) -> Iterator[Ranked | None]:
        """As `Ranking.rank`: takes time by the number of votes, not by that of all items."""
        tally, counted = Tally(self._arrays.items), 0
        for each in wanted:
            votes = yield from self._voters.votes(each.subject)
            rows, sums = tally.sums(votes, each.banned)
            if each.allowed is not None:
                shown = each.allowed[rows]
                rows, sums = rows[shown], sums[shown]
            yield Ranked(*highest(rows, sums, each.n))
            counted += len(votes.rows)
            if counted > _VOTES_AT_ONCE:
                counted = 0
                yield None

    def scores(self, subjects: Sequence[Subject]) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.scores`."""
        tally = Tally(self._arrays.items)
        for subject in subjects:
            rows, sums = tally.sums((yield from self._voters.votes(subject)))
            scores = np.full(self._arrays.items, -np.inf, dtype=np.float32)
            scores[rows] = sums
            yield scores
            yield None

    def score_rows(
        self, subjects: Sequence[Subject], rows: Sequence[NDArray[np.intp]]
    ) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.score_rows`."""
        left = iter(rows)
        for scores in self.scores(subjects):
            yield None if scores is None else scores[next(left)]

    def similarity(self, row: int, metric: Metric) -> NDArray[np.float32]:
        """As `Scorer.similarity`: the model's own where neighbours are items, else the cosine of the sets of users.

        Only the items most like one are kept (`alike` of the arrays); the others, and the item itself, have none:
        minus infinity.
        """
        if metric != "cosine":
            raise OptionError("metric", "cosine, which is what this model has", metric, ["cosine"])
        stretch = slice(*self._arrays.alike_indptr[row : row + 2])
        similarity = np.full(self._arrays.items, -np.inf, dtype=np.float32)
        similarity[self._arrays.alike_items[stretch]] = self._arrays.alike_similarities[stretch]
        return similarity

    def closeness(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """As `Scorer.closeness`: 0 to 1, by what `similarity` says of either of two. Swing's has no upper bound, and
        is set against the highest of both items.
        """
        place = np.full(self._arrays.items, -1, dtype=np.intp)
        place[rows] = np.arange(len(rows))
        indptr = self._arrays.alike_indptr
        found, lengths = stretches(indptr[rows], indptr[rows + 1])
        owners = np.arange(len(rows)).repeat(lengths)
        columns = place[self._arrays.alike_items[found]]
        there = columns >= 0
        close = np.zeros((len(rows), len(rows)), dtype=np.float32)
        close[owners[there], columns[there]] = self._arrays.alike_similarities[found[there]]
        close = np.maximum(close, close.T)
        if self._facts.metric == "swing":
            close /= self._scale(rows)
        np.fill_diagonal(close, 1)
        return np.minimum(close, 1)

    def contributions(self, subject: Subject, row: int) -> NDArray[np.float32]:
        """As `Scorer.contributions`: each item's vote, or how alike the two are where users vote."""
        if self._arrays.of_users:
            alike = self.similarity(row, "cosine")[subject.items]
            return np.where(np.isneginf(alike), np.float32(0), alike)
        for_row = self._arrays.neighbours[subject.items] == row
        votes: NDArray[np.float32] = np.where(for_row, self._arrays.similarities[subject.items], 0).sum(axis=1)
        return votes

    def _scale(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        highest = np.ones(len(rows), dtype=np.float32)
        starts = self._arrays.alike_indptr[rows]
        some = starts < self._arrays.alike_indptr[rows + 1]
        highest[some] = self._arrays.alike_similarities[starts[some]]
        roots = np.sqrt(highest)
        return np.outer(roots, roots)
