"""Fitted ranking networks beside what serves them: LibRecommender's model, and our scorer as a worker opens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.network import NetworkScorer, open_network
from port_worker.serving.subject import Features, Subject
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.models import ModelStore
from port_worker.store.network import ProgramFile
from port_worker.store.program import Program
from port_worker.training import catalogue, fit
from port_worker.training.dataset import TrainingData
from port_worker.training.export import catalogue_arrays
from port_worker.training.progress import Progress, Reporter

NETWORKS = [name for name, algorithm in catalogue.ALGORITHMS.items() if algorithm.kind == "network"]
SEQUENTIAL = ["YouTubeRanking", "DIN", "Transformer", "SIM"]
WITH_FEATURES = [name for name in NETWORKS if catalogue.ALGORITHMS[name].features]
_QUICK: dict[str, object] = {"n_epochs": 1, "seed": 3, "batch_size": 512}


@dataclass(frozen=True, eq=False)
class Case:
    """`model` is LibRecommender's; `their` methods ask it, `scorer` is ours."""

    model: Any
    program: Program
    scorer: NetworkScorer
    catalogue: CatalogueArrays

    @property
    def users(self) -> int:
        return len(self.catalogue.user_ids)

    @property
    def items(self) -> int:
        return len(self.catalogue.item_ids)

    def subject(self, row: int, features: Features | None = None) -> Subject:
        """A known user as they were learnt."""
        start, end = self.catalogue.consumed_indptr[row : row + 2]
        taught = self.catalogue.consumed_weights[start:end] > 0
        items, weights = self.catalogue.consumed_items[start:end], self.catalogue.consumed_weights[start:end]
        return Subject(row, items[taught], weights[taught], fresh=False, features=features)

    def consumed(self, row: int) -> NDArray[np.intp]:
        return self.catalogue.consumed_items[slice(*self.catalogue.consumed_indptr[row : row + 2])].astype(np.intp)

    def their_scores(
        self, row: int, sequence: Sequence[int] | None = None, features: Mapping[str, object] | None = None
    ) -> NDArray[np.float32]:
        """(items,) what `recommend_user` ranks by; the number of users is the row of an unknown one."""
        from libreco.recommendation.preprocess import process_tf_feat

        feeds = process_tf_feat(self.model, [row], features, None if sequence is None else list(sequence), True)
        output = self.model.inference_output if self.model.model_name == "SIM" else self.model.output
        scores: NDArray[np.float32] = self.model.sess.run(output, feeds)
        return scores


def fitted(name: str, params: Mapping[str, object], data: TrainingData, root: Path) -> Case:
    """Trained, exported, published and opened."""
    checked = fit.fitting_params(name, catalogue.validate(name, {**_QUICK, **params}), len(data.item_ids))
    model, exported = fit.fitted(name, checked, data, Reporter(silent))
    arrays = catalogue_arrays(data)
    store = ModelStore(root)
    with store.stage() as staging:
        exported.write(staging.path)
        arrays.write(staging.path)
        manifest = staging.publish(
            algorithm=name, kind=exported.kind, params={}, users=len(data.user_ids), items=len(data.item_ids), rows=1,
            source="test", libraries={}, facts=exported.facts,
        )  # fmt: skip
    [program] = [part.program for part in exported.parts if isinstance(part, ProgramFile)]
    scorer = open_network(store.folder(manifest.version), store.read(manifest.version), arrays)
    return Case(model, program, scorer, arrays)


def silent(_progress: Progress) -> None:
    """Hear nothing."""


def arrays_of(steps: Iterator[NDArray[np.float32] | None]) -> list[NDArray[np.float32]]:
    """The results, without the ends of slices."""
    return [each for each in steps if each is not None]
