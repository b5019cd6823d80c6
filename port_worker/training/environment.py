"""The environment of a child process that runs a module of this package. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

import port_worker


def of_child() -> dict[str, str]:
    """This package importable from any working directory, and nothing that lies in that directory instead of it."""
    root = str(Path(port_worker.__file__).parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
