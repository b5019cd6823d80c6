"""A plan carried out: one model, or a retriever and a ranker that are served as one."""

from __future__ import annotations

from dataclasses import replace

from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.item_index import FACT as INDEX
from port_worker.store.two_stage import KIND
from port_worker.training import fit
from port_worker.training.catalogue import Params
from port_worker.training.dataset import TrainingData
from port_worker.training.export import catalogue_part
from port_worker.training.exported import Exported
from port_worker.training.index_export import IndexSettings, build_index
from port_worker.training.plan import Plan
from port_worker.training.progress import Reporter, StageReporter

_RETRIEVER = "retriever."


def fitting(plan: Plan, n_items: int, n_users: int) -> Plan:
    """The plan with parameters that can be used with so many items and users. Raises TrainingError."""
    params = fit.fitting_params(plan.algorithm, plan.params, n_items, n_users)
    if plan.retriever is None:
        return replace(plan, params=params)
    retriever_params = fit.fitting_params(plan.retriever, plan.retriever_params, n_items)
    return replace(plan, params=params, retriever_params=retriever_params)


def all_params(plan: Plan) -> Params:
    """The parameters as a manifest has them: those of a retriever with its role before their names."""
    return {**plan.params, **{f"{_RETRIEVER}{name}": value for name, value in plan.retriever_params.items()}}


def trained(plan: Plan, data: TrainingData, reporter: Reporter, index: str) -> Exported:
    """All files and facts of a version; `index` as `Settings.index`."""
    exported = _of_plan(plan, data, reporter)
    vectors = next((part for part in exported.parts if isinstance(part, EmbeddingArrays)), None)
    if vectors is None or index == "exact":
        return exported
    settings = IndexSettings(least_items=1, largest_share=1.0) if index == "approximate" else IndexSettings()
    built = build_index(vectors.item_vectors, vectors.user_vectors, settings)
    parts = exported.parts if built.arrays is None else (*exported.parts, built.arrays)
    return replace(exported, parts=parts, facts=exported.facts | {INDEX: built.facts})


def with_catalogue(exported: Exported, data: TrainingData) -> Exported:
    """The same model with all of `data` as what users have met, though it has learnt from less."""
    shared = catalogue_part(data)
    parts = tuple(part for part in exported.parts if not isinstance(part, CatalogueArrays))
    return replace(exported, parts=(*shared.parts, *parts), facts=exported.facts | shared.facts)


def _of_plan(plan: Plan, data: TrainingData, reporter: Reporter) -> Exported:
    shared = catalogue_part(data)
    if plan.retriever is None:
        model = fit.fit(plan.algorithm, plan.params, data, reporter)
        return replace(model, parts=(*shared.parts, *model.parts), facts=shared.facts | model.facts)
    retriever = fit.fit(plan.retriever, plan.retriever_params, data, StageReporter(reporter, 0, 2))
    ranker = fit.fit(plan.algorithm, plan.params, data, StageReporter(reporter, 1, 2))
    facts = shared.facts | retriever.facts | ranker.facts | {"candidates": plan.candidates}
    return Exported(KIND, (*shared.parts, *retriever.parts, *ranker.parts), facts)
