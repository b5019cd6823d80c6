"""LibRecommender's own serving, as its documentation runs it: a Sanic server, Redis and a faiss index.

It is a folder of LibRecommender's repository and in no package, so a checkout is named. Everything listens on loopback,
on ports that were free, and ends with the run.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from port_worker.bench.peers import libserving_loader
from port_worker.bench.peers.contender import item_rows
from port_worker.bench.peers.http_link import HttpLink, body_of, post
from port_worker.bench.peers.libserving_export import export
from port_worker.bench.serving.child import Child
from port_worker.bench.serving.closed_loop import Encoded, Flow, closed_loop
from port_worker.bench.serving.peers import N
from port_worker.bench.serving.rounds import Batches
from port_worker.bench.serving.world import World

REDIS = "redis-server"
SERVER = Path("libserving", "sanic_serving", "embed_deploy.py")
"""In a checkout."""

_IMPORTS = "import sanic, pydantic, ujson, redis.asyncio, numpy, faiss"
_PATH = "/embed/recommend"
_START_S = 60.0
_LOOK_S = 0.05


class NotStartedError(Exception):
    """Something that libserving needs did not start; the message says what and why."""


class LibServing:
    """Its server as a `Contender`, with as many connections as are asked for."""

    leaves_out_met = True

    def __init__(self, link: HttpLink, world: World) -> None:
        self._link = link
        self._users = world.users(slice(None))
        self._item_rows = item_rows(world)
        self._ids = count(1)

    def flow(self, batches: Batches) -> Flow:
        """As `Contender`."""
        return closed_loop(self._link, self._encoded([row for batch in batches for row in batch]), len(batches[0]))

    def ranked(self, rows: Sequence[int]) -> list[list[int]]:
        """As `Contender`."""
        found: list[list[int]] = []
        for request in self._encoded(rows):
            self._link.send_encoded([request])
            [(_id, response)] = self._link.some_answers()
            [items] = body_of(response).values()
            found.append([self._item_rows[item] for item in items])
        return found

    def _encoded(self, rows: Sequence[int]) -> list[Encoded]:
        return [
            (request_id, post(_PATH, {"user": self._users[row], "n_rec": N}))
            for row, request_id in zip(rows, self._ids, strict=False)
        ]


def missing(checkout: Path | None, python: str) -> str | None:
    """Why libserving cannot run here; None if it can."""
    if checkout is None:
        return "no --libserving DIR names a checkout of LibRecommender"
    if shutil.which(REDIS) is None:
        return f"{REDIS} is not installed"
    try:
        ran = subprocess.run([python, "-I", "-c", _IMPORTS], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{python} does not run: {(error.strerror or str(error)).lower()}"
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines() or [f"status {ran.returncode}"]
        return f"{python} cannot run it: {said[-1]}"
    return None


@contextmanager
def served(checkout: Path, python: str, world: World, connections: int) -> Iterator[LibServing]:
    """Redis, filled, and the server on it. Raises NotStartedError."""
    with tempfile.TemporaryDirectory(prefix="port-worker-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        try:
            redis_port = _start_redis(stack, folder)
            _load(checkout, python, world, folder, redis_port)
            port = _start_server(stack, checkout, python, folder, redis_port)
            link = stack.enter_context(HttpLink(port, connections))
        except OSError as error:
            raise NotStartedError(str(error)) from error
        yield LibServing(link, world)


def _start_redis(stack: ExitStack, folder: Path) -> int:
    port = free_port()
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(folder)}
    child = Child([REDIS, *(word for name, value in options.items() for word in (f"--{name}", value))], signalled=True)
    wait_for_port(stack.enter_context(child), REDIS, port)
    return port


def _load(checkout: Path, python: str, world: World, folder: Path, redis_port: int) -> None:
    files = folder / "export"
    files.mkdir()
    export(world.folder, files)
    loader = str(Path(libserving_loader.__file__).resolve())
    words = [str(checkout), str(files), str(world.folder / "item_vectors.npy"), str(folder / "faiss_index.bin")]
    ran = subprocess.run([python, "-I", loader, *words, str(redis_port)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines() or [f"status {ran.returncode}"]
        raise NotStartedError(f"Redis could not be filled: {said[-1]}")


def _start_server(stack: ExitStack, checkout: Path, python: str, folder: Path, redis_port: int) -> int:
    """It looks for its index beside its own folder, which is therefore a copy."""
    shutil.copytree(checkout / SERVER.parent, folder / SERVER.parent.name)
    port = free_port()
    argv = [python, "-m", "sanic", f"{SERVER.parent.name}.{SERVER.stem}:app", "--host=127.0.0.1", f"--port={port}"]
    environment = {"REDIS_HOST": f"127.0.0.1:{redis_port}", "PYTHONPATH": str(folder)}
    child = Child([*argv, "--no-access-logs", "--single-process"], environment, signalled=True)
    wait_for_port(stack.enter_context(child), "libserving's server", port)
    return port


def free_port() -> int:
    """One of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(child: Child, name: str, port: int) -> None:
    """Until the process listens there. Raises NotStartedError when it ends, or does not within a minute."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if child.process.poll() is not None:
            raise NotStartedError(f"{name} {child.end()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_LOOK_S).close()
        except OSError:
            time.sleep(_LOOK_S)
        else:
            return
    raise NotStartedError(f"{name} did not listen within {_START_S:g} s")
