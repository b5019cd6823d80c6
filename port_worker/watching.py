"""A look at the store now and then: whether another process has made another version active."""

from __future__ import annotations

import math
from collections.abc import Callable

from port_worker.store.models import ModelStore


class Watch:
    """When to look, and what is new. A look is one `stat` while nothing changes.

    Args:
        store: whose pointer it looks at; what it says now is known already.
        seconds: between two looks; 0 is never.
        clock: monotonic seconds.
    """

    def __init__(self, store: ModelStore, seconds: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._seen = store.pointers.signature()
        self._looks_at = self._next()

    @property
    def looks_at(self) -> float:
        """When to look next; infinite if never."""
        return self._looks_at

    def look(self, served: str | None) -> str | None:
        """The active version, if it has changed since the last look and is not the one served; else None.

        Each change is told once, whatever becomes of it. Raises ModelDamaged when no stored version is active, OSError.
        """
        self._looks_at = self._next()
        seen = self._store.pointers.signature()
        if seen == self._seen:
            return None
        self._seen = seen
        active = self._store.active()
        return active if active != served else None

    def _next(self) -> float:
        return self._clock() + self._seconds if self._seconds else math.inf
