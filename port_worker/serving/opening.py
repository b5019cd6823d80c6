"""From a stored version to a model that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from port_worker.serving.catalogue import Catalogue
from port_worker.serving.freshness import Freshness, Live
from port_worker.serving.ranking import FullRanking, Ranking, Scorer
from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import Id
from port_worker.serving.steps import Steps
from port_worker.store.arrays import Arrays, file_name
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import KIND as EMBEDDING
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.encoder import EncoderArrays
from port_worker.store.encoder import files as encoder_files
from port_worker.store.errors import ModelDamaged
from port_worker.store.item_index import open_index
from port_worker.store.manifest import FILE_NAME, Json, Manifest
from port_worker.store.models import ModelStore
from port_worker.store.neighbourhood import KIND as NEIGHBOURHOOD
from port_worker.store.neighbourhood import NeighbourhoodArrays, NeighbourhoodFacts
from port_worker.store.network import KIND as NETWORK
from port_worker.store.two_stage import KIND as TWO_STAGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from port_worker.serving.embedding import EmbeddingScorer, VectorRanking
    from port_worker.serving.encoders.encoder import Encoder

SUPPORT: Mapping[str, str] = {
    "features": "TwoTower, YouTubeRetrieval and the ranking networks but NCF, trained on a source with features",
    "recent": "every model but ranking networks that take no sequence",
    "diversity": "every model",
    "similar": "every model",
    "explain": "every model",
    "metric": "dot by embedding models, alone or as retrievers",
}
"""An option of a call to the models that honour it, for an error that says so."""


@dataclass(frozen=True)
class Opening:
    """How models are opened.

    index: `exact` leaves a version's index alone; `auto` and `approximate` use it. threads: of the arithmetic.
    """

    index: str = "auto"
    threads: int = 1


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A version that answers."""

    manifest: Manifest
    recommender: Recommender
    preparations: tuple[Steps[None], ...] = ()

    def prepare(self) -> Steps[None]:
        """Make what answers faster; it answers before, too."""
        for each in self.preparations:
            yield from each

    @property
    def version(self) -> str:
        """Its name in the store."""
        return self.manifest.version

    @property
    def algorithm(self) -> str:
        """LibRecommender's name of it; of two stages, the retriever's and the ranker's."""
        return self.manifest.algorithm

    @property
    def kind(self) -> str:
        """embedding, neighbourhood, network or two_stage."""
        return self.manifest.kind

    @property
    def options(self) -> frozenset[str]:
        """What of a call's options it can honour."""
        return self.recommender.scorer.options

    def has_learnt(self, rows: Sequence[tuple[Id, Id, float]]) -> list[bool]:
        """Of each (user, item, time): whether the training met the pair, at that time or later."""
        learnt_until = self.manifest.facts.get("learnt_until")
        if not isinstance(learnt_until, int):
            return [False] * len(rows)
        catalogue = self.recommender.catalogue
        return [time <= learnt_until and catalogue.has_met(user, item) for user, item, time in rows]


@dataclass(frozen=True, eq=False)
class _Opened:
    """A version's folder while it is opened."""

    store: ModelStore
    manifest: Manifest
    catalogue: Catalogue
    opening: Opening
    preparations: list[Steps[None]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.store.folder(self.manifest.version)

    @property
    def facts(self) -> Mapping[str, Json]:
        return self.manifest.facts


def open_model(store: ModelStore, version: str, live: Live, opening: Opening | None = None) -> ServedModel:
    """Map a version's arrays. That its files are what was published is for `store.verify` to check before.

    Raises UnknownVersion, ModelDamaged.
    """
    manifest = store.read(version)
    build = _BUILDERS.get(manifest.kind)
    if build is None:
        raise ModelDamaged(version, FILE_NAME, f"a kind of {', '.join(_BUILDERS)}", manifest.kind)
    _check_listed(manifest, CatalogueArrays)
    arrays = CatalogueArrays.open(store.folder(version))
    _check_sizes(manifest, (len(arrays.user_ids), len(arrays.item_ids)), "item_ids.npy")
    catalogue = Catalogue(arrays, _kinds(manifest), all_teach=manifest.facts.get("all_teach") is True)
    opened = _Opened(store, manifest, catalogue, opening or Opening())
    scorer, ranking = build(opened)
    recommender = Recommender(catalogue, scorer, ranking, Freshness(live, catalogue))
    return ServedModel(manifest, recommender, tuple(opened.preparations))


def _kinds(manifest: Manifest) -> Sequence[str]:
    kinds = manifest.facts.get("kinds", [])
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        raise ModelDamaged(manifest.version, FILE_NAME, "facts.kinds to be a list of names", kinds)
    return [str(kind) for kind in kinds]


def _embedding_scorer(opened: _Opened) -> EmbeddingScorer:
    from port_worker.serving.embedding import EmbeddingScorer
    from port_worker.serving.fold_in import open_fold_in
    from port_worker.serving.similar import ItemSimilarity

    manifest = opened.manifest
    _check_listed(manifest, EmbeddingArrays)
    arrays = EmbeddingArrays.open(opened.folder)
    _check_sizes(manifest, arrays.sizes, "item_vectors.npy")
    biases = manifest.facts.get("bias_columns", 0)
    similarity = ItemSimilarity(arrays.item_vectors, biases if isinstance(biases, int) else 0)
    fold_in = open_fold_in(opened.folder, manifest, arrays.item_vectors)
    return EmbeddingScorer(arrays, similarity, fold_in, _encoder(opened, arrays))


def _encoder(opened: _Opened, beside: EmbeddingArrays) -> Encoder | None:
    from port_worker.serving.encoders.encoder import ArrayEncoder

    described = opened.facts.get("encoder")
    if described is None:
        return None
    stored = EncoderArrays.open(opened.folder, described, beside)
    _check_files(opened.manifest, encoder_files(stored.description))
    return ArrayEncoder(stored)


def _embedding(opened: _Opened) -> tuple[Scorer, Ranking]:
    from port_worker.serving.embedding import EmbeddingRanking

    scorer = _embedding_scorer(opened)
    return scorer, EmbeddingRanking(scorer, _vector_ranking(opened, scorer.item_vectors))


def _vector_ranking(opened: _Opened, item_vectors: NDArray[np.float32]) -> VectorRanking:
    """By the version's index, where it has one and exact ranking was not asked for."""
    from port_worker.serving.approximate import ApproximateRanking
    from port_worker.serving.screening import ScreenedRanking, exact_ranking

    index = None if opened.opening.index == "exact" else open_index(opened.folder, opened.manifest, item_vectors)
    if index is not None:
        return ApproximateRanking(item_vectors, *index)
    ranking = exact_ranking(item_vectors, opened.opening.threads)
    if isinstance(ranking, ScreenedRanking):
        opened.preparations.append(ranking.prepare())
    return ranking


def _neighbourhood(opened: _Opened) -> tuple[Scorer, Ranking]:
    from port_worker.serving.neighbourhood import NeighbourhoodScorer

    manifest, catalogue = opened.manifest, opened.catalogue.arrays
    facts = NeighbourhoodFacts.from_json(manifest.version, opened.facts.get(NEIGHBOURHOOD))
    _check_listed(manifest, NeighbourhoodArrays)
    arrays = NeighbourhoodArrays.open(opened.folder)
    problem = arrays.catalogue_problem(manifest.users, manifest.items)
    if problem:
        raise ModelDamaged(manifest.version, file_name(problem.array), problem.expected, problem.found)
    scorer = NeighbourhoodScorer(facts, arrays, catalogue)
    return scorer, scorer


def _network(opened: _Opened) -> tuple[Scorer, Ranking]:
    from port_worker.serving.network import open_network

    scorer = open_network(opened.folder, opened.manifest, opened.catalogue.arrays)
    return scorer, FullRanking(scorer)


def _two_stage(opened: _Opened) -> tuple[Scorer, Ranking]:
    from port_worker.serving.two_stage import TwoStageRanking, TwoStageScorer

    retriever, retrieval = _embedding(opened)
    ranker, _ranking = _network(opened)
    scorer = TwoStageScorer(retriever, ranker)
    candidates = opened.manifest.facts.get("candidates")
    if type(candidates) is not int or candidates < 1:
        raise ModelDamaged(opened.manifest.version, FILE_NAME, "facts.candidates to be a count", candidates)
    return scorer, TwoStageRanking(scorer, retrieval, opened.catalogue.most_popular, candidates)


_BUILDERS: Mapping[str, Callable[[_Opened], tuple[Scorer, Ranking]]] = {
    EMBEDDING: _embedding,
    NEIGHBOURHOOD: _neighbourhood,
    NETWORK: _network,
    TWO_STAGE: _two_stage,
}


def _check_listed(manifest: Manifest, kind: type[Arrays]) -> None:
    _check_files(manifest, kind.files())


def _check_files(manifest: Manifest, files: Sequence[str]) -> None:
    missing = sorted(set(files) - manifest.files.keys())
    if missing:
        raise ModelDamaged(manifest.version, FILE_NAME, "all arrays listed", f"no {', '.join(missing)}")


def _check_sizes(manifest: Manifest, found: tuple[int, int], file: str) -> None:
    described = (manifest.users, manifest.items)
    if described != found:
        raise ModelDamaged(manifest.version, file, f"{described} users and items", found)
