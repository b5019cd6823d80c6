"""What an answer, or none, means to the load, as a frame of the kind that `Load` reads from its workers."""

from __future__ import annotations

import json
from http import HTTPStatus
from struct import Struct
from typing import NamedTuple

from port_worker.bench.http.replies import Reply
from port_worker.bench.wire import Answer

OVERLOADED = "overloaded"
DEADLINE = "deadline"
TIMEOUT = "timeout"
REFUSED = "connection_refused"
RESET = "connection_reset"
FAILED = "connection_failed"

PRIMARY, FALLBACK = "primary", "fallback"
"""Of a good answer whose JSON says, with a boolean `fallback` at its top, whether a fallback list was given."""

_CODES: dict[int, str] = {
    HTTPStatus.TOO_MANY_REQUESTS: OVERLOADED,
    HTTPStatus.SERVICE_UNAVAILABLE: OVERLOADED,
    HTTPStatus.GATEWAY_TIMEOUT: DEADLINE,
}

_ID = Struct(">i")
_FLAG = b'"fallback"'


class Outcome(NamedTuple):
    """`code` None for a good answer; `source` where that says what it is."""

    code: str | None
    source: str | None = None


def outcome_of(reply: Reply) -> Outcome:
    """2xx is good; anything else, a redirection too, is an error."""
    if 200 <= reply.status < 300:
        return Outcome(None, _source(reply.body))
    return Outcome(_CODES.get(reply.status, f"http_{reply.status}"))


def _source(body: bytes) -> str | None:
    if _FLAG not in body:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # no JSON, or brackets without end
        return None
    flag = document.get("fallback") if isinstance(document, dict) else None
    return (FALLBACK if flag else PRIMARY) if isinstance(flag, bool) else None


def code_of(error: OSError) -> str:
    """Of a connection that failed."""
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    return RESET if isinstance(error, ConnectionResetError | BrokenPipeError) else FAILED


def framed(call_id: int, outcome: Outcome) -> bytes:
    """The id, whether it is good, and the source or the code."""
    good = outcome.code is None
    return _ID.pack(call_id) + (b"\1" if good else b"\0") + ((outcome.source if good else outcome.code) or "").encode()


class OutcomeReader:
    """Reads those frames."""

    def read(self, payload: bytes) -> Answer:
        """The facts of an answer."""
        name = payload[5:].decode() or None
        good = payload[4] == 1
        return Answer(_ID.unpack_from(payload)[0], None if good else name, name if good else None)


def asked(payload: bytes) -> tuple[int, bytes]:
    """The id and the request of a frame that `Prepared.payload` made."""
    return _ID.unpack_from(payload)[0], payload[4:]
