"""A worker whose libraries print to standard output, from Python, from C and from a child process.

Takes the worker's own arguments. Before it serves, and in every model call, it writes in each of these ways.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from port_worker import cli, worker

_serve = worker.run


def make_noise(when: str) -> None:
    print(f"python prints {when}", flush=True)  # noqa: T201 this is the noise
    c = ctypes.CDLL(None)
    c.puts(f"c prints {when}".encode())
    c.fflush(None)
    os.write(1, f"descriptor 1 takes {when}\n".encode())
    subprocess.run(["echo", f"a child prints {when}"], check=True)


def run(args: Namespace) -> int:
    make_noise("before serving")
    from port_worker.serving.recommender import Recommender

    quiet = Recommender.answer

    def answer(self: Recommender, asked: Sequence[Any]) -> Iterator[Any]:
        make_noise("while serving")
        return quiet(self, asked)

    Recommender.answer = answer  # type: ignore[method-assign]
    return _serve(args)


worker.run = run
sys.exit(cli.main(["worker", *sys.argv[1:]]))
