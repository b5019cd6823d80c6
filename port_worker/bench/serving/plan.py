"""How much a run measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Tell: TypeAlias = Callable[[str], None]
"""Says what is going on, a line each."""


@dataclass(frozen=True)
class Plan:
    """`quick`: a look at whether all of it runs, on sizes that no goal is about. `rounds`: each peer has a turn in one.

    sample_ms: about as long is a turn, or one call where that is longer. all_networks: all of those there are.
    """

    quick: bool
    rounds: int
    all_networks: bool = False

    @property
    def sample_ms(self) -> float:
        """See above. A closed loop of 64 calls fills and empties once a turn, for which its time is to be long."""
        return 20.0 if self.quick else 600.0
