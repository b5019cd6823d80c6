"""Terms by the hundred through a real Erlang, both ways: every encoding is equal or refused as listed, none wrong.

One node answers all: it is told a text, which is the term, and the bytes that Python made of it; it says whether those
are the same term to it, and gives its own bytes in every way that `term_to_binary` has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from protocol.erlang_syntax import parse_text, to_text
from protocol.errors import ProtocolError
from protocol.etf import decode, encode
from tests.protocol.erlang_terms import nested, systematic
from tests.protocol.terms import typed

ERL = shutil.which("erl")
pytestmark = pytest.mark.skipif(
    ERL is None and os.environ.get("CI") != "true", reason="there is no `erl` on the PATH to compare with"
)

SEED, NESTED, LEAST = 3, 500, 700
WAYS = ["minor_version 1", "minor_version 2", "deterministic", "local order", "compressed"]
COMPRESSED = 80
SPEC_EXAMPLES = [
    '{call,1,recommend,#{user => <<"ada">>,n => 10},infinity}',
    '{ok,1,#{items => [{<<"m7">>,0.5},{<<"m2">>,0.25}],model => <<"v1">>,source => model,exhausted => false}}',
]

REFUSED = {
    **dict.fromkeys(("self()", "list_to_pid(\"<0.1.0>\")", "[1,self()]", "#{self() => 1}"), "a pid"),
    **dict.fromkeys(("make_ref()", "{a,make_ref()}"), "a reference"),
    **dict.fromkeys(("hd(erlang:ports())", "[hd(erlang:ports())]"), "a port"),
    **dict.fromkeys(("fun() -> ok end", "fun erlang:node/0", "[fun lists:map/2]"), "a fun"),
    **dict.fromkeys(("<<1:1>>", "<<1:3>>", "<<255,1:7>>", "[<<1:3>>]", "#{a => <<1:3>>}"), "a bit string"),
    **dict.fromkeys(("[a|b]", "[1|2]", "[1,2|3]", "[[]|{}]", "{[a|<<>>]}", "[[1,2,3]|a]"), "an improper one"),
    **dict.fromkeys(("#{1 => a,1.0 => b}", "#{1 => a,true => b}", "#{1.0 => a,true => b}", "#{0 => a,false => b}",
                     "#{0 => a,0.0 => b}", "#{0.0 => a,false => b}", "[#{1 => a,1.0 => b}]"),
                    "a key twice, or two that count as the same, as 1 and true do"),
    **dict.fromkeys(("#{[] => 1}", "#{[1,2] => 1}", "#{[a] => 1}"), "a list"),
    **dict.fromkeys(("#{{} => 1}", "#{{a,1} => 1}"), "a tuple"),
    **dict.fromkeys(("#{#{} => 1}", "#{#{a => 1} => 1}"), "a dict"),
    **dict.fromkeys(("#{9223372036854775808 => 1}", "#{-9223372036854775809 => 1}", "#{(1 bsl 500) => 1}"),
                    "a larger one"),
    **dict.fromkeys(("1 bsl 512", "-(1 bsl 512)", "[1 bsl 519]"), "65 bytes"),
    **dict.fromkeys(("1 bsl 2039",), "255 bytes"),
    **dict.fromkeys(("1 bsl 2040", "-(1 bsl 2047)"), "256 bytes"),
    **dict.fromkeys(("lists:foldl(fun(_, T) -> [T] end, a, lists:seq(1, 65))",
                     "lists:foldl(fun(_, T) -> {T} end, a, lists:seq(1, 65))",
                     "lists:foldl(fun(_, T) -> #{a => T} end, a, lists:seq(1, 1000))"), "one more"),
    **dict.fromkeys(("maps:from_list([{N,N} || N <- lists:seq(1, 1025)])",), "1025"),
    **dict.fromkeys(("lists:duplicate(2, lists:duplicate(65535, 1))", "lists:duplicate(32768, a)",
                     "list_to_tuple(lists:duplicate(32768, a))"), "more"),
}  # fmt: skip
"""What only Erlang has, or what is over a limit: the text, and what the error says that it got."""

_SCRIPT = """
Value = fun(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Term, _} = erl_eval:exprs(Expressions, []),
    Term
end,
Ways = [[{minor_version, 1}], [{minor_version, 2}], [{minor_version, 2}, deterministic], [],
        [{minor_version, 2}, {compressed, 9}]],
Encoded = fun(Term) -> [[" ", binary:encode_hex(term_to_binary(Term, Way))] || Way <- Ways] end,
Answer = fun("term " ++ Line) ->
        [Bytes, Text] = string:split(Line, " "),
        Term = Value(Text),
        Same = binary_to_term(binary:decode_hex(list_to_binary(Bytes))) =:= Term,
        [atom_to_list(Same), Encoded(Term), $\\n];
    ("text " ++ Text) ->
        [Encoded(Value(Text)), $\\n];
    ("float " ++ Text) ->
        [" ", binary:encode_hex(term_to_binary(Value(Text), [{minor_version, 0}])), $\\n]
end,
[Asked, Answered] = init:get_plain_arguments(),
{ok, Input} = file:read_file(Asked),
Lines = binary:split(Input, <<"\\n">>, [global, trim]),
ok = file:write_file(Answered, [Answer(unicode:characters_to_list(Line)) || Line <- Lines]),
halt().
"""


@dataclass(frozen=True)
class Answers:
    """What the node said of every line: of terms whether ours is the same to it; of all its encodings, in `WAYS`."""

    terms: list[Any]
    same: list[bool]
    encodings: list[list[bytes]]
    refused: dict[str, list[bytes]]
    floats: list[bytes]


def ask(folder: Path, lines: list[str]) -> list[str]:
    assert ERL is not None, "with CI=true Erlang has to be installed"
    asked, answered = folder / "asked", folder / "answered"
    asked.write_bytes("\n".join(lines).encode())
    command = [ERL, "-noshell", "-eval", _SCRIPT, "-extra", str(asked), str(answered)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, (ran.stderr + ran.stdout)[:10_000]
    return answered.read_text("ascii").splitlines()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    terms = [*systematic(), *nested(SEED, NESTED), *map(parse_text, SPEC_EXAMPLES)]
    floats = [term for term in terms if type(term) is float]
    lines = [f"term {encode(term, any_atom=True).hex()} {to_text(term)}" for term in terms]
    lines += [f"text {text}" for text in REFUSED]
    lines += [f"float {to_text(value)}" for value in floats]
    said = [line.split(" ") for line in ask(tmp_path_factory.mktemp("erlang"), lines)]
    assert len(said) == len(lines)
    encodings = [[bytes.fromhex(dump) for dump in dumps] for _first, *dumps in said]
    return Answers(
        terms,
        [first == "true" for first, *_dumps in said[: len(terms)]],
        encodings[: len(terms)],
        dict(zip(REFUSED, encodings[len(terms) : -len(floats)], strict=True)),
        [only for (only,) in encodings[-len(floats) :]],
    )


def refusal(data: bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as error:
        decode(data)
    assert error.value.code == "malformed_term"
    return error.value


def test_there_are_enough_terms_and_all_kinds_of_bytes(answers: Answers) -> None:
    texts = {to_text(term) for term in answers.terms}
    assert len(texts) >= LEAST
    assert all(len(encodings) == len(WAYS) for encodings in answers.encodings)
    tags = {data[1] for encodings in answers.encodings for data in encodings}
    assert tags == {70, COMPRESSED, 97, 98, 100, 104, 105, 106, 107, 108, 109, 110, 116, 118, 119}


def test_what_erlang_encodes_is_the_same_term_here(answers: Answers) -> None:
    for term, encodings in zip(answers.terms, answers.encodings, strict=True):
        for way, data in zip(WAYS, encodings, strict=True):
            if data[1] != COMPRESSED:
                assert typed(decode(data)) == typed(term), f"{way}: {to_text(term)[:200]}"


def test_what_erlang_compressed_is_refused(answers: Answers) -> None:
    compressed = [encodings[-1] for encodings in answers.encodings if encodings[-1][1] == COMPRESSED]
    assert len(compressed) >= 100
    for data in compressed:
        assert (refusal(data).details["offset"], refusal(data).details["got"]) == (1, "a compressed term")


def test_what_is_encoded_and_printed_here_is_the_same_term_to_erlang(answers: Answers) -> None:
    assert [to_text(term)[:200] for term, same in zip(answers.terms, answers.same, strict=True) if not same] == []


def test_texts_are_read_here_as_erlang_reads_them(answers: Answers) -> None:
    for term in answers.terms:
        text = to_text(term)
        if len(text) < 10_000:
            assert typed(parse_text(text)) == typed(term)


@pytest.mark.parametrize("text", REFUSED)
def test_what_only_erlang_has_or_is_over_a_limit_is_refused(answers: Answers, text: str) -> None:
    assert len(answers.refused[text]) == len(WAYS)
    for data in answers.refused[text]:
        expected = "a compressed term" if data[1] == COMPRESSED else REFUSED[text]
        assert refusal(data).details["got"] == expected


def test_floats_as_text_are_refused(answers: Answers) -> None:
    assert len(answers.floats) >= 40
    for data in answers.floats:
        assert refusal(data).details["got"] == "a float in text form"
