"""The first answers of a model, given to nobody: pages are mapped and code is loaded before anyone waits for them."""

from __future__ import annotations

import numpy as np

from port_worker.serving.recommender import Recommender
from port_worker.serving.requests import RecommendRequest
from port_worker.serving.steps import Steps

_USERS = 64
_TIMES = 3
_N = 10


def warm(recommender: Recommender) -> Steps[None]:
    """Answer users from all over the catalogue, together, then a few alone."""
    users = recommender.catalogue.users
    rows = np.linspace(0, len(users) - 1, min(len(users), _USERS), dtype=np.intp)
    requests = [RecommendRequest(user, _N) for user in users.ids(rows)]
    for batch in [requests, *([request] for request in requests[:_TIMES])]:
        for _ready in recommender.answer([recommender.ask(request) for request in batch]):
            yield
