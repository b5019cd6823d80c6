"""What would stall, crash or bloat a careless decoder of msgpack is refused, and in little memory."""

from __future__ import annotations

import tracemalloc

import pytest

from protocol.errors import ProtocolError
from protocol.limits import TermLimits
from protocol.msgpack_codec import decode

_FRAME = 16 * 2**20
_MANY_KEYS = b"".join(b"\xce" + key.to_bytes(4, "big") + b"\x90" for key in range(20_000))
HOSTILE = {
    "100,000 nested arrays": b"\x91" * 100_000 + b"\xc0",
    "100,000 nested arrays with long counts": b"\xdd\0\0\0\x01" * 100_000 + b"\xc0",
    "100,000 nested maps": b"\x81\x01" * 100_000 + b"\xc0",
    "100,000 maps nested as keys": b"\x81" * 100_000 + b"\xc0" * 100_001,
    "nested arrays that claim the whole frame": b"\xdd\0\xff\0\0" * 1000 + bytes(_FRAME - 5000),
    "nested arrays that claim all terms": b"\xdd\0\x03\xff\xff" * 60 + bytes(_FRAME - 300),
    "a frame full of empty arrays": b"\xdd\0\xff\xff\xf0" + b"\x90" * (_FRAME - 16),
    "more terms than may be, in arrays of 65,535": b"\x9f" + (b"\xdc\xff\xff" + bytes(65_535)) * 15,
    "an array of 2^32-1": b"\xdd\xff\xff\xff\xff",
    "a map of 2^32-1": b"\xdf\xff\xff\xff\xff",
    "a string of 2^32-1": b"\xdb\xff\xff\xff\xff",
    "a binary of 2^32-1": b"\xc6\xff\xff\xff\xff",
    "an atom of 2^32-1": b"\xc9\xff\xff\xff\xff\0",
    "an atom as large as the frame": b"\xc9\0\xff\xff\xf0\0" + b"a" * 0xFFFFF0,
    "an extension as large as the frame": b"\xc9\0\xff\xff\xf0\x05" + bytes(0xFFFFF0),
    "a map of 20,000 keys": b"\xde\x4e\x20" + _MANY_KEYS,
}
_MOST_BYTES = 64 * 2**20


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


_FEWER = TermLimits(max_terms=16_384)  # to trace the memory of 32,768 takes seconds
_TERMS = _FEWER.max_terms
_DEEP_MAP = b"\x81\xff" * 62 + b"\x80"  # 125 terms: every map has a table of its own
COSTLIEST = {
    "empty maps": b"\xdd" + (_TERMS - 1).to_bytes(4, "big") + b"\x80" * (_TERMS - 1),
    "lists of one": b"\xdd" + (_TERMS // 2 - 1).to_bytes(4, "big") + b"\x91\xc0" * (_TERMS // 2 - 1),
    "maps in maps": b"\xdd" + (_TERMS // 126).to_bytes(4, "big") + _DEEP_MAP * (_TERMS // 126),
    "floats": b"\xdd" + (_TERMS - 1).to_bytes(4, "big") + b"\xcb\x3f\xf8\0\0\0\0\0\x01" * (_TERMS - 1),
    "strings": b"\xdd" + (_TERMS - 1).to_bytes(4, "big") + b"\xa2ab" * (_TERMS - 1),
}


@pytest.mark.parametrize("name", COSTLIEST)
def test_the_costliest_terms_that_may_pass_stay_within_bounds(name: str) -> None:
    data = COSTLIEST[name]
    tracemalloc.start()
    try:
        term = decode(data, _FEWER)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(term) == int.from_bytes(data[1:5], "big")
    assert peak / _TERMS < _MOST_BYTES / TermLimits().max_terms
