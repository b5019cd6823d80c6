"""What serving is compared with, each in a process of its own: `python -m port_worker.bench.serving.peers NAME`.

A line of JSON on stdin is a command, a line on stdout its answer:
{"do": "open", "folder": F}, a version's folder -> {}; {"do": "time", "batches": [[row, ...], ...]} -> {"ms": [...]};
{"do": "rank", "rows": [row, ...]} -> {"items": [[row, ...], ...]}. Rows are those of the version's users and items.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from port_worker.store.catalogue import CatalogueArrays
    from port_worker.store.embedding import EmbeddingArrays

N = 10
"""Items that every peer is asked for."""

LIBRECOMMENDER, FAISS, ARITHMETIC, APPROXIMATE = "LibRecommender", "faiss", "arithmetic", "approximate"


class Peer(Protocol):
    """Ranks items for users; what is timed is `rank`."""

    def open(self, folder: Path) -> None:
        """Take the vectors of a version."""
        ...

    def prepared(self, rows: Sequence[int]) -> Any:
        """The users as `rank` takes them."""
        ...

    def rank(self, users: Any) -> Any:
        """Their best items, in whatever form comes naturally."""
        ...

    def items(self, ranked: Any) -> list[list[int]]:
        """Those as item rows, best first."""
        ...


class LibRecommender:
    """`recommend_user` of a LibRecommender model whose embeddings are those of the version."""

    def __init__(self) -> None:
        from port_worker.training.fit import load_libraries

        load_libraries()
        self._model: Any = None

    def open(self, folder: Path) -> None:
        """As `Peer.open`."""
        from port_worker.bench.serving.librecommender_model import model_of

        self._model = model_of(folder)

    def prepared(self, rows: Sequence[int]) -> Any:
        """The id of a lone user, else a list: a list of one takes longer."""
        ids = [self._model.data_info.id2user[row] for row in rows]
        return ids[0] if len(ids) == 1 else ids

    def rank(self, users: Any) -> Any:
        """As `Peer.rank`."""
        return self._model.recommend_user(users, N)

    def items(self, ranked: Any) -> list[list[int]]:
        """As `Peer.items`."""
        rows = self._model.data_info.item2id
        return [[rows[one] for one in found.tolist()] for found in ranked.values()]


class Faiss:
    """IndexFlatIP with one thread. It filters nothing: the items that a user has met are among the best."""

    def __init__(self) -> None:
        self._faiss: Any = importlib.import_module("faiss")
        self._faiss.omp_set_num_threads(1)
        self._index: Any = None
        self._users: Any = None

    def open(self, folder: Path) -> None:
        """As `Peer.open`."""
        _catalogue, vectors = _arrays(folder)
        self._users = vectors.user_vectors
        self._index = self._faiss.IndexFlatIP(vectors.item_vectors.shape[1])
        self._index.add(vectors.item_vectors)

    def prepared(self, rows: Sequence[int]) -> Any:
        """As `Peer.prepared`."""
        return self._users[list(rows)]

    def rank(self, users: Any) -> Any:
        """As `Peer.rank`."""
        return self._index.search(users, N)

    def items(self, ranked: Any) -> list[list[int]]:
        """As `Peer.items`."""
        found: list[list[int]] = ranked[1].tolist()
        return found


class Arithmetic:
    """What this worker does to rank, without a protocol around it; the items that a user has met are left out.

    Args:
        index: `exact` or `approximate`, as the setting of a worker.
    """

    def __init__(self, index: str) -> None:
        self._index = index
        self._ranking: Any = None
        self._users: Any = None
        self._consumed: Any = None

    def open(self, folder: Path) -> None:
        """As `Peer.open`."""
        import numpy as np

        from port_worker.bench.serving.arithmetic import vector_ranking

        catalogue, vectors = _arrays(folder)
        self._users = vectors.user_vectors
        ends = catalogue.consumed_indptr
        self._consumed = [
            catalogue.consumed_items[ends[row] : ends[row + 1]].astype(np.intp) for row in range(len(self._users))
        ]
        self._ranking = vector_ranking(folder, vectors, self._index)

    def prepared(self, rows: Sequence[int]) -> Any:
        """As `Peer.prepared`."""
        return self._users[list(rows)], [self._consumed[row] for row in rows], [None] * len(rows), [N] * len(rows)

    def rank(self, users: Any) -> Any:
        """As `Peer.rank`."""
        return [ranked for ranked in self._ranking.rank_vectors(*users) if ranked is not None]

    def items(self, ranked: Any) -> list[list[int]]:
        """As `Peer.items`."""
        return [one.rows.tolist() for one in ranked]


def _arrays(folder: Path) -> tuple[CatalogueArrays, EmbeddingArrays]:
    from port_worker.store.catalogue import CatalogueArrays
    from port_worker.store.embedding import EmbeddingArrays

    return CatalogueArrays.open(folder), EmbeddingArrays.open(folder)


def serve(peer: Peer, commands: IO[str], answers: IO[str]) -> None:
    """Do what comes until nothing more does."""
    for line in commands:
        answers.write(json.dumps(_done(peer, json.loads(line))) + "\n")
        answers.flush()


def _done(peer: Peer, command: Mapping[str, Any]) -> dict[str, Any]:
    match command["do"]:
        case "open":
            peer.open(Path(command["folder"]))
            return {}
        case "time":
            return {"ms": [_ms(peer, peer.prepared(rows)) for rows in command["batches"]]}
        case "rank":
            return {"items": peer.items(peer.rank(peer.prepared(command["rows"])))}
    raise AssertionError(f"no command of a peer: {command['do']}")


def _ms(peer: Peer, users: Any) -> float:
    began = time.perf_counter()
    peer.rank(users)
    return (time.perf_counter() - began) * 1e3


def peer_named(name: str) -> Peer:
    """The peer of that name. Raises ImportError where its library is not installed."""
    if name == LIBRECOMMENDER:
        return LibRecommender()
    return Faiss() if name == FAISS else Arithmetic("exact" if name == ARITHMETIC else name)


def main(make: Callable[[], Peer]) -> None:
    """Serve a peer on the standard streams; a first line says whether it is there."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print
    try:
        peer = make()
    except ImportError as error:
        answers.write(json.dumps({"missing": str(error)}) + "\n")
        return
    answers.write(json.dumps({"missing": None}) + "\n")
    answers.flush()
    serve(peer, sys.stdin, answers)


if __name__ == "__main__":
    main(lambda: peer_named(sys.argv[1]))
