"""What a bench ran on."""

from __future__ import annotations

import os
import platform
from typing import Any


def machine() -> dict[str, Any]:
    """What a run ran on, and how busy it was besides."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "load_average_1m": load,
        "python": platform.python_version(),
    }
