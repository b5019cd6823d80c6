"""Peers: what they answer in their own process, and what is said of one that is not there."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from port_worker.bench.serving.peer_process import PeerProcess
from port_worker.bench.serving.peers import ARITHMETIC, Arithmetic, N, serve
from port_worker.bench.serving.pipe import NoAnswerError
from port_worker.bench.serving.world import Size, World, synthesise
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from tests.peers.stubs import ENVIRONMENT


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the peers' processes need to find the packages."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return synthesise(tmp_path_factory.mktemp("home"), Size(items=400, factors=8, users=60, met=12))


def best(world: World, row: int) -> list[int]:
    """By sorting all that the user has not met."""
    vectors, catalogue = EmbeddingArrays.open(world.folder), CatalogueArrays.open(world.folder)
    scores = vectors.item_vectors @ vectors.user_vectors[row]
    scores[catalogue.consumed_items[slice(*catalogue.consumed_indptr[row : row + 2])]] = -np.inf
    rows: list[int] = np.argsort(-scores, kind="stable")[:N].tolist()
    return rows


def test_commands_are_answered_a_line_each(world: World) -> None:
    commands = [
        {"do": "open", "folder": str(world.folder)},
        {"do": "time", "batches": [[1], [2, 3]]},
        {"do": "rank", "rows": [5, 6]},
    ]
    said = io.StringIO()
    serve(Arithmetic("exact"), io.StringIO("".join(json.dumps(one) + "\n" for one in commands)), said)
    opened, timed, ranked = map(json.loads, said.getvalue().splitlines())
    assert opened == {}
    assert len(timed["ms"]) == 2
    assert ranked == {"items": [best(world, 5), best(world, 6)]}


def test_a_peer_answers_from_its_own_process(world: World) -> None:
    with PeerProcess(ARITHMETIC) as peer:
        assert peer.missing is None
        peer.open(world.folder)
        assert peer.ranked([7]) == [best(world, 7)]
        assert len(peer.times([[1], [2], [3]])) == 3


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "faiss.py").write_text("raise ImportError('no faiss in this test')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}")
    with PeerProcess("faiss") as peer:
        assert peer.missing == "no faiss in this test"


def test_a_peer_that_ends_says_why(tmp_path: Path) -> None:
    with (
        PeerProcess(ARITHMETIC) as peer,
        pytest.raises(NoAnswerError, match=r"arithmetic ended with status 1: .*nowhere"),
    ):
        peer.open(tmp_path / "nowhere")
