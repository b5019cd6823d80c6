"""A plan carried out: one model, or a retriever and a ranker that are served as one."""

from __future__ import annotations

from dataclasses import replace

from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.item_index import FACT as INDEX
from port_worker.store.two_stage import KIND
from port_worker.store.variables import VariablesFile
from port_worker.training import fit
from port_worker.training.dataset import TrainingData
from port_worker.training.export import catalogue_part
from port_worker.training.exported import Exported
from port_worker.training.index_export import IndexSettings, build_index
from port_worker.training.plan import Plan
from port_worker.training.progress import Reporter, StageReporter
from port_worker.training.start import Start


def fitting(plan: Plan, n_items: int, n_users: int) -> Plan:
    """The plan with parameters that can be used with so many items and users. Raises TrainingError."""
    params = fit.fitting_params(plan.algorithm, plan.params, n_items, n_users)
    if plan.retriever is None:
        return replace(plan, params=params)
    retriever_params = fit.fitting_params(plan.retriever, plan.retriever_params, n_items)
    return replace(plan, params=params, retriever_params=retriever_params)


def trained(plan: Plan, data: TrainingData, reporter: Reporter, index: str, start: Start | None = None) -> Exported:
    """All files and facts of a version; `index` as `Settings.index`. `start` is of the same plan."""
    exported = _of_plan(plan, data, reporter, start)
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


def without_variables(exported: Exported) -> Exported:
    """The same model without what a later training could start from."""
    return replace(exported, parts=tuple(part for part in exported.parts if not isinstance(part, VariablesFile)))


def _of_plan(plan: Plan, data: TrainingData, reporter: Reporter, start: Start | None) -> Exported:
    shared = catalogue_part(data)
    if plan.retriever is None:
        model = fit.fit(plan.algorithm, plan.params, data, reporter, start)
        return replace(model, parts=(*shared.parts, *model.parts), facts=shared.facts | model.facts)
    retriever = fit.fit(plan.retriever, plan.retriever_params, data, StageReporter(reporter, 0, 2), start)
    ranker = fit.fit(plan.algorithm, plan.params, data, StageReporter(reporter, 1, 2), start)
    facts = shared.facts | retriever.facts | ranker.facts | {"candidates": plan.candidates}
    return Exported(KIND, (*shared.parts, *retriever.parts, *ranker.parts), facts)
