"""What a training is to make: one algorithm's model, or two stages. Standard library only: the worker imports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from port_worker.training.catalogue import ALGORITHMS, Params, validate
from port_worker.training.errors import TrainingError

CANDIDATES = 500
"""Items that a retriever hands to a ranker: see the README for what 200 and 500 find of a full ranking."""

RETRIEVER = "retriever."
"""What stands before the names of a retriever's hyper-parameters where those of both stages are together."""

_JOINED = "+"


@dataclass(frozen=True)
class Plan:
    """`params` are complete. With a retriever, `algorithm` is the ranker, and `candidates` how many items it orders."""

    algorithm: str
    params: Params
    retriever: str | None = None
    retriever_params: Params = field(default_factory=dict)
    candidates: int = CANDIDATES

    @property
    def name(self) -> str:
        """`ALS`, or `ALS+DeepFM`."""
        return self.algorithm if self.retriever is None else f"{self.retriever}{_JOINED}{self.algorithm}"

    @property
    def algorithms(self) -> list[str]:
        """In the order in which they are fitted."""
        return [self.algorithm] if self.retriever is None else [self.retriever, self.algorithm]

    @property
    def all_params(self) -> Params:
        """The parameters as a manifest has them: those of a retriever with its role before their names."""
        return {**self.params, **{f"{RETRIEVER}{name}": value for name, value in self.retriever_params.items()}}


def make_plan(
    algorithm: str,
    params: Mapping[str, object],
    retriever_params: Mapping[str, object] | None = None,
    candidates: int = CANDIDATES,
    *,
    epochs: int | None = None,
    seed: int | None = None,
) -> Plan:
    """Check an algorithm's name, or two of them as `RETRIEVER+RANKER`, and their hyper-parameters.

    epochs, seed: in place of `n_epochs` and `seed` of each.

    Raises TrainingError as `catalogue.validate`, and `unknown_algorithm` that names the role where two make no pair.
    """
    general = {name: value for name, value in (("n_epochs", epochs), ("seed", seed)) if value is not None}
    retriever, joined, ranker = algorithm.partition(_JOINED)
    if not joined:
        return Plan(algorithm, validate(algorithm, {**params, **general}))
    _check_role("retriever", retriever, "embedding")
    _check_role("ranker", ranker, "network")
    of_retriever = validate(retriever, {**(retriever_params or {}), **general})
    return Plan(ranker, validate(ranker, {**params, **general}), retriever, of_retriever, candidates)


def _check_role(role: str, algorithm: str, kind: str) -> None:
    known = [name for name, each in ALGORITHMS.items() if each.kind == kind]
    if algorithm not in known:
        message = f"{role}: expected one of {', '.join(known)}, got {algorithm[:80]!r}"
        raise TrainingError("unknown_algorithm", message, {"field": role, "algorithm": algorithm[:80], "known": known})
