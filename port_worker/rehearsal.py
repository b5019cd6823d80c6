"""Calls that nobody made, from frame to frame, before the first real one: what they load and map is there for it."""

from __future__ import annotations

import numpy as np

from port_worker.answering import Answering
from port_worker.scheduler import Lane, Work
from port_worker.serving.opening import ServedModel
from port_worker.serving.requests import Id
from protocol.arguments import parse_arguments
from protocol.codec import Codec
from protocol.inbound import read_inbound
from protocol.limits import Limits
from protocol.messages import Call, Ok, to_payload

_CALLS = 20


def rehearse(model: ServedModel, answering: Answering, codec: Codec, limits: Limits) -> None:
    """Answer `recommend` for users from all over the model; the answers are encoded, and thrown away."""
    users = model.recommender.catalogue.users
    rows = np.linspace(0, len(users) - 1, min(len(users), _CALLS), dtype=np.intp)
    for user in users.ids(rows):
        for ended in answering.start(model, [_received(user, codec, limits)]):
            for work, result in ended:
                to_payload(Ok(work.call_id, result), codec)


def _received(user: Id, codec: Codec, limits: Limits) -> Work:
    said = user.encode() if isinstance(user, str) else user
    call = read_inbound(to_payload(Call(0, "recommend", {"user": said}), codec), codec, limits)
    assert isinstance(call, Call)
    return Work(call.id, call.op, parse_arguments(call, limits), Lane.BATCH)
