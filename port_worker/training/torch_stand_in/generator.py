"""torch's random numbers on a CPU, drawn from numpy: the same Mersenne Twister, seeded and cut up in the same way.

Source: ATen's CPUGeneratorImpl, DistributionTemplates.h (random) and TensorFactories.cpp (randperm); a test compares
them with torch where that is installed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WORD = 2**32


class Generator:
    """One stream of 32-bit words. `seed` may be any integer of 64 bits: torch keeps its lower 32."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.RandomState(seed % _WORD)

    def int63(self) -> int:
        """What `torch.empty((), dtype=torch.int64).random_()` draws: 0 to 2**63 - 1."""
        high, low = (int(word) for word in self._draw(2))
        return (high * _WORD + low) % 2**63

    def permutation(self, size: int) -> list[int]:
        """What `torch.randperm(size)` draws, for sizes below 200 million: a Fisher-Yates shuffle from the front."""
        order = list(range(size))
        remaining = np.arange(size, 1, -1, dtype=np.uint32)
        for position, offset in enumerate((self._draw(len(remaining)) % remaining).tolist()):
            order[position], order[position + offset] = order[position + offset], order[position]
        return order

    def _draw(self, count: int) -> NDArray[np.uint32]:
        return self._words.randint(0, _WORD, size=count, dtype=np.uint32)


class _Default:
    """torch's process-wide generator."""

    generator = Generator(0)


def manual_seed(seed: int) -> None:
    """Start the process-wide generator anew, as `torch.manual_seed` does."""
    _Default.generator = Generator(seed)


def default_generator() -> Generator:
    """The process-wide generator."""
    return _Default.generator
