"""msgpack: the same terms and messages as in External Term Format, and every other thing refused with its offset."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import protocol
from protocol.atoms import OPS, Atom
from protocol.codec import ETF, codec
from protocol.columns import Pairs
from protocol.erlang_syntax import parse_text
from protocol.errors import CODES, ProtocolError
from protocol.framing import FrameReader
from protocol.limits import TermLimits
from protocol.messages import (
    Call,
    Cancel,
    ErrorReply,
    Event,
    Hello,
    Inbound,
    Ok,
    Outbound,
    Progress,
    atom_keys,
    parse_inbound,
    parse_outbound,
    to_payload,
)
from protocol.msgpack_codec import decode, encode
from protocol.refusal import CONSTANTS
from tests.protocol.terms import ATOMS, BINARIES, FLOATS, KEYS, reads_or_refuses, typed

MSGPACK = codec("msgpack")
INTEGERS = st.integers(-(2**63), 2**64 - 1) | st.integers(-300, 300) | st.sampled_from([2**31, 2**32, -(2**31) - 1])
TERMS: st.SearchStrategy[Any] = st.recursive(
    INTEGERS | KEYS | FLOATS | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.dictionaries(KEYS, inner, max_size=20)
        | st.lists(inner, max_size=5).map(tuple)
    ),
    max_leaves=40,
)


def as_decoded(term: Any, *, outermost: bool = True) -> Any:
    """The term as it comes back: tuples as lists, but for the outermost list, which comes as a tuple."""
    if isinstance(term, (list, tuple)):
        parts = [as_decoded(part, outermost=False) for part in term]
        return tuple(parts) if outermost else parts
    if isinstance(term, dict):
        return {key: as_decoded(value, outermost=False) for key, value in term.items()}
    return term


def refused(data: bytes, limits: TermLimits | None = None) -> ProtocolError:
    with pytest.raises(ProtocolError) as error:
        decode(data, limits)
    assert error.value.code == "malformed_term"
    return error.value


@given(TERMS)
@settings(max_examples=200)
def test_what_is_encoded_decodes_to_the_same(term: Any) -> None:
    assert typed(decode(encode(term, any_atom=True))) == typed(as_decoded(term))


@given(st.binary(max_size=200))
@settings(max_examples=500)
@example(b"")
@example(b"\xc1")
@example(b"\x81\x90\x01")
@example(b"\xff\xff\xff\xff")
def test_any_bytes_decode_or_raise_the_one_error(data: bytes) -> None:
    assert reads_or_refuses(decode, data)


@given(TERMS, st.data())
@settings(max_examples=200)
def test_a_damaged_term_decodes_or_raises_the_one_error(term: Any, data: st.DataObject) -> None:
    raw = bytearray(encode(term, any_atom=True))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert reads_or_refuses(decode, bytes(raw))


@given(TERMS)
def test_every_cut_of_a_term_is_refused_within_it(term: Any) -> None:
    raw = encode(term, any_atom=True)
    for end in range(len(raw)):
        assert 0 <= refused(raw[:end]).details["offset"] <= end


def by_the_library(data: bytes) -> Any:
    """What the library makes of the bytes, atoms as such."""

    def atom(_kind: int, name: bytes) -> Any:
        return CONSTANTS.get(name.decode(), Atom(name.decode()))

    return msgpack.unpackb(data, raw=True, strict_map_key=False, ext_hook=atom, object_pairs_hook=dict)


@given(TERMS)
@settings(max_examples=200)
def test_the_library_reads_the_same_from_our_bytes(term: Any) -> None:
    assert typed(as_decoded(by_the_library(encode(term, any_atom=True)))) == typed(as_decoded(term))


@given(st.binary(min_size=1, max_size=60))
@settings(max_examples=1000)
@example(b"\xc7\x02\x00ok")
@example(b"\xca\x3f\x80\x00\x00")
@example(b"\xdf\x00\x00\x00\x01\xda\x00\x01a\xdd\x00\x00\x00\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff")
def test_what_is_read_is_what_the_library_reads(data: bytes) -> None:
    try:
        term = decode(data)
    except ProtocolError:
        return
    assert typed(term) == typed(as_decoded(by_the_library(data)))


@pytest.mark.parametrize(
    ("data", "term"),
    [
        ("c0", None),
        ("c2", False),
        ("c3", True),
        ("7f", 127),
        ("e0", -32),
        ("cc ff", 255),
        ("cd 00 01", 1),
        ("ce ff ff ff ff", 2**32 - 1),
        ("cf ff ff ff ff ff ff ff ff", 2**64 - 1),
        ("d0 80", -128),
        ("d1 80 00", -(2**15)),
        ("d2 80 00 00 00", -(2**31)),
        ("d3 80 00 00 00 00 00 00 00", -(2**63)),
        ("ca 3f 80 00 00", 1.0),
        ("cb 80 00 00 00 00 00 00 00", -0.0),
        ("a0", b""),
        ("a3 61 64 61", b"ada"),
        ("a1 ff", b"\xff"),
        ("d9 01 61", b"a"),
        ("da 00 01 61", b"a"),
        ("db 00 00 00 01 61", b"a"),
        ("c4 01 ff", b"\xff"),
        ("c5 00 01 61", b"a"),
        ("c6 00 00 00 01 61", b"a"),
        ("90", ()),
        ("91 90", ([],)),
        ("dc 00 01 c0", (None,)),
        ("dd 00 00 00 01 91 c0", ([None],)),
        ("80", {}),
        ("81 01 90", {1: []}),
        ("de 00 01 a1 61 80", {b"a": {}}),
        ("df 00 00 00 01 cb 3f f8 00 00 00 00 00 00 c3", {1.5: True}),
        ("82 d4 00 61 01 a1 61 02", {Atom("a"): 1, b"a": 2}),
        ("81 c0 00", {None: 0}),
        ("d5 00 6f 6b", Atom("ok")),
        ("c7 02 00 6f 6b", Atom("ok")),
        ("c8 00 02 00 6f 6b", Atom("ok")),
        ("c9 00 00 00 02 00 6f 6b", Atom("ok")),
        ("c7 00 00", Atom("")),
        ("c7 03 00 6e 69 6c", None),
        ("d6 00 74 72 75 65", True),
    ],
)
def test_every_tag_decodes_to_its_type(data: str, term: Any) -> None:
    assert typed(decode(bytes.fromhex(data))) == typed(term)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("", "c7 00 00"),
        ("n", "d4 00 6e"),
        ("ok", "d5 00 6f 6b"),
        ("odd", "c7 03 00 6f 64 64"),
        ("call", "d6 00 63 61 6c 6c"),
        ("internal", "d7 00 69 6e 74 65 72 6e 61 6c"),
        ("recommend", "c7 09 00 72 65 63 6f 6d 6d 65 6e 64"),
        ("missing_argument", "d8 00 6d 69 73 73 69 6e 67 5f 61 72 67 75 6d 65 6e 74"),
        ("é" * 200, "c8 01 90 00" + " c3 a9" * 200),
    ],
)
def test_an_atom_is_the_extension_0_with_its_name(name: str, data: str) -> None:
    assert encode(Atom(name), any_atom=True) == bytes.fromhex(data)
    assert decode(bytes.fromhex(data)) == Atom(name)


def test_a_call_is_these_very_bytes() -> None:
    call = Call(1, "recommend", {"user": "ada", "n": 2}, 250)
    payload = bytes.fromhex(
        "95 d6 00 63 61 6c 6c 01 c7 09 00 72 65 63 6f 6d 6d 65 6e 6482 d6 00 75 73 65 72 a3 61 64 61 d4 00 6e 02 cc fa"
    )
    assert to_payload(call, MSGPACK) == payload
    assert parse_inbound(payload, MSGPACK) == Call(1, "recommend", {"user": b"ada", "n": 2}, 250)


def test_text_bytes_and_constants_are_msgpacks_own() -> None:
    term = ("é", b"\xff", Atom("nil"), True, (1, [0.5]), {"k": None})
    assert encode(term).hex(" ") == "96 a2 c3 a9 c4 01 ff c0 c3 92 01 91 cb 3f e0 00 00 00 00 00 00 81 a1 6b c0"


@pytest.mark.parametrize(
    ("data", "offset", "got"),
    [
        ("", 0, "the end of the frame"),
        ("01 00", 1, "1 more bytes"),
        ("91", 0, "1"),
        ("92 01 cd 00", 2, "the end of the frame"),
        ("92 01 a3 61", 4, "the end of the frame"),
        ("92 01 cb 00", 2, "the end of the frame"),
        ("dc 00", 0, "the end of the frame"),
        ("c7 03", 0, "the end of the frame"),
        ("c7 03 00 61", 4, "the end of the frame"),
        ("c1", 0, "the reserved tag 193"),
        ("91 c1", 1, "the reserved tag 193"),
        ("d4 01 00", 0, "the extension type 1"),
        ("92 01 c7 01 7f 00", 2, "the extension type 127"),
        ("d6 ff 00 00 00 00", 0, "the extension type -1"),
        ("d7 ff 00 00 00 00 00 00 00 00", 0, "the extension type -1"),
        ("c7 0c ff 00 00 00 00 00 00 00 00 00 00 00 00", 0, "the extension type -1"),
        ("c8 00 01 ff 00", 0, "the extension type -1"),
        ("c9 00 00 00 01 80 00", 0, "the extension type -128"),
        ("d4 00 ff", 0, r"b'\xff'"),
        ("c8 00 01 00 ff", 0, r"b'\xff'"),
        ("c8 01 00 00" + " 61" * 256, 0, "256"),
        ("c8 03 fd 00" + " 61" * 1021, 0, "1021"),
        ("ca 7f 80 00 00", 0, "inf"),
        ("ca ff c0 00 00", 0, "nan"),
        ("91 cb 7f f0 00 00 00 00 00 00", 1, "inf"),
        ("91 cb ff f0 00 00 00 00 00 00", 1, "-inf"),
        ("91 cb 7f f8 00 00 00 00 00 00", 1, "nan"),
        ("91 81 90 01", 1, "a list"),
        ("91 81 80 01", 1, "a dict"),
        ("81 cf 80 00 00 00 00 00 00 00 01", 0, "a larger one"),
        ("dd ff ff ff ff 00", 0, "4294967295"),
        ("df 00 00 04 01 00", 0, "1025"),
        ("df ff ff ff ff 00", 0, "4294967295"),
    ],
)
def test_what_may_not_pass_is_refused_with_its_offset(data: str, offset: int, got: str) -> None:
    error = refused(bytes.fromhex(data))
    assert (error.details["offset"], error.details["got"]) == (offset, got)
    assert f"at byte {offset}" in error.message


@pytest.mark.parametrize(
    "keys",
    [
        ("01", "01"),
        ("01", "cd 00 01"),
        ("01", "cb 3f f0 00 00 00 00 00 00"),
        ("01", "c3"),
        ("cb 3f f0 00 00 00 00 00 00", "c3"),
        ("00", "c2"),
        ("cb 00 00 00 00 00 00 00 00", "cb 80 00 00 00 00 00 00 00"),
        ("a1 61", "c4 01 61"),
        ("d5 00 6f 6b", "c7 02 00 6f 6b"),
        ("c0", "c7 03 00 6e 69 6c"),
    ],
)
def test_two_keys_that_count_as_the_same_are_refused(keys: tuple[str, str]) -> None:
    first, second = (bytes.fromhex(key) for key in keys)
    error = refused(b"\x92\x80\x82" + first + b"\x00" + second + b"\x00")
    assert error.details["offset"] == 2
    assert "keys that differ" in error.message


def test_limits_are_counted_and_may_be_lowered() -> None:
    three = encode([1, 2, 3])
    decode(three, TermLimits(max_terms=4))
    assert "at most 3 terms" in refused(three, TermLimits(max_terms=3)).message
    nested = encode([[], [1]])
    decode(nested, TermLimits(max_terms=4, max_depth=2))
    decode(encode([[]]), TermLimits(max_depth=1))
    assert refused(nested, TermLimits(max_terms=3)).details["offset"] == 2
    assert "at most 1 levels" in refused(nested, TermLimits(max_depth=1)).message
    pairs = encode({1: 1, 2: 2})
    decode(pairs, TermLimits(max_map_pairs=2))
    assert "at most 1 pairs" in refused(pairs, TermLimits(max_map_pairs=1)).message
    jump = encode(Atom("jump"), any_atom=True)
    decode(jump, TermLimits(max_atom_bytes=4))
    assert "at most 3 bytes" in refused(jump, TermLimits(max_atom_bytes=3)).message


def test_text_that_is_no_unicode_is_sent_all_the_same() -> None:
    assert decode(encode("file \udcff")) == rb"file \udcff"


def deep(levels: int) -> list[Any]:
    term: list[Any] = []
    for _ in range(levels):
        term = [term]
    return term


@pytest.mark.parametrize(
    "term",
    [
        *(math.nan, math.inf, -math.inf, object(), {1}, 2**64, -(2**63) - 1, Atom("no_such_atom"), Atom("\udcff")),
        *({1: math.nan}, {math.inf: 1}, (1, (0.5, math.nan)), deep(2000)),
    ],
)
@pytest.mark.parametrize("outer", [lambda term: term, lambda term: [term], lambda term: {1: (term,)}])
def test_what_is_no_term_of_the_protocol_is_a_defect(term: Any, outer: Any) -> None:
    with pytest.raises(ProtocolError, match="expected one that the protocol sends") as error:
        encode(outer(term))
    assert error.value.code == "internal"


@pytest.mark.parametrize("term", [Atom("a" * 256), Atom("\udcff")])
def test_any_atom_has_to_be_one(term: Atom) -> None:
    with pytest.raises(ProtocolError, match="expected one that the protocol sends"):
        encode(term, any_atom=True)


def test_bytes_that_look_like_a_float_are_none() -> None:
    term = (b"\xcb" + struct.pack(">d", math.nan), 0.5)
    assert decode(encode(term)) == term


@pytest.mark.parametrize("ids", [np.array([7, 2**40]), np.array([b"ada", b"bo"])])
def test_what_lies_in_arrays_is_sent_as_its_term(ids: Any) -> None:
    pairs = Pairs(ids, np.array([0.5, 0.25], np.float32))
    term = encode((Atom("ok"), pairs))
    assert term == encode((Atom("ok"), pairs.term()))
    assert decode(term) == (Atom("ok"), [[ids[0], 0.5], [ids[1], 0.25]])


INBOUND: list[Inbound] = [
    Call(0, "ping"),
    Call(2**63 - 1, "recommend", {"user": b"ada", "n": 3, "exclude": [1, b"m"]}, 250),
    Call(1, "retrain", {"algorithm": None, "params": {b"lr": 0.1, b"deep": True, b"sizes": [1, 2]}}, 0),
    Cancel(7),
]
OUTBOUND: list[Outbound] = [
    Hello(atom_keys(protocol=1, model=None, ops=[Atom(op) for op in OPS], worker=atom_keys(name=b"port_worker"))),
    Ok(3, Atom("pong")),
    Ok(3, atom_keys(exhausted=False, source=Atom("model"), versions=[atom_keys(version=b"v1", damaged=None)])),
    Progress(3, atom_keys(phase=Atom("fit"), share=0.5, loss=None, rows=2**40)),
    Event("model_activated", atom_keys(version=b"v1")),
    *(ErrorReply.of(3, ProtocolError(code, "why", {"field": "n", "known": ["a"]})) for code in CODES),
    ErrorReply.of(None, ProtocolError("malformed_term", "why")),
]


@pytest.mark.parametrize("message", INBOUND)
def test_what_a_host_says_is_the_same_in_both(message: Inbound) -> None:
    read = [parse_inbound(to_payload(message, each), each) for each in (ETF, MSGPACK)]
    assert read == [message, message]


@pytest.mark.parametrize("message", OUTBOUND)
def test_what_a_worker_says_is_the_same_in_both(message: Outbound) -> None:
    read = [parse_outbound(to_payload(message, each), each) for each in (ETF, MSGPACK)]
    assert read == [message, message]


@given(st.dictionaries(KEYS, BINARIES | ATOMS | st.lists(FLOATS)))
def test_any_facts_are_the_same_in_both(facts: dict[Any, Any]) -> None:
    term = (Atom("event"), Atom("draining"), facts)
    read = [parse_outbound(each.encode(term, any_atom=True), each) for each in (ETF, MSGPACK)]
    assert read == [Event("draining", facts)] * 2


def test_the_deadline_and_the_ids_are_judged_as_ever() -> None:
    terms: list[tuple[Any, ...]] = [
        (Atom("call"), 1, Atom("ping"), {}, Atom("infinity")),
        (Atom("cancel"), 5),
    ]
    for term in terms:
        assert parse_inbound(encode(term), MSGPACK) == parse_inbound(ETF.encode(term))
    with pytest.raises(ProtocolError, match=r"deadline: expected .* got -1"):
        parse_inbound(encode((Atom("call"), 1, Atom("ping"), {}, -1)), MSGPACK)
    with pytest.raises(ProtocolError, match="expected a tuple that starts with an atom"):
        parse_inbound(encode({}), MSGPACK)


SPEC = (Path(protocol.__file__).parent / "SPEC.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^(host|worker), in msgpack: (.+)\n((?:  [0-9a-f ]+\n)+)", re.MULTILINE)


def with_texts(term: Any) -> Any:
    """The term with its binaries as text, which is how they are sent."""
    if isinstance(term, bytes):
        return term.decode()
    if isinstance(term, (list, tuple)):
        return type(term)(with_texts(part) for part in term)
    return {with_texts(key): with_texts(value) for key, value in term.items()} if isinstance(term, dict) else term


@pytest.mark.parametrize(("who", "text", "dump"), EXAMPLE.findall(SPEC))
def test_the_example_in_the_spec_is_what_it_says(who: str, text: str, dump: str) -> None:
    reader = FrameReader()
    reader.feed(bytes.fromhex(dump.replace("\n", " ")))
    (payload,) = reader.frames()
    assert reader.pending_bytes == 0
    assert encode(with_texts(parse_text(text))) == payload
    parse: Any = parse_inbound if who == "host" else parse_outbound
    assert parse(payload, MSGPACK) == parse(ETF.encode(as_decoded(parse_text(text))))


def test_the_spec_shows_both_sides() -> None:
    assert [who for who, _text, _dump in EXAMPLE.findall(SPEC)] == ["host", "host", "worker", "worker"]
