"""Asks a recommender and reads its answers, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from port_worker.serving.ids import plain_ids
from port_worker.serving.recommender import Answer, Recommender
from port_worker.serving.requests import Id, RecommendRequest


class Seen(NamedTuple):
    """What there is to compare of an answer."""

    items: list[tuple[Id, float]]
    source: str
    exhausted: bool
    scored: int

    @property
    def ids(self) -> list[Id]:
        return [item for item, _score in self.items]


def recommend(recommender: Recommender, requests: Sequence[RecommendRequest]) -> list[Seen]:
    """One answer for each request, in order; each must come once."""
    asked = [recommender.ask(request) for request in requests]
    answers: dict[int, Answer] = {}
    for ready in recommender.answer(asked):
        for place, answer in ready:
            assert place not in answers
            answers[place] = answer
    assert sorted(answers) == list(range(len(requests)))
    return [_seen(recommender, answers[place], request.n) for place, request in enumerate(requests)]


def _seen(recommender: Recommender, answer: Answer, n: int) -> Seen:
    ids = plain_ids(recommender.catalogue.items.column(answer.rows))
    items = list(zip(ids, answer.scores.tolist(), strict=True))
    return Seen(items, answer.source, len(items) < n, answer.scored)
