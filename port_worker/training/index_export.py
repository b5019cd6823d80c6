"""Makes the inverted file of an embedding model's items, and measures what it misses before anybody is served by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from port_worker.store.item_index import KIND, IndexArrays
from port_worker.store.manifest import Json

DEPTHS = (10, 100, 500)
"""For so many of the best it is found out how many lists have to be read; `candidates` of two stages are 500."""

_SCORES_AT_ONCE = 1 << 23
_SAMPLE_OF_A_LIST = 64
"""Items for each list that the centres are learnt from."""
_LISTS = 2
"""Times the root of the items: twice as many take three times as long to make, for little less to read."""
_ROUNDS = 8
_TIMED_USERS = 16


@dataclass(frozen=True)
class IndexSettings:
    """When there is an index, and how good it is.

    least_items: with fewer, exact ranking is quick enough. recall: the share of a user's best that reading few lists
    must find. largest_share: of the items, that may be read for it; where more would be, there is no index. users: how
    many of the model's users are tried.
    """

    least_items: int = 250_000
    recall: float = 0.97
    largest_share: float = 0.05
    users: int = 1_000


class BuiltIndex(NamedTuple):
    """The arrays, or None if exact ranking serves this model better; and what the manifest's fact `index` says of it.

    kind: `inverted_file` or `exact`; for `exact`, `reason`. items, dimension, lists: sizes. probes: lists that are
    read, by n. recall_at_10, recall_at_100, recall_at_500: measured on `users` users against exact ranking. share: of
    the items, read for the 10 best. speedup: of the products for those. build_seconds: all of it.
    """

    arrays: IndexArrays | None
    facts: dict[str, Json]


def build_index(
    item_vectors: NDArray[np.float32], user_vectors: NDArray[np.float32], settings: IndexSettings | None = None
) -> BuiltIndex:
    """The index of `item_vectors` (items, d), tried with some of `user_vectors` (users, d).

    The same vectors give the same index.
    """
    settings = settings or IndexSettings()
    items, factors = item_vectors.shape
    sizes: dict[str, Json] = {"items": items, "dimension": factors}
    if items < settings.least_items:
        return BuiltIndex(None, {"kind": "exact", "reason": f"fewer than {settings.least_items} items", **sizes})
    began = time.monotonic()
    random = np.random.default_rng(0)
    arrays = _inverted_file(item_vectors, random)
    users = user_vectors[np.sort(random.permutation(len(user_vectors))[: settings.users])]
    trial = _Trial(arrays, users, _best_rows(item_vectors, users, min(DEPTHS[-1], items)))
    probes = {n: trial.lists_for(n, settings.recall) for n in DEPTHS}
    share = trial.share(probes[DEPTHS[0]])
    measured: dict[str, Json] = {
        "lists": arrays.lists,
        "probes": {str(n): count for n, count in probes.items()},
        **{f"recall_at_{n}": round(trial.recall(n, count), 4) for n, count in probes.items()},
        "share": round(share, 5),
        "users": len(users),
        "speedup": round(_speedup(arrays, item_vectors, users[:_TIMED_USERS], probes[DEPTHS[0]]), 1),
        "build_seconds": round(time.monotonic() - began, 3),
    }
    if share > settings.largest_share:
        reason = f"{share:.0%} of the items would have to be read for a recall of {settings.recall}"
        return BuiltIndex(None, {"kind": "exact", "reason": reason, **sizes, **measured})
    return BuiltIndex(arrays, {"kind": KIND, **sizes, **measured})


def _inverted_file(vectors: NDArray[np.float32], random: np.random.Generator) -> IndexArrays:
    count = max(1, round(_LISTS * len(vectors) ** 0.5))
    owners = _owners(vectors, _centres(vectors, count, random))
    rows = np.argsort(owners, kind="stable").astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=count))]).astype(np.int64)
    by_list = vectors[rows]
    lengths = np.sqrt(np.einsum("ij,ij->i", by_list, by_list, dtype=np.float64))
    return IndexArrays(
        index_vectors=by_list,
        index_rows=rows,
        index_offsets=offsets,
        index_centres=_means(by_list, offsets),
        index_longest=_of_lists(np.maximum, lengths, offsets).astype(np.float32),
    )


def _centres(vectors: NDArray[np.float32], count: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Lloyd's k-means on some of the vectors; a centre that nothing is nearest to starts again elsewhere."""
    some = vectors[np.sort(random.permutation(len(vectors))[: count * _SAMPLE_OF_A_LIST])]
    centres = some[random.permutation(len(some))[:count]]
    for _ in range(_ROUNDS):
        owners = _owners(some, centres)
        order = np.argsort(owners, kind="stable")
        sizes = np.bincount(owners, minlength=count)
        centres = _means(some[order], np.concatenate([[0], np.cumsum(sizes)]))
        empty = np.flatnonzero(sizes == 0)
        centres[empty] = some[random.integers(0, len(some), len(empty))]
    return centres


def _owners(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int32]:
    """The nearest centre of each vector. By distance: by product, the longest centres would own nearly everything."""
    half_squares = np.einsum("ij,ij->i", centres, centres) / 2
    step = max(1, _SCORES_AT_ONCE // len(centres))
    owners = np.empty(len(vectors), dtype=np.int32)
    for start in range(0, len(vectors), step):
        part = slice(start, start + step)
        owners[part] = np.argmax(vectors[part] @ centres.T - half_squares, axis=1)
    return owners


def _means(by_list: NDArray[np.float32], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
    sums = _of_lists(np.add, by_list, offsets)
    return sums / np.maximum(np.diff(offsets), 1).astype(np.float32)[:, None]


def _of_lists(ufunc: np.ufunc, by_list: NDArray[np.floating], offsets: NDArray[np.int64]) -> NDArray[np.floating]:
    """`ufunc` over each list; 0 for an empty one."""
    found = np.zeros((len(offsets) - 1, *by_list.shape[1:]), dtype=by_list.dtype)
    filled = np.flatnonzero(np.diff(offsets))
    found[filled] = ufunc.reduceat(by_list, offsets[filled], axis=0)
    return found


def _best_rows(items: NDArray[np.float32], users: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """(users, count) rows of highest product, best first, by reading everything."""
    best = np.empty((len(users), count), dtype=np.intp)
    step = max(1, _SCORES_AT_ONCE // len(items))
    for start in range(0, len(users), step):
        scores = users[start : start + step] @ items.T
        rows = np.argpartition(scores, -count, axis=1)[:, -count:]
        order = np.argsort(-np.take_along_axis(scores, rows, axis=1), axis=1, kind="stable")
        best[start : start + step] = np.take_along_axis(rows, order, axis=1)
    return best


class _Trial:
    """What reading some lists finds. Within lists nothing is missed, so the lists of the true best tell it all."""

    def __init__(self, arrays: IndexArrays, users: NDArray[np.float32], best: NDArray[np.intp]) -> None:
        order = np.argsort(-(users @ arrays.index_centres.T), axis=1, kind="stable")
        turns = np.empty_like(order)
        np.put_along_axis(turns, order, np.arange(arrays.lists)[None], axis=1)
        owners = np.empty(len(arrays.index_rows), dtype=np.intp)
        owners[arrays.index_rows] = np.repeat(np.arange(arrays.lists), np.diff(arrays.index_offsets))
        self._found_after = np.take_along_axis(turns, owners[best], axis=1) + 1
        self._read = np.cumsum(np.diff(arrays.index_offsets)[order], axis=1)

    def recall(self, n: int, probes: int) -> float:
        """The share of users' n best that are in the `probes` lists nearest to them."""
        return float(np.mean(self._found_after[:, :n] <= probes))

    def lists_for(self, n: int, recall: float) -> int:
        """The fewest lists that have it."""
        return int(np.quantile(self._found_after[:, :n], recall, method="inverted_cdf"))

    def share(self, probes: int) -> float:
        """Of the items, how many are in those lists, on average."""
        return float(np.mean(self._read[:, probes - 1]) / self._read[0, -1])


def _speedup(arrays: IndexArrays, items: NDArray[np.float32], users: NDArray[np.float32], probes: int) -> float:
    def few(user: NDArray[np.float32]) -> None:
        lists = np.argpartition(arrays.index_centres @ user, -probes)[-probes:]
        for one in lists:
            arrays.index_vectors[arrays.index_offsets[one] : arrays.index_offsets[one + 1]] @ user

    return _median_seconds(lambda user: items @ user, users) / _median_seconds(few, users)


def _median_seconds(work: Callable[[NDArray[np.float32]], object], users: NDArray[np.float32]) -> float:
    taken = []
    for user in users:
        began = time.perf_counter()
        work(user)
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))
