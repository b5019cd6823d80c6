"""A model, popularity and the active model on the same held-out items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from port_worker.evaluation.bias import shares
from port_worker.evaluation.gate import Comparison, Lead
from port_worker.evaluation.metrics import ABSENT, Metrics, Rankings, metrics, standard_error
from port_worker.evaluation.policy import CUTOFF, GatePolicy
from port_worker.evaluation.rankings import popular, recommended
from port_worker.serving.catalogue import Catalogue
from port_worker.serving.opening import ServedModel

if TYPE_CHECKING:
    from port_worker.store.manifest import Json

FACT = "evaluation"
"""The name of an `Evaluation` among a manifest's facts."""


@dataclass(frozen=True, eq=False)
class Held:
    """What was held out: rows of the candidate's users and items, (n,) int64, and when they met, (n,) unix seconds."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """Figures of one evaluation. `active` is on the users that `beside` tells of; None where it was not asked.

    standard_error: of the candidate's lead over popularity, in NDCG. bias: shares by decile of the items' popularity,
    of what users have `met`, and of what the `candidate` recommends.
    """

    users: int
    candidate: Metrics
    popularity: Metrics
    standard_error: float
    bias: Mapping[str, Sequence[float]]
    active: Metrics | None = None
    active_version: str | None = None
    beside: Comparison | None = None

    @property
    def lead(self) -> Lead:
        """Over popularity."""
        return Lead(self.users, self.candidate.ndcg, self.popularity.ndcg, self.standard_error)

    def to_json(self) -> dict[str, Json]:
        """As a manifest and the wire have it."""
        return {
            "users": self.users,
            "cutoff": CUTOFF,
            "candidate": asdict(self.candidate),
            "popularity": asdict(self.popularity),
            "standard_error": self.standard_error,
            "bias": {name: list(shares) for name, shares in self.bias.items()},
            "active": None if self.active is None else asdict(self.active),
            "active_version": self.active_version,
            "basis": None if self.beside is None else self.beside.basis,
            "compared_users": None if self.beside is None else self.beside.users,
        }


def evaluate(candidate: ServedModel, held: Held, active: ServedModel | None, policy: GatePolicy) -> Evaluation:
    """`candidate` has not learnt what is `held`, of at least two users."""
    catalogue = candidate.recommender.catalogue
    user_ids, item_ids = catalogue.users.column(held.users), catalogue.arrays.item_ids
    met_by = catalogue.arrays.item_popularity

    def figures(rankings: Rankings) -> Metrics:
        return metrics(rankings, met_by, len(catalogue.users))

    own = Rankings(recommended(candidate.recommender, user_ids, item_ids, CUTOFF), held.items)
    most_popular = Rankings(popular(catalogue, held.users, CUTOFF), held.items)
    bias = _bias(catalogue, own)
    known = Evaluation(len(held.users), figures(own), figures(most_popular), standard_error(own, most_popular), bias)
    if active is None:
        return known
    newer = held.times > _learnt_until(active)
    if np.count_nonzero(newer) < policy.minimum_users:
        return _beside_recorded(known, active)
    asked = recommended(active.recommender, user_ids[newer], item_ids, CUTOFF)
    theirs = figures(Rankings(asked, held.items[newer]))
    ours = figures(own.of(newer))
    beside = Comparison("holdout" if newer.all() else "newer", len(asked), ours.ndcg, theirs.ndcg)
    return replace(known, active=theirs, active_version=active.version, beside=beside)


def _bias(catalogue: Catalogue, rankings: Rankings) -> dict[str, list[float]]:
    order, met_by = catalogue.arrays.popular_items, catalogue.arrays.item_popularity
    shown = rankings.items[rankings.items != ABSENT]
    return {
        "met": shares(order, np.arange(len(order)), met_by),
        "candidate": shares(order, shown, np.ones(len(shown), dtype=np.int64)),
    }


def _learnt_until(model: ServedModel) -> int:
    """Unix seconds; what was not said is taken for everything, since a model that knows the answers wins."""
    found = model.manifest.facts.get("learnt_until")
    return found if isinstance(found, int) else np.iinfo(np.int64).max


def _beside_recorded(known: Evaluation, active: ServedModel) -> Evaluation:
    """What the active model has learnt is most of what is held out: what was measured before it learnt that counts."""
    recorded = recorded_metrics(active.manifest.facts.get(FACT))
    if recorded is None:
        return known
    beside = Comparison("recorded", known.users, known.candidate.ndcg, recorded.ndcg)
    return replace(known, active=recorded, active_version=active.version, beside=beside)


def recorded_metrics(fact: Any) -> Metrics | None:
    """Those of the model itself, in the fact of an `Evaluation`; None where there is none."""
    found = fact.get("candidate") if isinstance(fact, Mapping) else None
    try:
        return Metrics(**{name: float(value) for name, value in found.items()}) if isinstance(found, Mapping) else None
    except (TypeError, ValueError):
        return None
