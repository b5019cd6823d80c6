"""What would stall, crash or bloat a careless decoder is refused, and in little memory."""

from __future__ import annotations

import gc
import tracemalloc
import zlib

import pytest

from protocol.codec import codec
from protocol.errors import ProtocolError
from protocol.etf import decode
from protocol.limits import MAX_FRAME_BYTES

V = b"\x83"
MANY_KEYS = b"".join(b"\x62" + key.to_bytes(4, "big") + b"\x6a" for key in range(20_000))
HOSTILE = {
    "100,000 nested lists": V + b"\x6c\0\0\0\x01" * 100_000 + b"\x6a" * 100_001,
    "100,000 nested tuples": V + b"\x68\x01" * 100_000 + b"\x6a",
    "100,000 nested maps": V + b"\x74\0\0\0\x01\x61\x01" * 100_000 + b"\x6a",
    "a bignum of 1 MB": V + b"\x6f\0\x10\0\0\0" + b"\xff" * 2**20,
    "a frame full of NIL": V + b"\x6c\x00\xff\xff\xf0" + b"\x6a" * (MAX_FRAME_BYTES - 20),
    "strings in a list, 255 times over the limit of terms": V
    + b"\x6c\0\0\x01\x00"
    + (b"\x6b\xff\xff" + bytes(65_535)) * 255
    + b"\x6a\x6a",
    "a length of 2^32-1": V + b"\x6c\xff\xff\xff\xff",
    "a map of 20,000 keys": V + b"\x74\0\0\x4e\x20" + MANY_KEYS,
    "a bomb of zlib": V + b"\x50\x40\0\0\0" + zlib.compress(bytes(2**20)),
}
_MOST_BYTES = 32 * 2**20


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_terms_are_refused_within_bounds(name: str) -> None:
    data = HOSTILE[name]
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError) as error:
            decode(data)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.value.code == "malformed_term"
    assert peak < _MOST_BYTES


@pytest.mark.parametrize("name", ["etf", "msgpack"])
def test_the_collector_waits_while_a_large_term_is_built_and_no_longer(name: str) -> None:
    chosen = codec(name)
    large = chosen.encode([[70_000 + index] for index in range(15_000)])
    collections: list[str] = []
    gc.callbacks.append(lambda phase, _info: collections.append(phase))
    try:
        kept = chosen.decode(large)
        seen = len(collections)
    finally:
        del gc.callbacks[-1]
    assert len(kept) == 15_000
    assert seen <= 4  # one or two collections at the ends instead of twenty in between
    assert gc.isenabled()
    with pytest.raises(ProtocolError):
        chosen.decode(large + b"\0")
    assert gc.isenabled()
