"""Questions about single items: which are like it, how good they are for a user, and why."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ranking import OptionError
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Explanation, Filter, Id, Ids, Scores, SimilarItems, SimilarRequest
from port_worker.serving.steps import Steps
from port_worker.serving.subject import Subject
from port_worker.serving.topk import top_k


class UnknownItemError(Exception):
    """The item is none of the model's."""

    def __init__(self, item: Id) -> None:
        super().__init__(f"item: expected one that the model knows, got {item!r}")
        self.item = item


def similar(recommender: Recommender, request: SimilarRequest) -> SimilarItems:
    """The items most like one, which is itself not among them. Raises UnknownItemError, OptionError."""
    recommender.require("similar")
    if request.metric == "dot" and "dot" not in recommender.scorer.options:
        raise OptionError("metric", "cosine, which is what this model has", request.metric, ["cosine"])
    row = _row(recommender, request.item)
    scores = recommender.scorer.similarity(row, request.metric)
    scores[row] = -np.inf
    scores[recommender.catalogue.items.rows(request.filter.exclude)] = -np.inf
    _strike_out(scores, recommender, request.filter)
    best = top_k(scores, request.n)
    return SimilarItems(recommender.catalogue.items.column(best), scores[best], len(best) < request.n)


def _strike_out(scores: NDArray[np.float32], recommender: Recommender, wanted: Filter) -> None:
    hidden = recommender.freshness.hidden()
    scores[hidden.rows] = -np.inf
    if wanted.kinds is not None:
        scores[~recommender.catalogue.of_kinds(wanted.kinds)] = -np.inf


def score(recommender: Recommender, user: Id, items: Ids) -> Steps[Scores]:
    """How good each item is for a user, whether they have met it or not, and hidden or not."""
    places = recommender.catalogue.items.places(items)
    known = places >= 0
    subject = recommender.subject(user)
    source = recommender.scorer.source(subject)
    found: NDArray[np.floating]
    if source == "popular":
        found = recommender.catalogue.arrays.item_popularity[places[known]].astype(np.float64)
    else:
        found = yield from _scores_of(recommender, subject, places[known])
    scores = np.full(len(places), np.nan, dtype=found.dtype)
    scores[known] = found
    return Scores(scores, source)


def _scores_of(recommender: Recommender, subject: Subject, rows: NDArray[np.intp]) -> Steps[NDArray[np.floating]]:
    for scores in recommender.scorer.score_rows([subject], [rows]):
        if scores is not None:
            return np.where(np.isneginf(scores), np.float32(0), scores)  # of what it can say nothing, it says nothing
        yield
    raise AssertionError("a scorer gives one array for each subject")


def explain(recommender: Recommender, user: Id, item: Id, n: int) -> Steps[Explanation]:
    """The `n` items of a user that speak most for another. Raises UnknownItemError, OptionError."""
    recommender.require("explain")
    row = _row(recommender, item)
    subject = recommender.subject(user)
    scores = yield from score(recommender, user, (item,))
    contributions = (
        recommender.scorer.contributions(subject, row) if subject.items.size else np.empty(0, dtype=np.float32)
    )
    best = np.argsort(-contributions, kind="stable")[:n]
    return Explanation(
        recommender.catalogue.items.column(subject.items[best]),
        contributions[best],
        float(scores.scores[0]),
        scores.source,
        exact=recommender.scorer.explains == "exact" and scores.source != "popular",
    )


def _row(recommender: Recommender, item: Id) -> int:
    row = recommender.catalogue.items.lookup(item)
    if row is None:
        raise UnknownItemError(item)
    return row
