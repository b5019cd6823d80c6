"""Terms as text: what is printed reads back, and what cannot be read is named with its position."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.atoms import Atom
from protocol.erlang_syntax import parse_text, shorten, to_text
from protocol.errors import ProtocolError
from tests.protocol.terms import TERMS, reads_or_refuses, typed


@given(TERMS)
@settings(max_examples=300)
def test_what_is_printed_reads_back(term: Any) -> None:
    assert typed(parse_text(to_text(term))) == typed(term)


@given(st.text(max_size=60) | st.text(alphabet="[]{}#<>=,\"'\\ax1.-/utf8 \n", max_size=40))
@settings(max_examples=500)
def test_any_text_is_a_term_or_the_one_error(text: str) -> None:
    assert reads_or_refuses(parse_text, text)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ((Atom("call"), 1, Atom("ping"), {}, Atom("infinity")), "{call,1,ping,#{},infinity}"),
        ({Atom("n"): 10, b"user": [1.0, None, True]}, '#{n => 10,<<"user">> => [1.0,nil,true]}'),
        (1e-05, "1.0e-05"),
        (1e16, "1.0e+16"),
        (Atom("it's"), r"'it\'s'"),
        (Atom("if"), "'if'"),
        (Atom("é\x01"), r"'é\x{1}'"),
        ("Zoë", '<<"Zoë"/utf8>>'),
        (b'a"\\\n\t', r'<<"a\"\\\n\t">>'),
        (b"\xff\x00", "<<255,0>>"),
        (b"\x00", "<<0>>"),
        (b"", "<<>>"),
    ],
)
def test_terms_are_printed_in_erlang_syntax(term: Any, text: str) -> None:
    assert to_text(term) == text


@pytest.mark.parametrize(
    ("text", "term"),
    [
        (' { ok , "Zoë" , [ ] } ', (Atom("ok"), "Zoë".encode(), [])),
        ('<<"a", 1, "é"/utf8>>', b"a\x01\xc3\xa9"),
        (r'"\x{1F600}\s\e"', "\N{GRINNING FACE} \x1b".encode()),
        ("'nil'", None),
        ("-7", -7),
    ],
)
def test_terms_are_read_as_people_write_them(text: str, term: Any) -> None:
    assert typed(parse_text(text)) == typed(term)


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("", 0, "a term"),
        ("{a", 2, ", or }"),
        ("[1,]", 3, "a term"),
        ("{a} b", 4, "the end"),
        (' "x', 1, "a term"),
        ("Foo", 0, "a term"),
        ("#{1 2}", 4, "=>"),
        ("#{1=>2,1=>3}", 0, "keys that differ"),
        ("#{1=>2,true=>3}", 0, "keys that differ"),
        ("#{1=>2,1.0=>3}", 0, "keys that differ"),
        ("#{[]=>1}", 0, "atoms, binaries, integers or floats as keys"),
        ("<<256>>", 2, "a string or a byte"),
        ("<<-1>>", 2, "a string or a byte"),
        ("1" * 500, 0, "an integer of at most 64 bytes"),
        ("1" * 160, 0, "an integer of at most 64 bytes"),
        ("1.0e999", 0, "a finite float"),
        (r'"\x{d800}"', 0, "a character of Unicode"),
        (r"'\x{110000}'", 0, "a character of Unicode"),
        (f"'{'a' * 256}'", 0, "an atom of at most 255 characters"),
        ("a" * 256, 0, "an atom of at most 255 characters"),
        ("[" * 100_000, 65, "at most 64 levels of nesting"),
        ("#{" + "1=>#{" * 100, 2 + 64 * 5, "at most 64 levels of nesting"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_position(text: str, offset: int, expected: str) -> None:
    with pytest.raises(ProtocolError) as error:
        parse_text(text)
    assert error.value.code == "malformed_term"
    assert (error.value.details["offset"], error.value.details["expected"]) == (offset, expected)
    assert f"at character {offset}" in error.value.message


@pytest.mark.parametrize(
    "term", [list(range(1_000_000)), b"\xff" * 2**22, "a" * 2**22, [[["x" * 100]]], {1: {2: "y" * 100}}]
)
def test_a_long_term_is_shortened(term: Any) -> None:
    text = shorten(term)
    assert len(text) == 80
    assert text.endswith("...")
    assert shorten(term, 20) == text[:17] + "..."


def test_a_short_term_is_whole() -> None:
    assert shorten([1, b"a"]) == to_text([1, b"a"])
