"""Questions that a worker may not be able to answer: one that lacks an op, a model or an option is not judged on it."""

from __future__ import annotations

import uuid
from typing import Any

from port_worker.conformance.peer import Peer
from port_worker.conformance.verdicts import SkippedError, expect_ok

STRANGER = str(uuid.UUID(int=0x5EED)).encode()
"""A user whom no model knows, and whom nobody has fed."""


def offered(peer: Peer, op: str) -> None:
    """See that hello names an op. Raises SkippedError."""
    ops = peer.hello.get("ops")
    if not isinstance(ops, list) or op not in ops:
        raise SkippedError(f"hello.ops has no {op}")


def with_options(peer: Peer) -> None:
    """See that `recommend` takes the arguments that came with `recommend_many`. Raises SkippedError."""
    offered(peer, "recommend_many")


def options(peer: Peer) -> list[bytes]:
    """What the model can do. Raises SkippedError without a model."""
    if not peer.has_model:
        raise SkippedError("it has no model")
    named = peer.hello["model"].get("options")
    return named if isinstance(named, list) else []


def answered(peer: Peer, op: str, **args: Any) -> Any:
    """The result of a call. Raises SkippedError where there is no such op, no model, or the model cannot do it."""
    offered(peer, op)
    can = options(peer)
    if op in ("similar", "explain") and op.encode() not in can:
        raise SkippedError(f"the model's options have no {op}")
    return expect_ok(peer.ask(op, args))


def recommended(peer: Peer, user: object = STRANGER, **args: Any) -> list[Any]:
    """The ids that are recommended to a user, of whom there must be some. Raises SkippedError."""
    ids = [item for item, _score in answered(peer, "recommend", user=user, **args)["items"]]
    if not ids:
        raise SkippedError("it recommends nothing")
    return ids
