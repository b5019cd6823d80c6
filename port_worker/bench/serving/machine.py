"""What a run ran on: the processor, what numpy multiplies with, and the versions of all that was compared."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from port_worker.bench.machine import machine

_LIBRARIES = ("numpy", "LibRecommender", "onnxruntime", "faiss-cpu", "tensorflow")
_CPUINFO = Path("/proc/cpuinfo")


def described() -> dict[str, Any]:
    """As `machine`, and `cpu`, `blas`, and `libraries`: name to version, None where it is not installed."""
    return machine() | {"cpu": _cpu(), "blas": _blas(), "libraries": {name: _version(name) for name in _LIBRARIES}}


def _cpu() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _blas() -> str:
    import numpy as np

    found: Any = np.show_config(mode="dicts")
    blas = found.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _version(name: str) -> str | None:
    # `version` raises for a folder without metadata, and an import would cost what this is to describe.
    found = list(importlib.metadata.distributions(name=name))
    return found[0].version if found else None
