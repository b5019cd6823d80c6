"""Small worlds and what is recommended in them by definition: sets, loops and sorting, in Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from port_worker.serving.subject import Subject
from port_worker.store.catalogue import CatalogueArrays, by_popularity
from port_worker.store.neighbourhood import Metric, NeighbourhoodArrays, NeighbourhoodFacts

Alike = list[tuple[int, float]]


@dataclass(frozen=True)
class World:
    """Who likes what, and what else they met; a model of it with `k` neighbours."""

    liked: list[list[int]]
    met: list[list[int]]  # and did not like
    items: int
    of_users: bool
    facts: NeighbourhoodFacts
    k: int

    def users_of(self, item: int) -> set[int]:
        return {user for user, liked in enumerate(self.liked) if item in liked}

    def items_like(self, item: int) -> Alike:
        """Those that share users, the most similar first."""
        metric: Metric = "cosine" if self.of_users else self.facts.metric
        least = 1 if self.of_users else self.facts.min_common
        own = self.users_of(item)
        return ranked({other: similarity(own, self.users_of(other), metric, least) for other in self.others(item)})

    def others(self, item: int) -> list[int]:
        return [other for other in range(self.items) if other != item]

    def users_like(self, items: Sequence[int], without: int | None) -> Alike:
        """The `k` users most similar to somebody with these items."""
        metric, least = self.facts.metric, self.facts.min_common
        return ranked(
            {
                user: similarity(set(items), set(liked), metric, least)
                for user, liked in enumerate(self.liked)
                if user != without
            }
        )[: self.k]

    def scores(self, subject: Subject) -> dict[int, float]:
        """Of the items that have one."""
        items = self.items_of(subject)
        found: dict[int, float] = {}
        for item, value in self._user_votes(items, subject.row) if self.of_users else self._item_votes(items):
            found[item] = found.get(item, 0.0) + value
        return found

    def items_of(self, subject: Subject) -> list[int]:
        return [int(item) for item in subject.items]

    def _user_votes(self, items: list[int], row: int | None) -> Alike:
        return [(item, value) for user, value in self.users_like(items, row) for item in self.liked[user]]

    def _item_votes(self, items: list[int]) -> Alike:
        return [vote for item in items for vote in self.items_like(item)[: self.k]]

    def arrays(self) -> NeighbourhoodArrays:
        """As they are stored."""
        alike = [self.items_like(item) for item in range(self.items)]
        rows = [self.users_like(liked, user) for user, liked in enumerate(self.liked)] if self.of_users else alike
        closest = np.zeros((len(rows), self.k), dtype=np.int32)
        similarities = np.zeros((len(rows), self.k), dtype=np.float32)
        for row, found in enumerate(rows):
            for place, (other, value) in enumerate(found[: self.k]):
                closest[row, place], similarities[row, place] = other, value
        users = [sorted(self.users_of(item)) if self.of_users else [] for item in range(self.items)]
        return NeighbourhoodArrays(
            neighbours=closest,
            similarities=similarities,
            alike_indptr=offsets(alike),
            alike_items=np.array([other for found in alike for other, _ in found], dtype=np.int32),
            alike_similarities=np.array([value for found in alike for _, value in found], dtype=np.float32),
            item_users_indptr=offsets(users),
            item_users=np.array([user for found in users for user in found], dtype=np.int32),
            user_sizes=np.array([len(liked) for liked in self.liked] if self.of_users else [], dtype=np.int32),
        )

    def catalogue(self) -> CatalogueArrays:
        """The rest of what is stored."""
        pairs = [[*liked, *met] for liked, met in zip(self.liked, self.met, strict=True)]
        weights = [
            w for liked, met in zip(self.liked, self.met, strict=True) for w in [2.0] * len(liked) + [0.0] * len(met)
        ]
        popularity = np.array([len(self.users_of(item)) for item in range(self.items)], dtype=np.int64)
        return CatalogueArrays(
            user_ids=np.arange(len(self.liked)),
            item_ids=np.arange(self.items),
            consumed_indptr=offsets(pairs),
            consumed_items=np.array([item for items in pairs for item in items], dtype=np.int32),
            consumed_weights=np.array(weights, dtype=np.float32),
            item_popularity=popularity,
            popular_items=by_popularity(popularity),
            item_kinds=np.zeros(self.items, dtype=np.uint8),
        )


def similarity(one: set[int], other: set[int], metric: Metric, min_common: int) -> float:
    """0 for those who are no neighbours, in single precision as training computes it."""
    common = len(one & other)
    if common < min_common:
        return 0.0
    if metric == "jaccard":
        return float(np.float32(common) / np.float32(len(one | other)))
    return float(np.float32(common) / (np.float32(math.sqrt(len(one))) * np.float32(math.sqrt(len(other)))))


def ranked(similarities: dict[int, float]) -> Alike:
    found = [(row, value) for row, value in similarities.items() if value > 0]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def offsets(lists: Sequence[Sequence[object]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.cumsum([0, *map(len, lists)]).astype(np.int64)
