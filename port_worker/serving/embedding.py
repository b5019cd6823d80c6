"""Recommendations of an embedding model: one matrix product for all who ask, then each one's ranking.

A score is user_vector . item_vector, which is what LibRecommender's `recommend_user` ranks by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.ids import IdIndex, plain_ids
from port_worker.serving.topk import top_k
from port_worker.store.embedding import FILES, KIND, EmbeddingArrays
from port_worker.store.errors import ModelDamaged
from port_worker.store.manifest import FILE_NAME, Manifest
from port_worker.store.models import ModelStore

_SCORES_AT_ONCE = 8 * 1024 * 1024
"""Scores computed in one product at most: 32 MiB, so that a large catalogue does not make a batch's memory jump."""


@dataclass(frozen=True)
class RecommendRequest:
    """The `n` best items for `user`, without those in `exclude`. Ids that no model knows may be among them.

    `exclude` is ids, or an array of them as `IdIndex.rows` takes it.
    """

    user: int | str
    n: int
    exclude: tuple[int | str, ...] | NDArray[Any] = ()

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: expected at least 1, got {self.n}")


@dataclass(frozen=True, eq=False)
class Recommendation:
    """Items, best first. `popular` is the answer to an unknown user: its scores count distinct users.

    ids: (m,) int64 or 'S<k>' of UTF-8, as the model's item ids are. `exhausted`: m is below the `n` that was asked for.
    scores: (m,) float32, or float64 where they are counts.
    """

    ids: NDArray[Any]
    scores: NDArray[np.floating]
    source: Literal["model", "popular"]
    exhausted: bool

    @property
    def items(self) -> list[tuple[int | str, float]]:
        """The same as (item, score) pairs."""
        return list(zip(plain_ids(self.ids), self.scores.tolist(), strict=True))


class EmbeddingModel:
    """A stored version, mapped into memory and ready to answer. Holds no state that a call changes."""

    def __init__(self, manifest: Manifest, arrays: EmbeddingArrays) -> None:
        self.manifest = manifest
        self.version = manifest.version
        self.algorithm = manifest.algorithm
        self.created_at = manifest.created_at
        self._arrays = arrays
        self._users = IdIndex(arrays.user_ids)
        self._items = IdIndex(arrays.item_ids)
        self.users = len(self._users)
        self.items = len(self._items)
        self.user_id_type = self._users.id_type
        self.item_id_type = self._items.id_type
        self._popular = np.argsort(-arrays.item_popularity, kind="stable")

    @classmethod
    def from_store(cls, store: ModelStore, version: str) -> EmbeddingModel:
        """Map a version's arrays. That its files are what was published is for `store.verify` to check before.

        Raises UnknownVersion, ModelDamaged.
        """
        manifest = store.read(version)
        if manifest.kind != KIND:
            raise ModelDamaged(version, FILE_NAME, f"kind {KIND}", manifest.kind)
        missing = sorted(set(FILES) - manifest.files.keys())
        if missing:
            raise ModelDamaged(version, FILE_NAME, "all arrays listed", f"no {', '.join(missing)}")
        model = cls(manifest, EmbeddingArrays.open(store.folder(version)))
        described, found = (manifest.users, manifest.items), (model.users, model.items)
        if described != found:
            raise ModelDamaged(version, FILE_NAME, f"{described} users and items", found)
        return model

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[Recommendation]:
        """One answer for each request, in order; who asks twice is answered twice.

        The same requests give the same answers. The same request in another batch may differ in the last bit of a
        score, since the product may then be summed in another order.
        """
        rows = [self._users.lookup(request.user) for request in requests]
        ranked = self._ranked([(row, request) for row, request in zip(rows, requests, strict=True) if row is not None])
        return [
            self._popular_items(request) if row is None else next(ranked)
            for row, request in zip(rows, requests, strict=True)
        ]

    def warm(self) -> None:
        """Answer a few requests, so that the first real one finds the pages mapped and the product's code loaded."""
        rows = np.linspace(0, self.users - 1, min(self.users, 64), dtype=np.intp)
        requests = [RecommendRequest(user, n=10) for user in self._users.ids(rows)]
        self.recommend(requests)
        for request in requests:
            self.recommend([request])

    def _ranked(self, asked: list[tuple[int, RecommendRequest]]) -> Iterator[Recommendation]:
        step = max(1, _SCORES_AT_ONCE // self.items)
        for start in range(0, len(asked), step):
            part = asked[start : start + step]
            scores = self._arrays.user_vectors[[row for row, _ in part]] @ self._arrays.item_vectors.T
            for row_scores, (row, request) in zip(scores, part, strict=True):
                yield self._best_items(row_scores, row, request)

    def _best_items(self, scores: NDArray[np.float32], row: int, request: RecommendRequest) -> Recommendation:
        start, end = self._arrays.consumed_indptr[row : row + 2]
        scores[self._arrays.consumed_items[start:end]] = -np.inf
        if len(request.exclude):
            scores[self._items.rows(request.exclude)] = -np.inf
        best = top_k(scores, request.n)
        return self._answer(best, scores[best], "model", request)

    def _popular_items(self, request: RecommendRequest) -> Recommendation:
        excluded = self._items.rows(request.exclude)
        best = self._popular[: request.n + len(excluded)]
        if len(excluded):
            best = best[~np.isin(best, excluded)][: request.n]
        return self._answer(best, self._arrays.item_popularity[best].astype(np.float64), "popular", request)

    def _answer(
        self,
        rows: NDArray[np.intp],
        scores: NDArray[np.floating],
        source: Literal["model", "popular"],
        request: RecommendRequest,
    ) -> Recommendation:
        return Recommendation(self._items.column(rows), scores, source, exhausted=len(rows) < request.n)
