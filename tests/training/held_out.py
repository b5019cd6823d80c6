"""How well users whom a training has not seen are folded in, on the fixture's world.

A fifth of the users is kept from the training. The first four fifths of their items, in order of time, are folded in;
the last fifth is to be found among the ten best of what they had not met. Of the other users the last fifth is kept
from the training too, so that there is something to compare with. `python -m tests.training.held_out ALS BPR` prints
how that goes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from port_worker.fixture.size import WorldSize
from port_worker.fixture.world import make_world
from port_worker.fixture.written import DEFAULT_SEED, DEFAULT_SIZE
from port_worker.serving.fold_in import FoldIn, LeastSquares, LinearMap, Mean
from port_worker.serving.topk import top_k
from port_worker.sources.columns import IdColumn, Interactions
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.fold_in import GramArrays, LeastSquaresFacts, MapArrays, MapFacts
from port_worker.training import catalogue, dataset, fit
from port_worker.training.dataset import TrainingData
from port_worker.training.export import catalogue_arrays, embedding_arrays
from port_worker.training.fold_in_export import FoldInExport, export_fold_in
from port_worker.training.progress import Progress, Reporter

LENGTH = 10
_FIFTH = 5
_FAVOURITE = 3.0


@dataclass(frozen=True, eq=False)
class Visitor:
    """One user's items as rows of the training's: met (with weights, oldest first), and to be found."""

    row: int | None
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    later: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Split:
    """What to train on, and of whom to find more."""

    data: TrainingData
    strangers: list[Visitor]
    known: list[Visitor]


def split(size: WorldSize = DEFAULT_SIZE, seed: int = DEFAULT_SEED) -> Split:
    """A world in two."""
    whole = dataset.prepare(_interactions(size, seed))
    count = len(whole.user_ids)
    stranger = np.zeros(count, dtype=np.bool_)
    stranger[np.random.default_rng(0).permutation(count)[: count // _FIFTH]] = True
    order = np.argsort(whole.users, kind="stable")  # by user, then by time
    pairs = np.split(order, np.searchsorted(whole.users[order], np.arange(1, count)))
    cuts = [len(of_one) * (_FIFTH - 1) // _FIFTH for of_one in pairs]
    learnt = [of_one[:cut] for of_one, cut, new in zip(pairs, cuts, stranger, strict=True) if not new]
    data = _restricted(whole, np.sort(np.concatenate(learnt)))
    visitors = [_visitor(whole, data, of_one, cut) for of_one, cut in zip(pairs, cuts, strict=True)]
    able = [visitor for visitor in visitors if visitor.items.size and visitor.later.size]
    return Split(
        data,
        [visitor for visitor in able if visitor.row is None],
        [visitor for visitor in able if visitor.row is not None],
    )


def recall(visitors: Sequence[Visitor], scores: NDArray[np.floating]) -> float:
    """recall@10, by (visitors, items) scores; what they had met is left out."""
    found = []
    for visitor, row_scores in zip(visitors, scores.astype(np.float32), strict=True):
        row_scores[visitor.items] = -np.inf
        best = top_k(row_scores, LENGTH)
        found.append(np.isin(best, visitor.later).sum() / min(LENGTH, len(visitor.later)))
    return float(np.mean(found))


def folded_recall(
    visitors: Sequence[Visitor], method: FoldIn, item_vectors: NDArray[np.float32], first: int | None = None
) -> float:
    """recall@10 of the vectors that a method gives, by the `first` so many of the items; all are left out alike."""
    items, weights = ([getattr(visitor, part)[:first] for visitor in visitors] for part in ("items", "weights"))
    return recall(visitors, method.vectors(items, weights) @ item_vectors.T)


def popular_recall(visitors: Sequence[Visitor], data: TrainingData) -> float:
    """recall@10 of the most popular items."""
    popularity = np.bincount(data.items[data.positive], minlength=len(data.item_ids))
    return recall(visitors, np.tile(popularity, (len(visitors), 1)))


def own_recall(visitors: Sequence[Visitor], vectors: EmbeddingArrays) -> float:
    """recall@10 of learnt users by their own vectors."""
    rows = [visitor.row for visitor in visitors if visitor.row is not None]
    return recall(visitors, vectors.user_vectors[rows] @ vectors.item_vectors.T)


def method_of(export: FoldInExport, item_vectors: NDArray[np.float32]) -> FoldIn:
    """What serving makes of an export, without the way over the disk."""
    facts, arrays = export
    if isinstance(facts, LeastSquaresFacts) and isinstance(arrays, GramArrays):
        return LeastSquares(item_vectors, arrays.gram, facts)
    if isinstance(facts, MapFacts) and isinstance(arrays, MapArrays):
        return LinearMap(item_vectors, arrays, facts)
    return Mean(item_vectors)


def ridge(item_vectors: NDArray[np.float32], user_vectors: NDArray[np.float32]) -> FoldIn:
    """The candidate that was not chosen: the least squares of ALS, on the vectors of any algorithm."""
    items = item_vectors.astype(np.float64)
    gram = items.T @ items
    facts = LeastSquaresFacts(reg=0.1 * float(np.trace(gram)) / len(gram), alpha=1.0)
    return LeastSquares(item_vectors, gram, facts)


def _interactions(size: WorldSize, seed: int) -> Interactions:
    """Of the world's public items, as a source reads them."""
    world = make_world(size, seed)
    users, items, times = (
        np.concatenate([getattr(events, field) for events in (world.visits, world.favourites)])
        for field in ("users", "items", "times")
    )
    weights = np.repeat([1.0, _FAVOURITE], [len(world.visits.times), len(world.favourites.times)]).astype(np.float32)
    public = np.array([item.is_public for item in world.items])[items]
    user_ids = np.array([user.id.encode() for user in world.users])
    item_ids = np.array([item.id.encode() for item in world.items])
    known_users, known_items = IdColumn.of(user_ids[users[public]]), IdColumn.of(item_ids[items[public]])
    return Interactions(known_users, known_items, weights[public], times[public])


def _restricted(whole: TrainingData, pairs: NDArray[np.intp]) -> TrainingData:
    users, items = IdColumn.of(whole.user_ids[whole.users[pairs]]), IdColumn.of(whole.item_ids[whole.items[pairs]])
    return dataset.prepare(Interactions(users, items, whole.weights[pairs], np.arange(len(pairs))))


def _visitor(whole: TrainingData, data: TrainingData, pairs: NDArray[np.intp], cut: int) -> Visitor:
    rows = np.searchsorted(data.item_ids, whole.item_ids[whole.items[pairs]])
    there = np.isin(whole.item_ids[whole.items[pairs]], data.item_ids)
    early, late = there & (np.arange(len(pairs)) < cut), there & (np.arange(len(pairs)) >= cut)
    user = whole.user_ids[whole.users[pairs[0]]]
    row = int(np.searchsorted(data.user_ids, user)) if user in data.user_ids else None
    return Visitor(row, rows[early].astype(np.int32), whole.weights[pairs[early]], rows[late].astype(np.int32))


def line(name: str, params: catalogue.Params, vectors: EmbeddingArrays, world: Split) -> str:
    """A row of the table."""
    items = vectors.item_vectors
    of_all = catalogue_arrays(world.data)
    learnt_map = method_of(export_fold_in("", {}, vectors, of_all), items)
    chosen = method_of(export_fold_in(name, params, vectors, of_all), items)
    methods = [Mean(items), ridge(items, vectors.user_vectors), learnt_map, chosen]
    figures = [own_recall(world.known, vectors)]
    figures += [folded_recall(world.strangers, method, items) for method in methods]
    figures += [folded_recall(world.strangers, chosen, items, first) for first in (1, 5)]
    return " ".join([f"{name:<17}", *(f"{figure:6.3f}" for figure in figures), f" {chosen.method}"])


def trained(name: str, params: catalogue.Params, data: TrainingData) -> EmbeddingArrays:
    """The vectors of a model that is fitted for this."""
    fitting = fit.fitting_params(name, params, len(data.item_ids))
    model, _ = fit.fitted(name, fitting, data, Reporter(_silent))
    return embedding_arrays(model, data)


def _silent(_progress: Progress) -> None:
    """Hear nothing."""


def main(names: Sequence[str]) -> None:
    """Print the table."""
    fit.load_libraries()
    world = split()
    popular = [popular_recall(visitors, world.data) for visitors in (world.strangers, world.known)]
    sys.stdout.write(f"popularity: strangers {popular[0]:.3f}, known {popular[1]:.3f}\n")
    sys.stdout.write("algorithm            own   mean  ridge    map chosen  of 1 of 5 items\n")
    for name in names:
        params = catalogue.validate(name, {})
        sys.stdout.write(line(name, params, trained(name, params, world.data), world) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
