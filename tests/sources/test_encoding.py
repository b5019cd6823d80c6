"""Ids in pieces become one column, with pyarrow and without."""

from __future__ import annotations

import sys
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from port_worker.sources import encoding
from port_worker.sources.columns import IdColumn
from port_worker.sources.encoding import UUID, IdEncoder

few = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
UUIDS = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=4)


@pytest.fixture(params=["pyarrow", "numpy"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    else:
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(encoding, "_MERGE_ROWS", 5)  # so that merging happens in the midst


def encoded(pieces: list[np.ndarray[Any, Any]]) -> IdColumn:
    encoder = IdEncoder()
    for piece in pieces:
        encoder.add(piece)
    return encoder.column()


def check(column: IdColumn, values: list[Any]) -> None:
    assert column.values.tolist() == values
    assert column.ids.tolist() == sorted(set(values))
    assert column.codes.dtype == np.int32


@few
@given(pieces=st.lists(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), min_size=1), min_size=1))
def test_integers(pieces: list[list[int]]) -> None:
    check(
        encoded([np.array(piece, dtype=np.int64) for piece in pieces]), [value for piece in pieces for value in piece]
    )


@few
@given(pieces=st.lists(st.lists(st.text("abé世", min_size=1, max_size=5), min_size=1), min_size=1))
def test_texts_of_different_widths(pieces: list[list[str]]) -> None:
    octets = [[text.encode() for text in piece] for piece in pieces]
    check(encoded([np.array(piece) for piece in octets]), [value for piece in octets for value in piece])


@few
@given(pieces=st.lists(UUIDS | st.just([bytes(16), b"\0" * 15 + b"\1", b"a" + bytes(15)]), min_size=1))
def test_uuids_become_text_in_the_same_order(pieces: list[list[bytes]]) -> None:
    arrays = [np.frombuffer(b"".join(piece), UUID) for piece in pieces]
    check(encoded(arrays), [str(uuid.UUID(bytes=value)).encode() for piece in pieces for value in piece])


def test_columns_of_a_page_are_views_into_it() -> None:
    page = np.zeros(3, dtype=[("user", UUID), ("other", ">i8")])
    page["user"] = np.frombuffer(bytes(range(48)), UUID)
    column = encoded([page["user"], page["user"][::-1]])
    assert column.codes.tolist() == [0, 1, 2, 2, 1, 0]
