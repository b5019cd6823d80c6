"""Bytes that would take the machine, or lead erlang-py to an exception, are told from terms and say why."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from port_worker.inspection.decode import decode
from port_worker.inspection.erlang_text import pieces
from port_worker.inspection.survey import Undecodable
from protocol import etf
from protocol.atoms import Atom

_MIB = 1024 * 1024


def _compressed(data: bytes, size: int | None = None, *, after: bytes = b"") -> bytes:
    told = len(data) if size is None else size
    return b"\x83P" + struct.pack(">I", told) + zlib.compress(data, 9) + after


def _list(count: int, elements: bytes) -> bytes:
    return b"l" + struct.pack(">I", count) + elements + b"j"


_BOMB = b"m" + struct.pack(">I", 200 * _MIB) + bytes(200 * _MIB)

REFUSED = {
    "nothing": (b"", "expected the version byte 131, got nothing"),
    "no version": (b"print", "expected the version byte 131, got 112"),
    "only a version": (b"\x83", "it ends within a term"),
    "a tag that is none": (b"\x83\x01", "the tag 1 at byte 1"),
    "a cached atom": (b"\x83N\x01", "a reference to a cache of atoms at byte 1"),
    "a local term": (b"\x83y" + bytes(8), "a local term at byte 1"),
    "cut short": (b"\x83h\x02a\x01", "it ends within a term"),
    "something after it": (b"\x83a\x01a\x02", "2 bytes after the term"),
    "more elements than bytes": (b"\x83" + _list(2**32 - 1, b"j"), "it ends within a term"),
    "empty lists": (b"\x83" + _list(16 * _MIB, b"j" * 16 * _MIB), "more than 1,000,000 terms"),
    "a large integer": (
        b"\x83o" + struct.pack(">I", _MIB) + bytes(_MIB + 1),
        "more than 65,536 bytes of large integers",
    ),
    "nested lists": (b"\x83" + b"l\x00\x00\x00\x01" * 100_000 + b"j" * 100_001, "nested too deep"),
    "a bit string of 9 bits": (b"\x83M" + struct.pack(">I", 1) + b"\x09\x00", "1 to 8 bits at byte 6"),
    "an empty bit string": (b"\x83M" + struct.pack(">I", 0) + b"\x03", "1 to 8 bits"),
    "a node that is no atom": (b"\x83Xa\x01" + bytes(12), "the name of a node is no atom at byte 2"),
    "a fun that is shorter than its size": (b"\x83p" + struct.pack(">I", 3), "it ends within a term"),
    "an atom that is no UTF-8": (b"\x83w\x01\xff", "UnicodeDecodeError"),
    "a float that is no number": (b"\x83c" + b"bomb".ljust(31, b"\0"), "ValueError"),
    "an exported fun without an arity": (b"\x83qw\x01aw\x01bw\x01c", "ParseException invalid small integer tag"),
    "a map that is a key in a tuple": (b"\x83t\x00\x00\x00\x01h\x01t\x00\x00\x00\x00a\x01", None),
    "atom and text of the same hash": (b"\x83t\x00\x00\x00\x02w\x01aj" + b"k\x00\x03w\x01aj", "AttributeError"),
    "a bomb": (_compressed(_BOMB), "compressed, and 209715205 bytes when it is not: more than 16777216"),
    "a bomb that tells a small size": (_compressed(_BOMB, 100), "not 100 bytes when it is not, as it says"),
    "a bomb within a list": (
        b"\x83" + _list(1, _compressed(_BOMB, 100)[1:]),
        "a compressed term within another at byte 6",
    ),
    "a bomb within a bomb": (_compressed(_compressed(_BOMB)[1:]), "a compressed term within another"),
    "compressed empty lists": (_compressed(_list(10 * _MIB, b"j" * 10 * _MIB)), "more than 1,000,000 terms"),
    "compressed, and less than told": (_compressed(b"j", 2), "not 2 bytes when it is not"),
    "compressed, and cut short": (_compressed(b"m\x00\x00\x10\x00" + bytes(4096))[:-3], "not 4101 bytes"),
    "compressed, and something after it": (_compressed(b"j", after=b"x"), "not 1 bytes"),
    "compressed, and damaged": (b"\x83P\x00\x00\x00\x01not zlib", "compressed, and damaged"),
    "compressed, and without a size": (b"\x83P\x00", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_affordable_term_says_why(name: str) -> None:
    payload, why = REFUSED[name]
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable) as caught:
            decode(payload)
        assert tracemalloc.get_traced_memory()[1] < 64 * _MIB
    finally:
        tracemalloc.stop()
    assert why is None or why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_in_compressed_data_is_decoded_and_marked() -> None:
    decoded = decode(_compressed(etf.encode([Atom("ok"), b"a" * 1000])[1:]))
    assert "".join(pieces(decoded.term)) == f'[ok,<<"{"a" * 1000}">>]'
    assert decoded.notes == ("compressed",)


def test_keys_that_python_takes_for_one_are_not_lost_in_silence() -> None:
    one_and_one = b"\x83t\x00\x00\x00\x03a\x01a\x07F" + struct.pack(">d", 1.0) + b"a\x08w\x04truea\x09"
    assert decode(one_and_one).notes == ("2 pairs lost: Python takes the key for another's",)
    within = b"\x83h\x02" + one_and_one[1:] + etf.encode({1: {2: [{}]}})[1:]
    assert decode(within).notes == ("2 pairs lost: Python takes the key for another's",)
    assert decode(etf.encode({1: {2: [{3: 4}]}})).notes == ()


_TAGS = bytes((70, 77, 78, 80, 88, 89, 90, 97, 98, 99, *range(100, 121)))


@given(st.one_of(st.binary(max_size=60), st.lists(st.sampled_from([*_TAGS, 0, 1, 2, 4]), max_size=60).map(bytes)))
def test_any_bytes_are_printed_or_refused(data: bytes) -> None:
    try:
        decoded = decode(b"\x83" + data)
    except Undecodable:
        return
    assert "".join(pieces(decoded.term))
