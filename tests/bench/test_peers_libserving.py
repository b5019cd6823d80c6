"""LibRecommender's own server: why it cannot run somewhere, and how it is started, with stand-ins for its programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from port_worker.bench.peers import libserving, libserving_loader
from port_worker.bench.peers.libserving import NotStartedError, missing, served
from port_worker.bench.peers.libserving_export import export
from port_worker.bench.serving.world import World
from port_worker.store.catalogue import CatalogueArrays
from port_worker.store.embedding import EmbeddingArrays
from tests.bench.peers_stand_ins import FAILS, LISTENS, SERVES, program, small_world
from tests.test_arrows import imports


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small_world(tmp_path_factory.mktemp("home"))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    server = tmp_path / "checkout" / libserving.SERVER
    server.parent.mkdir(parents=True)
    server.write_text("", encoding="utf-8")
    return tmp_path / "checkout"


def test_without_a_checkout_it_is_not_measured(programs: Path) -> None:
    assert missing(None, sys.executable) == "no --libserving DIR names a checkout of LibRecommender"


def test_without_redis_it_is_not_measured(programs: Path, checkout: Path) -> None:
    assert missing(checkout, sys.executable) == "redis-server is not installed"


def test_a_python_that_lacks_a_module_is_named_with_it(programs: Path, checkout: Path) -> None:
    program(programs, "redis-server", LISTENS)
    python = program(programs, "python", "raise ImportError(\"No module named 'sanic'\")")
    assert missing(checkout, str(python)) == f"{python} cannot run it: ImportError: No module named 'sanic'"


def test_a_python_that_is_not_there_is_named(programs: Path, checkout: Path) -> None:
    program(programs, "redis-server", LISTENS)
    assert missing(checkout, "no-such-python") == "no-such-python does not run: no such file or directory"


def test_its_server_answers_by_our_ids(world: World, programs: Path, checkout: Path) -> None:
    program(programs, "redis-server", LISTENS)
    python = str(program(programs, "python", SERVES))
    assert missing(checkout, python) is None
    with served(checkout, python, world, connections=4) as contender:
        assert contender.ranked([7, 0]) == [list(range(7, 17)), list(range(10))]
        assert len(contender.flow([[1, 2, 3, 4]] * 3).ms) == 12


def test_a_redis_that_fails_says_why(world: World, programs: Path, checkout: Path) -> None:
    program(programs, "redis-server", FAILS)
    with (
        pytest.raises(NotStartedError, match="redis-server ended with status 1: cannot bind here"),
        served(checkout, sys.executable, world, connections=1),
    ):
        pass


def test_a_redis_that_cannot_be_filled_says_why(world: World, programs: Path, checkout: Path) -> None:
    program(programs, "redis-server", LISTENS)
    python = program(programs, "python", FAILS)
    with (
        pytest.raises(NotStartedError, match="Redis could not be filled: cannot bind here"),
        served(checkout, str(python), world, connections=1),
    ):
        pass


def test_the_export_is_the_version(world: World, tmp_path: Path) -> None:
    export(world.folder, tmp_path)
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()}
    catalogue, vectors = CatalogueArrays.open(world.folder), EmbeddingArrays.open(world.folder)
    [user] = world.users([5])
    assert found["user2id"][user] == 5
    assert found["id2item"]["9"] == world.item_ids[9].decode()
    assert found["item2id"][found["id2item"]["9"]] == 9
    ends = catalogue.consumed_indptr
    assert found["user_consumed"]["5"] == catalogue.consumed_items[ends[5] : ends[6]].tolist()
    assert (np.array(found["user_embed"]["5"], dtype=np.float32) == vectors.user_vectors[5]).all()


def test_redis_is_filled_by_the_checkout_s_own_code_and_the_index_is_exact(
    world: World, checkout: Path, tmp_path: Path
) -> None:
    faiss = pytest.importorskip("faiss")
    path = checkout / "libserving" / "serialization" / "redis.py"
    path.parent.mkdir()
    path.write_text(
        "from pathlib import Path\n"
        "def embed2redis(path, host, port):\n"
        "    Path(path, 'filled').write_text(f'{host}:{port}')\n",
        encoding="utf-8",
    )
    index = tmp_path / "faiss_index.bin"
    libserving_loader.main(str(checkout), str(tmp_path), str(world.folder / "item_vectors.npy"), str(index), "6400")
    assert (tmp_path / "filled").read_text(encoding="utf-8") == "127.0.0.1:6400"
    vectors = EmbeddingArrays.open(world.folder)
    [[found]] = faiss.read_index(str(index)).search(vectors.user_vectors[:1], 1)[1].tolist()
    assert found == int(np.argmax(vectors.item_vectors @ vectors.user_vectors[0]))


def test_the_loader_needs_nothing_of_ours() -> None:
    """It runs in a Python that has libserving's packages alone."""
    names = {name.split(".")[0] for name in imports(Path(libserving_loader.__file__))}
    assert names - sys.stdlib_module_names == {"faiss", "numpy"}
