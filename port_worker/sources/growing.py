"""An array that grows at its end, without a second copy of it and without many small pieces in memory."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_Scalar = TypeVar("_Scalar", bound=np.generic)

_STEP = 1 << 20  # elements: megabytes, which the system moves by their page table when the array grows


class GrowingArray(Generic[_Scalar]):
    """One dimension of elements of a type."""

    def __init__(self, dtype: type[_Scalar]) -> None:
        self._dtype = dtype
        self._array: NDArray[Any] = np.empty(0, dtype=dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, values: NDArray[_Scalar]) -> None:
        """Add elements at the end."""
        end = self._length + len(values)
        if end > len(self._array):
            self._array.resize(-(-end // _STEP) * _STEP, refcheck=False)  # nobody else has it
        self._array[self._length : end] = values
        self._length = end

    def taken(self) -> NDArray[_Scalar]:
        """All elements; the array is empty afterwards."""
        whole, length = self._array, self._length
        self._array, self._length = np.empty(0, dtype=self._dtype), 0
        whole.resize(length, refcheck=False)
        return whole
