"""LibRecommender's ranking networks as peers: `python -m port_worker.bench.serving.network_peer SPEC`.

SPEC is JSON: {"network": name, "items": n, "users": n}. Opening a folder trains the network, briefly, and publishes it
there: in `full`, and behind a retriever in `two_stage_N` for each number of candidates. Then it is a peer as others
are: `recommend_user` of the very model that was published.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from port_worker.bench.serving.peers import N, Peer, main

RETRIEVER = "ALS"
FULL = "full"
CANDIDATES = (200, 500)


@dataclass(frozen=True)
class Spec:
    """Which network, on how large a catalogue."""

    network: str
    items: int
    users: int

    def text(self) -> str:
        """What the program takes."""
        return json.dumps({"network": self.network, "items": self.items, "users": self.users})


def two_stage(candidates: int) -> str:
    """The folder of the home of so many candidates."""
    return f"two_stage_{candidates}"


class RankingNetwork:
    """`recommend_user` of a network, one user at a time: it holds a tensor of all items for each."""

    def __init__(self, spec: Spec) -> None:
        from port_worker.training.fit import load_libraries

        load_libraries()
        self._spec = spec
        self._model: Any = None

    def open(self, folder: Path) -> None:
        """Train and publish; as `Peer.open` from then on."""
        from port_worker.bench.serving.training import publish_stages

        self._model = publish_stages(folder, self._spec)

    def prepared(self, rows: Sequence[int]) -> Any:
        """Its ids are our rows."""
        return [int(row) for row in rows]

    def rank(self, users: Any) -> Any:
        """As `Peer.rank`."""
        return [self._model.recommend_user(user, N)[user] for user in users]

    def items(self, ranked: Any) -> list[list[int]]:
        """As `Peer.items`."""
        return [found.tolist() for found in ranked]


def peer_of(spec: str) -> Peer:
    """The peer that SPEC describes. Raises ImportError where LibRecommender is not installed."""
    return RankingNetwork(Spec(**json.loads(spec)))


if __name__ == "__main__":
    main(lambda: peer_of(sys.argv[1]))
