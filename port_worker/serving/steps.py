"""Work in slices: a generator that yields where others may run, and returns its result at the end."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]


def finish(steps: Steps[T]) -> T:
    """Do all of it at once."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
