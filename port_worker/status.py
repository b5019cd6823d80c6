"""What a worker knows of itself: memory, heavy modules, counts."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import psutil

_HEAVY = ("tensorflow", "torch", "libreco", "pandas", "scipy", "sklearn", "gensim", "pyarrow")


@dataclass
class Counters:
    """Since the start: calls answered, errors sent, model calls made for `recommend`."""

    answered: int = 0
    errors: int = 0
    batches: int = 0


def resident_bytes() -> int:
    """Resident set size of this process, in bytes."""
    return int(psutil.Process().memory_info().rss)


def heavy_modules() -> list[str]:
    """Which packages of the trainer are imported here. Serving an embedding model needs none."""
    return [name for name in _HEAVY if name in sys.modules]
