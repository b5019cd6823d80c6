"""From what a training starts, and who allows it. Standard library only: the worker imports it.

    full          from nothing, on all data
    warm          from the active model's variables, on all data
    incremental   from the active model's variables, on what is newer than the data that it has learnt

A mode that cannot be honoured is refused before anything is fitted, and never made a full training in silence.
"""

from __future__ import annotations

from collections.abc import Mapping

from port_worker.training.catalogue import ALGORITHMS, Mode
from port_worker.training.errors import TrainingError
from port_worker.training.hyperparameter import Value
from port_worker.training.plan import RETRIEVER, Plan

FULL: Mode = "full"
INCREMENTAL: Mode = "incremental"

_OF_LEARNING = frozenset({
    *("n_epochs", "seed", "lr", "lr_wide", "lr_deep", "lr_decay", "epsilon", "amsgrad", "reg", "batch_size"),
    *("loss_type", "margin", "temperature", "alpha", "beta", "use_cg", "sampler", "num_neg", "num_sampled_per_batch"),
    *("use_correction", "remove_accidental_hits", "dropout_rate", "node_dropout", "message_dropout", "remove_edges"),
})  # fmt: skip
"""Hyper-parameters of how a model learns. All others say what it is, and must be those of the model it starts from."""


def refused_mode(mode: str, expected: str, got: object, **details: object) -> TrainingError:
    """The error for a mode that cannot be honoured."""
    message = f"mode: {mode} expects {expected}, got {got}"
    return TrainingError(
        "unsupported_option", message, {"field": "mode", "mode": mode, "expected": expected, "got": str(got), **details}
    )


def check_mode(plan: Plan, mode: str) -> None:
    """Raises TrainingError `unsupported_option` for an algorithm of the plan that does not allow the mode."""
    for name in plan.algorithms:
        if mode not in ALGORITHMS[name].modes:
            allowed = [each.name for each in ALGORITHMS.values() if mode in each.modes]
            expected = f"one of {', '.join(allowed)}"
            raise refused_mode(mode, expected, name, known=allowed, modes=list(ALGORITHMS[name].modes))


def other_model(theirs: Mapping[str, object], ours: Mapping[str, Value]) -> dict[str, tuple[object, object]]:
    """The hyper-parameters by which a model of `ours` is another one than that of `theirs`: both values of each.

    Both are as `Plan.all_params` has them.
    """
    structural = [name for name in ours if name.removeprefix(RETRIEVER) not in _OF_LEARNING]
    return {name: (theirs.get(name), ours[name]) for name in structural if theirs.get(name) != ours[name]}
