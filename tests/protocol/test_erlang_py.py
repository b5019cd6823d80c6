"""erlang-py as a second oracle: what both it and this codec read is the same term, and each reads what the other wrote.

Its types say less than Erlang's, so its terms are translated first: a string of bytes and a charlist are both `bytes`
there, an atom is `str` or `bytes` by its tag, and `undefined` is None.
"""

from __future__ import annotations

import zlib
from typing import Any

import erlang
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.etf import decode, encode
from protocol.refusal import CONSTANTS
from tests.protocol import vectors
from tests.protocol.erlang_terms import nested, systematic
from tests.protocol.terms import TERMS, typed
from tests.protocol.vectors import Vector

ITS_ERRORS = (
    *(erlang.ParseException, ValueError, TypeError, AttributeError, OverflowError, RecursionError, IndexError),
    zlib.error,
)
"""What leaks out of erlang-py when it reads bytes that are no term."""


def from_erlang_py(term: Any) -> Any:
    """A term of erlang-py in the types of `protocol.etf`. Raises TypeError for what only erlang-py has."""
    if isinstance(term, erlang.OtpErlangAtom):
        name = term.value if isinstance(term.value, str) else term.value.decode("latin-1")
        return CONSTANTS.get(name, Atom(name))
    if isinstance(term, erlang.OtpErlangBinary) and term.bits == 8:
        return term.value
    if isinstance(term, bytes):
        return list(term)
    if isinstance(term, (list, tuple)):
        return type(term)(from_erlang_py(element) for element in term)
    if isinstance(term, dict):
        return {from_erlang_py(key): from_erlang_py(value) for key, value in term.items()}
    if isinstance(term, bool | int | float):
        return term
    if term is None:
        return Atom("undefined")
    raise TypeError(f"{type(term).__name__}: a term that this protocol has not")


def to_erlang_py(term: Any) -> Any:
    """The same the other way."""
    if term is None or isinstance(term, Atom):
        return erlang.OtpErlangAtom("nil" if term is None else str(term))
    if isinstance(term, bytes):
        return erlang.OtpErlangBinary(term)
    if isinstance(term, (list, tuple)):
        return type(term)(to_erlang_py(element) for element in term)
    if isinstance(term, dict):
        return {to_erlang_py(key): to_erlang_py(value) for key, value in term.items()}
    return term


def read_by_both(data: bytes) -> tuple[Any, Any] | None:
    """What each of them makes of the bytes; None if either refuses."""
    try:
        ours, theirs = decode(data), from_erlang_py(erlang.binary_to_term(data))
    except (ProtocolError, *ITS_ERRORS):
        return None
    return ours, theirs


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector.id) for vector in vectors.TERMS])
def test_it_reads_the_same_from_the_vectors(vector: Vector) -> None:
    assert typed(from_erlang_py(erlang.binary_to_term(vector.data))) == typed(decode(vector.data))


def test_each_reads_what_the_other_wrote() -> None:
    for term in [*systematic(), *nested(seed=5, count=200)]:
        assert typed(from_erlang_py(erlang.binary_to_term(encode(term, any_atom=True)))) == typed(term)
        assert typed(decode(erlang.term_to_binary(to_erlang_py(term)))) == typed(term)


@given(TERMS)
@settings(max_examples=200)
def test_each_reads_whatever_the_other_wrote(term: Any) -> None:
    assert typed(from_erlang_py(erlang.binary_to_term(encode(term, any_atom=True)))) == typed(term)
    assert typed(decode(erlang.term_to_binary(to_erlang_py(term)))) == typed(term)


@given(TERMS, st.data())
@settings(max_examples=300)
def test_what_both_read_from_damaged_bytes_is_the_same(term: Any, data: st.DataObject) -> None:
    raw = bytearray(encode(term, any_atom=True))
    raw[data.draw(st.integers(1, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if terms := read_by_both(bytes(raw)):
        ours, theirs = terms
        assert typed(ours) == typed(theirs)


def test_bits_flipped_in_the_vectors_are_read_the_same_or_refused() -> None:
    same = 0
    for vector in vectors.TERMS:
        for bit in range(8, 8 * min(len(vector.data), 40)):
            raw = bytearray(vector.data)
            raw[bit // 8] ^= 1 << bit % 8
            if terms := read_by_both(bytes(raw)):
                ours, theirs = terms
                assert typed(ours) == typed(theirs), raw.hex()
                same += 1
    assert same > 5_000
