from __future__ import annotations

import numpy as np
import pytest

from port_worker.sources import growing
from port_worker.sources.growing import GrowingArray


@pytest.mark.parametrize("sizes", [[], [0], [1], [3, 0, 4], [5, 5, 5], [17], [1] * 30])
def test_what_was_appended_is_there_in_order(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "_STEP", 5)
    array, expected = GrowingArray(np.int64), list(range(sum(sizes)))
    for start, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        array.append(np.arange(start, start + size))
    assert len(array) == len(expected)
    taken = array.taken()
    assert taken.tolist() == expected
    assert str(taken.dtype) == "int64"
    assert (len(array), array.taken().tolist()) == (0, [])
