"""The codec: every term that may pass, in one type each; every other refused by name and offset."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.etf import decode, encode
from protocol.limits import TermLimits
from tests.protocol.terms import TERMS, reads_or_refuses, typed

V = b"\x83"
TWICE = "a key twice, or two that count as the same, as 1 and true do"


def refused(data: bytes, limits: TermLimits | None = None) -> ProtocolError:
    with pytest.raises(ProtocolError) as error:
        decode(data, limits)
    assert error.value.code == "malformed_term"
    return error.value


@given(TERMS)
@settings(max_examples=300)
def test_what_is_encoded_decodes_to_the_same(term: Any) -> None:
    assert typed(decode(encode(term, any_atom=True))) == typed(term)


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=500)
@example(b"", False)
@example(b"\xff\xff\xff\xff", True)
def test_any_bytes_decode_or_raise_the_one_error(data: bytes, versioned: bool) -> None:
    assert reads_or_refuses(decode, V + data if versioned else data)


@given(TERMS, st.data())
@settings(max_examples=300)
def test_a_damaged_term_decodes_or_raises_the_one_error(term: Any, data: st.DataObject) -> None:
    raw = bytearray(encode(term, any_atom=True))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert reads_or_refuses(decode, bytes(raw))


@given(TERMS)
def test_every_cut_of_a_term_is_refused(term: Any) -> None:
    raw = encode(term, any_atom=True)
    for end in range(len(raw)):
        refused(raw[:end])


@pytest.mark.parametrize(
    ("data", "term"),
    [
        (b"\x61\xff", 255),
        (b"\x62\xff\xff\xff\xff", -1),
        (b"\x6e\x04\x01\0\0\0\x80", -(2**31)),
        (b"\x6e\0\0", 0),
        (b"\x6f\0\0\0\x02\0\x01\x02", 513),
        (b"\x46\x3f\xf8" + bytes(6), 1.5),
        (b"\x64\0\x02ok", Atom("ok")),
        (b"\x73\x02ok", Atom("ok")),
        (b"\x76\0\x02ok", Atom("ok")),
        (b"\x77\x02ok", Atom("ok")),
        (b"\x64\0\x01\xe9", Atom("é")),
        (b"\x73\x01\xe9", Atom("é")),
        (b"\x76\0\x02\xc3\xa9", Atom("é")),
        (b"\x77\x02\xc3\xa9", Atom("é")),
        (b"\x64\0\x03nil", None),
        (b"\x77\x04true", True),
        (b"\x73\x05false", False),
        (b"\x77\0", Atom("")),
        (b"\x68\0", ()),
        (b"\x69\0\0\0\x01\x61\x01", (1,)),
        (b"\x69\0\0\0\0", ()),
        (b"\x68\x02\x6c\0\0\0\0\x6a\x74\0\0\0\0", ([], {})),
        (b"\x6a", []),
        (b"\x6b\0\x03\x01\x02\x03", [1, 2, 3]),
        (b"\x6b\0\0", []),
        (b"\x6c\0\0\0\x01\x61\x01\x6a", [1]),
        (b"\x6c\0\0\0\0\x6a", []),
        (b"\x6d\0\0\0\x01\xff", b"\xff"),
        (b"\x74\0\0\0\0", {}),
        (b"\x74\0\0\0\x01\x46\x3f\xf8" + bytes(6) + b"\x6a", {1.5: []}),
        (b"\x74\0\0\0\x02\x61\x01\x6a\x6d\0\0\0\x011\x6a", {1: [], b"1": []}),
    ],
)
def test_every_tag_decodes_to_its_type(data: bytes, term: Any) -> None:
    assert typed(decode(V + data)) == typed(term)


@pytest.mark.parametrize(
    ("data", "offset", "got"),
    [
        (b"", 0, "the end of the frame"),
        (b"\x61\x01", 0, "97"),
        (V, 1, "the end of the frame"),
        (V + b"\x6d\0\0\0\x05four", 10, "the end of the frame"),
        (V + b"\x68\x02\x61\x01\x6d\0\0\0\x05four", 14, "the end of the frame"),
        (V + b"\x68\x02\x61\x01\x46\x3f", 5, "the end of the frame"),
        (V + b"\x61\x01\0", 3, "1 more bytes"),
        (V + b"\x50\0\0\0\x01x\x9c", 1, "a compressed term"),
        (V + b"\x4d\0\0\0\x01\x04\x80", 1, "a bit string"),
        (V + b"\x58\x77\x01n" + bytes(12), 1, "a pid"),
        (V + b"\x59\x77\x01n" + bytes(8), 1, "a port"),
        (V + b"\x5a\0\x01\x77\x01n" + bytes(8), 1, "a reference"),
        (V + b"\x63" + b"1.5".ljust(31, b"\0"), 1, "a float in text form"),
        (V + b"\x70\0\0\0\x04", 1, "a fun"),
        (V + b"\x71\x77\x01m\x77\x01f\x61\x01", 1, "a fun"),
        (V + b"\x78" + bytes(12), 1, "a port"),
        (V + b"\xf0", 1, "the tag 240"),
        (V + b"\x68\x02\x61\x01\x58", 5, "a pid"),
        (V + b"\x6c\0\0\0\x01\x61\x01\x61\x02", 1, "an improper one"),
        (V + b"\x6c\0\0\0\x01\x61\x01\x6b\0\x01\x01", 1, "an improper one"),
        (V + b"\x6c\0\0\0\0\x61\x01", 1, "an improper one"),
        (V + b"\x6c\0\0\0\0", 1, "the end of the frame"),
        (V + b"\x46\x7f\xf8" + bytes(6), 1, "nan"),
        (V + b"\x46\xff\xf0" + bytes(6), 1, "-inf"),
        (V + b"\x77\x01\xff", 1, r"b'\xff'"),
        (V + b"\x6e\x01\x02\x01", 1, "2"),
        (V + b"\x6e\x41\0" + bytes(65), 1, "65 bytes"),
        (V + b"\x74\0\0\0\x02\x61\x01\x6a\x61\x01\x6a", 1, TWICE),
        (V + b"\x74\0\0\0\x02\x61\x01\x6a\x77\x04true\x6a", 1, TWICE),
        (V + b"\x74\0\0\0\x02\x77\x01a\x6a\x64\0\x01a\x6a", 1, TWICE),
        (V + b"\x74\0\0\0\x02\x46" + bytes(8) + b"\x6a\x61\0\x6a", 1, TWICE),
        (V + b"\x74\0\0\0\x01\x6a\x6a", 1, "a list"),
        (V + b"\x74\0\0\0\x01\x68\0\x6a", 1, "a tuple"),
        (V + b"\x74\0\0\0\x01\x6e\x08\0" + bytes(7) + b"\x80\x6a", 1, "a larger one"),
        (V + b"\x64\x01\0" + b"a" * 256, 1, "256"),
        (V + b"\x76\x04\0" + b"a" * 1024, 1, "1024"),
    ],
)
def test_what_may_not_pass_is_refused_with_its_offset(data: bytes, offset: int, got: str) -> None:
    error = refused(data)
    assert (error.details["offset"], error.details["got"]) == (offset, got)
    assert f"at byte {offset}" in error.message


@pytest.mark.parametrize("size", [8, 9, 300])
@pytest.mark.parametrize("element", [7, 70_000, -1, b"", b"abc", "a" * 300, []])
def test_a_list_of_one_width_is_read_as_any_other(element: Any, size: int) -> None:
    same: list[Any] = [element] * size
    term = element.encode() if isinstance(element, str) else element
    others: list[Any] = [None, 7, 70_000, 2**40, b"ab", b"abc", 0.5, [], Atom("ok")]
    for other in others:
        for place in (0, 1, size - 1):
            changed = [*same[:place], other, *same[place + 1 :]]
            expected = [*[term] * place, other, *[term] * (size - 1 - place)]
            assert typed(decode(encode((changed, 1)))) == typed((expected, 1))
    raw = encode(same)
    assert typed(decode(raw)) == typed([term] * size)
    assert len({id(one) for one in decode(encode([[]] * size))}) == size
    assert refused(raw[:-1] + b"\x61").details["got"] in ("an improper one", "the end of the frame")
    for end in (1, 2, len(raw) // 2):
        refused(raw[:-end])


@pytest.mark.parametrize("tag", [b"\x69", b"\x6c", b"\x6d", b"\x6f"])
def test_counts_are_not_believed_beyond_the_bytes_left(tag: bytes) -> None:
    refused(V + tag + b"\xff\xff\xff\xff\0\0")


def test_limits_are_counted_and_may_be_lowered() -> None:
    three = encode([1, 2, 3])
    decode(three, TermLimits(max_terms=4))
    assert "at most 3 terms" in refused(three, TermLimits(max_terms=3)).message
    assert "at most 2 terms" in refused(V + b"\x6b\0\x03\x01\x02\x03", TermLimits(max_terms=2)).message
    decode(encode(((1,),)), TermLimits(max_depth=2))
    assert "at most 1 levels" in refused(encode(((1,),)), TermLimits(max_depth=1)).message
    assert "at most 1 levels" in refused(V + b"\x68\x01\x6b\0\x01\x01", TermLimits(max_depth=1)).message
    assert decode(V + b"\x68\x01\x6b\0\0", TermLimits(max_depth=1)) == ([],)
    pairs = encode({1: 1, 2: 2})
    decode(pairs, TermLimits(max_map_pairs=2))
    assert "at most 1 pairs" in refused(pairs, TermLimits(max_map_pairs=1)).message
    assert "at most 2 bytes" in refused(encode(Atom("abc"), any_atom=True), TermLimits(max_atom_bytes=2)).message


def test_strings_are_sent_as_binaries_even_when_they_are_no_unicode() -> None:
    assert decode(encode("é")) == "é".encode()
    assert decode(encode("file \udcff")) == rb"file \udcff"


@pytest.mark.parametrize("term", [math.nan, math.inf, object(), {1}, bytearray(b"x"), 2**2040, Atom("no_such_atom")])
def test_what_is_no_term_of_the_protocol_is_a_defect(term: Any) -> None:
    with pytest.raises(ProtocolError, match="expected one that the protocol sends") as error:
        encode([term])
    assert error.value.code == "internal"


def test_a_name_is_at_most_255_characters_of_any_size() -> None:
    longest = Atom("\N{GRINNING FACE}" * 255)
    assert decode(encode(longest, any_atom=True)) == longest
    with pytest.raises(ProtocolError, match="an atom of 256 characters"):
        encode(Atom("a" * 256), any_atom=True)
