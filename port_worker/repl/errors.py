"""What a command says when it fails, whichever room the reason comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from port_worker.host import CallTimeout, HostError, WorkerError, WorkerGone
from port_worker.sources.errors import SourceError
from port_worker.training.errors import TrainingError
from protocol.errors import ProtocolError


class CommandError(Exception):
    """A command cannot be carried out, for a reason that the REPL itself sees.

    `code` is of protocol/errors.py where one fits; else `unknown_command`, `unknown_user` or `home_unusable`.
    """

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})


@dataclass(frozen=True)
class Failure:
    """A failed command, ready to be shown."""

    code: str
    message: str
    retryable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


_FROM_ROOMS = (CommandError, SourceError, TrainingError, ProtocolError, WorkerError)

EXPECTED = (*_FROM_ROOMS, HostError)
"""The exceptions that a command may end with."""


def failure(error: Exception) -> Failure:
    """What to show of one of the EXPECTED exceptions."""
    if isinstance(error, _FROM_ROOMS):
        return Failure(error.code, error.message, bool(getattr(error, "retryable", False)), error.details)
    if isinstance(error, WorkerGone):
        return Failure("worker_gone", str(error), True, {"returncode": error.returncode})
    assert isinstance(error, CallTimeout)
    return Failure("deadline_exceeded", str(error), True)
