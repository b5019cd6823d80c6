"""What training says when it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping


class TrainingError(Exception):
    """A model cannot be trained.

    `code` is one of `unknown_algorithm`, `invalid_hyperparameter`, `unsupported_option` (a mode), `source_empty`,
    `algorithm_unavailable`, `training_unavailable` and `training_failed`; `details` says the same as `message` for
    programs, in what JSON can hold.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, object]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details)
