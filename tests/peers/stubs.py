"""Starts the stub worker with the faults that a test asks for."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from port_worker.host import WorkerHost
from protocol.codec import codec

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def stub_command(**faults: Any) -> list[str]:
    """The command line of a stub worker; `stub_worker.py` lists the faults."""
    return [sys.executable, str(ROOT / "tests" / "peers" / "stub_worker.py"), json.dumps(faults)]


def start_stub(**faults: Any) -> WorkerHost:
    """A host of a stub worker."""
    return WorkerHost.start(stub_command(**faults), env=ENVIRONMENT, codec=codec(faults.get("codec", "etf")))
