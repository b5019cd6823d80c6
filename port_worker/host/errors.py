"""What can go wrong between a host and its worker."""

from __future__ import annotations

from typing import Any


class HostError(Exception):
    """A call has no result."""


class WorkerError(HostError):
    """The worker answered with an error; `code` is of the closed set in protocol/errors.py."""

    def __init__(self, code: str, message: str, *, retryable: bool, details: dict[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = details


class WorkerGone(HostError):  # noqa: N818 (the name says what is so, not what went wrong)
    """There is no worker at the other end. `returncode` as subprocess has it (-9: killed); None while it still runs."""

    def __init__(self, why: str, returncode: int | None) -> None:
        super().__init__(why)
        self.returncode = returncode


class CallTimeout(HostError):  # noqa: N818 (as asyncio and concurrent.futures once named theirs)
    """The worker runs and did not answer in time, not even that the deadline had passed."""
