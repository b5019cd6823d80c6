"""Ranking networks: a score is computed for each pair of a user and an item, by the network's program.

What is known of the user (their row, their latest items, their features) goes through its first part once; then the
items pass in slices that fit the processor's cache, so memory does not grow with items or with those who wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.explanation import by_likeness
from port_worker.serving.features import FeatureRows, UserFeatures
from port_worker.serving.network_program import NetworkProgram, Registers
from port_worker.serving.ranking import Metric, OptionError, Source
from port_worker.serving.sequences import Sequences
from port_worker.serving.similar import ItemSimilarity
from port_worker.serving.subject import Features, Subject
from port_worker.store.arrays import file_name
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.errors import ModelDamaged
from port_worker.store.manifest import FILE_NAME, Manifest
from port_worker.store.network import KIND, PROGRAM_FILE, Feeds, NetworkArrays, NetworkFacts, ProgramFile

SLICE_BYTES = 1 << 20
"""What a slice of pairs may take while it is computed: the cache of one processor core."""

_LEAST_PAIRS, _MOST_PAIRS = 128, 2048
_SUBJECTS_AT_ONCE = 64

_PAIRS_APART = 64
"""Pairs of a subject, on average, from which on subjects are quicker one by one than with their values repeated."""


class NetworkScorer:
    """A `Scorer`. Holds no state that a call changes."""

    explains: Literal["exact", "similarity"] = "similarity"

    def __init__(
        self, program: NetworkProgram, items: int, sequences: Sequences, features: UserFeatures, similar: ItemSimilarity
    ) -> None:
        self._program = program
        self._items = items
        self._sequences = sequences
        self._features = features
        self._similarity = similar
        self._pairs_at_once = min(_MOST_PAIRS, max(_LEAST_PAIRS, SLICE_BYTES // program.row_bytes))
        folding = {"recent", "fold_in"} if sequences.taken else set()
        described = {"features"} if features.names else set()
        self.options = frozenset({"similar", "diversity", "explain"} | folding | described)

    def check_features(self, features: Features) -> tuple[Features, list[str]]:
        """As `Scorer.check_features`."""
        if "features" not in self.options:
            raise OptionError("features", "none: this model has no features", ", ".join(sorted(features)))
        return self._features.check(features)

    def source(self, subject: Subject) -> Source:
        """As `Scorer.source`. A network without a sequence sees nothing of what a user has met since."""
        if subject.features is not None:
            return "features"
        by_items = self._sequences.taken and subject.items.size > 0
        if subject.row is not None and not (subject.fresh and by_items):
            return "model"
        return "fold_in" if by_items else "popular"

    def scores(self, subjects: Sequence[Subject]) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.scores`."""
        for subject in subjects:
            registers = self._program.subjects(self._feeds([subject]))
            scores = np.empty(self._items, dtype=np.float32)
            for start in range(0, self._items, self._pairs_at_once):
                part = slice(start, start + self._pairs_at_once)
                scores[part] = self._program.of_one(registers, 0, part)
                yield None
            yield scores

    def score_rows(
        self, subjects: Sequence[Subject], rows: Sequence[NDArray[np.intp]]
    ) -> Iterator[NDArray[np.float32] | None]:
        """As `Scorer.score_rows`: what is known of many subjects is computed together."""
        for start in range(0, len(subjects), _SUBJECTS_AT_ONCE):
            together = slice(start, start + _SUBJECTS_AT_ONCE)
            yield from self._score_rows(subjects[together], rows[together])

    def similarity(self, row: int, metric: Metric) -> NDArray[np.float32]:
        """As `Scorer.similarity`."""
        return self._similarity.similarity(row, metric)

    def closeness(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """As `Scorer.closeness`."""
        return self._similarity.closeness(rows)

    def contributions(self, subject: Subject, row: int) -> NDArray[np.float32]:
        """As `Scorer.contributions`."""
        return by_likeness(self._similarity, subject.items, subject.weights, row)

    def _score_rows(
        self, subjects: Sequence[Subject], rows: Sequence[NDArray[np.intp]]
    ) -> Iterator[NDArray[np.float32] | None]:
        registers = self._program.subjects(self._feeds(subjects))
        if sum(map(len, rows)) < _PAIRS_APART * len(rows):
            yield from self._together(registers, rows)
            return
        since = 0
        for place, some in enumerate(rows):
            scores = np.empty(len(some), dtype=np.float32)
            for start in range(0, len(some), self._pairs_at_once):
                if since >= self._pairs_at_once:
                    since = 0
                    yield None
                part = slice(start, start + self._pairs_at_once)
                scores[part] = self._program.of_one(registers, place, some[part])
                since += len(some[part])
            yield scores

    def _together(self, registers: Registers, rows: Sequence[NDArray[np.intp]]) -> Iterator[NDArray[np.float32] | None]:
        counts = [len(some) for some in rows]
        owners, items = np.repeat(np.arange(len(rows)), counts), np.concatenate(rows)
        scores = np.empty(len(items), dtype=np.float32)
        for start in range(0, len(items), self._pairs_at_once):
            part = slice(start, start + self._pairs_at_once)
            scores[part] = self._program.of_many(registers, owners[part], items[part])
            yield None
        yield from np.split(scores, np.cumsum(counts)[:-1])

    def _feeds(self, subjects: Sequence[Subject]) -> Mapping[str, NDArray[Any]]:
        strangers = self._sequences.users
        users = np.array([strangers if each.row is None else each.row for each in subjects], dtype=np.intp)
        features = self._features.rows(users, [each.features for each in subjects])
        return {
            Feeds.USER: users,
            Feeds.SPARSE: features.sparse,
            Feeds.DENSE: features.dense,
            **self._sequences.feeds(subjects),
        }


def open_network(folder: Path, manifest: Manifest, catalogue: CatalogueArrays) -> NetworkScorer:
    """Map a version's files and check them. Raises ModelDamaged."""
    missing = sorted({*NetworkArrays.files(), PROGRAM_FILE} - manifest.files.keys())
    if missing:
        raise ModelDamaged(manifest.version, FILE_NAME, "all files of a network listed", f"no {', '.join(missing)}")
    facts, side = NetworkFacts.from_json(manifest.version, manifest.facts.get(KIND))
    arrays = NetworkArrays.open(folder)
    users, items = len(catalogue.user_ids), len(catalogue.item_ids)
    if arrays.sizes != (users, items):
        file = file_name("network_item_vectors")
        raise ModelDamaged(manifest.version, file, f"{users} users and {items} items", arrays.sizes)
    columns = (arrays.network_user_sparse.shape[1], arrays.network_user_dense.shape[1])
    if columns != (len(side.sparse), len(side.dense)):
        raise ModelDamaged(manifest.version, FILE_NAME, f"{columns} features of users", len(side.names))
    program = NetworkProgram(ProgramFile.open(folder, arrays).program, arrays.network_weights)
    features = UserFeatures(side, FeatureRows(arrays.network_user_sparse, arrays.network_user_dense))
    similar = ItemSimilarity(arrays.network_item_vectors, bias_columns=0)
    return NetworkScorer(program, items, Sequences(facts, catalogue), features, similar)
