"""How a worker is started."""

from __future__ import annotations

import sys
from pathlib import Path


def worker_command(
    home: Path | str, source: str | None = None, *, fixture: bool = False, codec: str = "etf"
) -> list[str]:
    """The command line of a worker that runs in this Python.

    Args:
        home: where its data and models live.
        source: what it learns from, as `sources.open_source` takes it; the home's own world when None.
        fixture: let it write the seeded world into the home first, where there is none.
        codec: how terms are written as bytes; the host uses the same. Always named, lest the environment
            names another.
    """
    argv = [sys.executable, "-m", "port_worker", "worker", "--home", str(home), "--codec", codec]
    if source is not None:
        argv += ["--source", source]
    if fixture:
        argv.append("--fixture")
    return argv
