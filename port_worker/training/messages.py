"""What the worker and its trainer tell each other: one JSON object a line. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from port_worker.evaluation.policy import GatePolicy
from port_worker.sources.definition import SourceDefinition
from port_worker.training.hyperparameter import Value
from port_worker.training.plan import CANDIDATES, Plan
from port_worker.training.progress import Progress


@dataclass(frozen=True)
class Job:
    """What to train, as in `plan.Plan`, and from what; `store` is a folder.

    mode, budget_s, activate: as arguments of `retrain`. gate: what a model has to prove. keep_variables: as the
    setting. remote: the URL that `store` is the cache of, if any.
    memory_limit: bytes that the trainer and what it starts may have resident; None for no limit.
    """

    source: SourceDefinition
    store: str
    algorithm: str
    params: dict[str, Value]
    retriever: str | None = None
    retriever_params: dict[str, Value] = field(default_factory=dict)
    candidates: int = CANDIDATES
    index: str = "auto"
    mode: str = "full"
    budget_s: float | None = None
    activate: str = "gated"
    gate: GatePolicy = field(default_factory=GatePolicy)
    memory_limit: int | None = None
    remote: str | None = None
    keep_variables: bool = True

    @property
    def plan(self) -> Plan:
        """The same as a plan."""
        return Plan(self.algorithm, self.params, self.retriever, self.retriever_params, self.candidates)


@dataclass(frozen=True)
class Done:
    """The model is published as `version`, and not yet active. `rows` are the source's.

    activate: whether it is to answer; `reason` says why, or why not. evaluation: as `Evaluation.to_json`.
    skipped: malformed rows, besides.
    """

    version: str
    algorithm: str
    rows: int
    users: int
    items: int
    duration_ms: int
    mode: str = "full"
    activate: bool = True
    reason: str = ""
    evaluation: dict[str, Any] | None = None
    skipped: int = 0


@dataclass(frozen=True)
class Failed:
    """There is no model. `code` is of the wire's closed set; `details` holds what JSON can hold."""

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_memory(cls, limit: int, peak: int) -> Failed:
        """The training wanted more memory than it may have; both in bytes."""
        more = "" if peak > limit else " and a request for more"
        message = f"training: expected at most {limit >> 20} MiB of memory, got {peak >> 20} MiB{more}"
        return cls("training_failed", message, {"reason": "memory", "limit_bytes": limit, "peak_bytes": peak})


TrainerMessage: TypeAlias = Progress | Done | Failed

_KINDS: dict[str, type[Job | Progress | Done | Failed]] = {
    kind.__name__: kind for kind in (Job, Progress, Done, Failed)
}


def encode(message: Job | TrainerMessage) -> bytes:
    """The line, its newline included. Raises ValueError for NaN and infinity."""
    document = {"kind": type(message).__name__, **asdict(message)}
    return json.dumps(document, allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Job | TrainerMessage:
    """The message that `encode` wrote. Raises ValueError for anything else."""
    document = json.loads(line)
    if not isinstance(document, dict) or document.get("kind") not in _KINDS:
        raise ValueError("no message of a trainer")
    kind = _KINDS[document.pop("kind")]
    if kind is Job:
        document["source"] = SourceDefinition.from_json(document.get("source"))
    try:
        if kind is Job:
            document["gate"] = GatePolicy(**document["gate"])
        return kind(**document)
    except (KeyError, TypeError) as error:
        raise ValueError(str(error)) from error
