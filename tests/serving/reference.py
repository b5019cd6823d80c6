"""What the fast path must equal, written as plainly as can be: sort everything, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from port_worker.serving.opening import Opening
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Id, RecommendRequest
from port_worker.store.embedding import EmbeddingArrays
from tests.models import NothingNew, Totals, catalogue_arrays, serve_embedding
from tests.serving.asking import Seen

KINDS = ("avatar", "map", "prop")


def ranked(scores: Sequence[float], k: int) -> list[int]:
    """Positions by descending score, then ascending position; minus infinity left out."""
    positions = [position for position, score in enumerate(scores) if score != float("-inf")]
    return sorted(positions, key=lambda position: (-scores[position], position))[:k]


class Hiding(NothingNew):
    """A live store in which items are hidden."""

    def __init__(self, items: Sequence[Id]) -> None:
        self.items = list(items)

    def totals(self) -> Totals:
        return Totals(len(self.items), 1)

    def hidden(self) -> list[Id]:
        return self.items


@dataclass(frozen=True)
class World:
    """Whole numbers as vectors: their products are exact in any order of summing, so ties are ties."""

    users: dict[Id, list[int]]
    items: dict[Id, list[int]]
    consumed: dict[Id, list[Id]]
    popularity: dict[Id, int]
    kinds: dict[Id, str] = field(default_factory=dict)
    hidden: tuple[Id, ...] = ()

    def serve(self, root: Path, opening: Opening | None = None) -> Recommender:
        """The same, as a worker serves it."""
        rows = {item: row for row, item in enumerate(self.items)}
        catalogue = catalogue_arrays(
            list(self.users),
            list(self.items),
            [[rows[item] for item in self.consumed[user]] for user in self.users],
            popularity=[self.popularity[item] for item in self.items],
            kinds=[KINDS.index(self.kinds[item]) if item in self.kinds else 255 for item in self.items],
        )
        vectors = EmbeddingArrays(
            np.array(list(self.users.values()), dtype=np.float32), np.array(list(self.items.values()), dtype=np.float32)
        )
        live = Hiding(self.hidden)
        facts = {"kinds": list(KINDS)}
        return serve_embedding(root, catalogue, vectors, live=live, opening=opening, facts=facts).recommender

    def recommended(self, request: RecommendRequest) -> Seen:
        """The answer by definition."""
        vector = self.users.get(request.user)
        left = [item for item in self.items if self._allowed(request, item)]
        if vector is None:
            scores = [float(self.popularity[item]) for item in left]
        else:
            scores = [float(sum(a * b for a, b in zip(vector, self.items[item], strict=True))) for item in left]
        pairs = [(left[position], scores[position]) for position in ranked(scores, request.n)]
        return Seen(pairs, "popular" if vector is None else "model", len(pairs) < request.n, len(pairs))

    def _allowed(self, request: RecommendRequest, item: Id) -> bool:
        assert isinstance(request.filter.exclude, tuple)
        banned = {*request.filter.exclude, *self.hidden}
        if request.filter_consumed:
            banned.update(self.consumed.get(request.user, ()))
        wanted = request.filter.kinds
        return item not in banned and (wanted is None or self.kinds.get(item) in wanted)
