"""A service without pipes on a store with two small versions, told and heard by frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from port_worker.config import settings
from port_worker.service import Service
from port_worker.store.embedding import EmbeddingArrays
from port_worker.store.manifest import Json
from port_worker.store.models import ModelStore
from protocol.messages import Call, ErrorReply, Hello, Message, Ok, parse_outbound, plain, to_payload
from tests.models import catalogue_arrays, publish_embedding
from tests.worker.clock import Clock

_ITEMS = 40


def publish(store: ModelStore, slope: float, facts: Mapping[str, Json] | None = None) -> str:
    """A version that ranks the items upwards or downwards."""
    catalogue = catalogue_arrays([1, 2], range(_ITEMS), [[2], []], popularity=range(_ITEMS))
    items = slope * np.linspace(1, 2, _ITEMS, dtype=np.float32).reshape(-1, 1)
    vectors = EmbeddingArrays(user_vectors=np.ones((2, 1), np.float32), item_vectors=items.astype(np.float32))
    return publish_embedding(store, catalogue, vectors, facts=facts)


def two_activated(store: ModelStore) -> list[str]:
    """Two versions, of which the second is active and the first was before."""
    made = [publish(store, 1.0), publish(store, -1.0)]
    for version in made:
        store.activate(version)
    return made


def started(home: Path, sent: list[Message], clock: Clock, **environ: str) -> Service:
    """A service that has said its hello."""

    def hear(message: Message) -> None:
        """As a host does: from the frame."""
        sent.append(parse_outbound(to_payload(message)))

    service = Service(settings(home=home, environ=environ), hear, clock)
    service.open()
    assert isinstance(sent.pop(0), Hello)
    return service


def tell(service: Service, *calls: tuple[int, str, dict[str, Any]]) -> None:
    """Send calls, and let nothing be done yet."""
    for call_id, op, args in calls:
        service.receive(to_payload(Call(call_id, op, args)))


def work(service: Service) -> None:
    """Until it rests."""
    for _ in range(10_000):
        if not service.step():
            return
    raise AssertionError("it never rests")


def ask(service: Service, sent: list[Message], op: str, args: dict[str, Any] | None = None) -> Any:
    """The result of one call, or its error; other messages stay in `sent`."""
    tell(service, (99, op, args or {}))
    work(service)
    [answer] = [one for one in sent if isinstance(one, Ok | ErrorReply) and one.id == 99]
    sent.remove(answer)
    return plain(answer.result) if isinstance(answer, Ok) else answer
