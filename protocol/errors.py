"""The closed set of error codes, and the one exception that carries them.

A code never changes its meaning. `retryable` tells a caller that the same call may succeed later, on this worker or
on another, with nothing changed by the caller. Codes are atoms on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Fault(Enum):
    """Whose doing an error is: what has to change before the call can succeed."""

    CALLER = "caller"
    DATA = "data"
    WORKER = "worker"


@dataclass(frozen=True)
class CodeFacts:
    """What SPEC.md's table of errors says of one code."""

    fault: Fault
    retryable: bool
    meaning: str


def _caller(meaning: str) -> CodeFacts:
    return CodeFacts(Fault.CALLER, retryable=False, meaning=meaning)


def _data(meaning: str) -> CodeFacts:
    return CodeFacts(Fault.DATA, retryable=False, meaning=meaning)


def _worker(meaning: str, *, retryable: bool) -> CodeFacts:
    return CodeFacts(Fault.WORKER, retryable=retryable, meaning=meaning)


CODES: Mapping[str, CodeFacts] = {
    "malformed_term": _caller("the frame does not hold exactly one permitted term"),
    "malformed_message": _caller("the term is not a message of this protocol"),
    "frame_too_large": _caller("the frame's length is above limits.max_frame_bytes; the worker ends"),
    "id_in_use": _caller("a call with this id is still in flight"),
    "unknown_op": _caller("there is no such op"),
    "missing_argument": _caller("a required argument is absent"),
    "unknown_argument": _caller("the op has no argument of this name"),
    "invalid_argument": _caller("an argument has the wrong type or lies outside its range"),
    "unknown_item": _caller("the model does not know the item that the call is about"),
    "unsupported_option": _caller("the active model cannot honour an option; `details` names which can"),
    "too_many_hidden": _caller("more items would be hidden than a worker keeps"),
    "reply_too_large": _caller("the reply would be above limits.max_frame_bytes; ask for less"),
    "unknown_algorithm": _caller("there is no such algorithm"),
    "invalid_hyperparameter": _caller("a hyper-parameter is unknown, mistyped or out of range"),
    "algorithm_unavailable": _worker("the algorithm needs the extra `graph`", retryable=False),
    "training_unavailable": _worker("this worker was installed without the extra `train`", retryable=False),
    "training_in_progress": _worker("a retrain is running already", retryable=True),
    "training_failed": _worker("the trainer failed; the active model is untouched", retryable=False),
    "no_model": _worker("no model has been trained yet", retryable=True),
    "model_damaged": _worker("a model version's files differ from its manifest", retryable=False),
    "unknown_version": _caller("there is no stored model version of this name"),
    "no_previous_version": _caller("no stored version was active before the active one"),
    "swap_in_progress": _worker("another version is being loaded already", retryable=True),
    "store_unavailable": _worker(
        "the model store is locked by another process, or cannot be reached or written", retryable=True
    ),
    "source_missing": _data("the source, or a table of it, is not there"),
    "source_unreadable": _data("the source is not of the stated format, or may not be read"),
    "source_missing_column": _data("a required column is absent"),
    "source_invalid_row": _data("a row has a value that cannot be used; the row is named"),
    "source_empty": _data("there are too few rows to learn from"),
    "feedback_unavailable": _worker("what was fed cannot be kept: the home cannot be written", retryable=True),
    "deadline_exceeded": _worker("the call's deadline passed before its answer was ready", retryable=True),
    "cancelled": _caller("the host cancelled the call"),
    "overloaded": _worker("more is in flight than limits.max_in_flight, or waits than limits.max_bulk", retryable=True),
    "draining": _worker("the worker accepts no more work; ask another", retryable=True),
    "internal": _worker("a defect in the worker; its log has the traceback", retryable=False),
}


class ProtocolError(Exception):
    """An error that has a code of the closed set.

    Args:
        code: a key of `CODES`.
        message: one sentence that names the field, what was expected and what came.
        details: the same as data; keys are strings, values are terms that `protocol.etf` can encode.
        call_id: the call that it answers, where one could be read.
    """

    def __init__(
        self, code: str, message: str, details: Mapping[str, Any] | None = None, call_id: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code if code in CODES else "internal"
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.call_id = call_id

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, unchanged."""
        return CODES[self.code].retryable
