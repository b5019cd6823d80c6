"""Python's cyclic collector, kept out of the way while one large term is built."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

LARGE_BYTES = 64 * 1024
"""A payload from which on the collector would start, again and again, to walk what is not garbage."""


def paused(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call the function while nothing is collected. The collector has to be enabled before, and is again afterwards."""
    gc.disable()
    try:
        return function(*arguments)
    finally:
        gc.enable()
