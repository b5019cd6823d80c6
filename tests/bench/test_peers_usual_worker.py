"""The baseline: a worker of the usual kind, with a stub in place of its model, in this process and in its own."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import erlang
import pytest

from port_worker.bench.peers.usual import UsualWorker
from port_worker.bench.peers.usual_worker import serve
from port_worker.bench.serving.pipe import NoAnswerError
from port_worker.bench.serving.world import World
from tests.bench.peers_stand_ins import small_world
from tests.peers.stubs import ENVIRONMENT

STUB = """
import sys
from pathlib import Path
from port_worker.bench.peers.usual_worker import serve
from port_worker.store.catalogue import CatalogueArrays
catalogue = CatalogueArrays.open(Path(sys.argv[1]))
users, items = ([one.decode() for one in ids.tolist()] for ids in (catalogue.user_ids, catalogue.item_ids))
serve(lambda user, n: items[users.index(user):][:n], sys.stdin.buffer, sys.stdout.buffer)
"""
"""User number r gets the items r, r + 1, ..."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small_world(tmp_path_factory.mktemp("home"))


@pytest.fixture
def usual(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[UsualWorker]:
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    with UsualWorker(world, [sys.executable, "-c", STUB, str(world.folder)]) as worker:
        yield worker


def framed(*terms: object) -> bytes:
    payloads = [erlang.term_to_binary(term) for term in terms]
    return b"".join(struct.pack(">I", len(one)) + one for one in payloads)


def test_each_frame_is_answered_by_a_frame_in_turn() -> None:
    atom, binary = erlang.OtpErlangAtom, erlang.OtpErlangBinary
    asked = io.BytesIO(framed(*((atom(b"recommend"), number, binary(b"ada"), number) for number in (2, 3))))
    answered = io.BytesIO()
    serve(lambda user, n: [f"{user}-{place}" for place in range(n)], asked, answered)
    lists = [[binary(f"ada-{place}".encode()) for place in range(n)] for n in (2, 3)]
    assert answered.getvalue() == framed((atom(b"ok"), 2, lists[0]), (atom(b"ok"), 3, lists[1]))


def test_it_answers_from_its_own_process(usual: UsualWorker) -> None:
    assert usual.ranked([5, 0]) == [list(range(5, 15)), list(range(10))]


@pytest.mark.parametrize("in_flight", [1, 8])
def test_every_request_is_timed(usual: UsualWorker, in_flight: int) -> None:
    flow = usual.flow([list(range(in_flight))] * 4)
    assert len(flow.ms) == 4 * in_flight
    assert all(0 < ms <= flow.seconds * 1e3 for ms in flow.ms)


def test_one_that_ends_says_why(world: World, tmp_path: Path) -> None:
    with (
        UsualWorker(world, [sys.executable, "-c", "raise SystemExit('no model here')"]) as worker,
        pytest.raises(NoAnswerError, match="the usual worker ended with status 1: no model here"),
    ):
        worker.ranked([0])
