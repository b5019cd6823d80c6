"""The same terms through a real Erlang, both ways."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from protocol.erlang_syntax import parse_text, to_text
from protocol.errors import ProtocolError
from protocol.etf import decode, encode
from tests.protocol.terms import typed

ERL = shutil.which("erl")
pytestmark = pytest.mark.skipif(
    ERL is None and os.environ.get("CI") != "true", reason="there is no `erl` on the PATH to compare with"
)

TERMS = [
    "0", "255", "256", "-1", "2147483647", "2147483648", "-2147483648", "-2147483649", "18446744073709551616",
    "-170141183460469231731687303715884105729", "0.0", "-0.0", "1.5", "1.0e-5", "1.0e300", "5.0e-324", "nil", "true",
    "false", "ok", "'A b'", "'it\\'s'", "'\\x{e9}'", "'\\x{1F600}'", "''", "'if'", "<<>>", "<<\"abc\">>", "<<255,0,1>>",
    "<<\"\\x{e9}\\x{1F600}\"/utf8>>", '<<"a\\"b\\\\c\\n">>', "[]", "[1,2,3]", "[256]", "[[],[[]]]", "{}", "{ok,{},[]}",
    "#{}", "#{a => 1,<<\"a\">> => 2,1 => 3}", "{call,1,recommend,#{user => <<\"ada\">>,n => 10},infinity}",
]  # fmt: skip
REFUSED = ["self()", "make_ref()", "fun() -> ok end", "fun erlang:node/0", "<<1:3>>", "[a|b]", "#{1.0 => 1}"]

_SCRIPT = """
Value = fun(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Term, _} = erl_eval:exprs(Expressions, []),
    Term
end,
Hex = fun(Binary) -> [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Binary] end,
Answer = fun("text " ++ Text) ->
        Term = Value(Text),
        Encoded = [term_to_binary(Term, Options) || Options <- [[{minor_version, 1}], [{minor_version, 2}], []]],
        io:format("~s~n", [lists:join(" ", [Hex(One) || One <- Encoded])]);
    ("both " ++ Line) ->
        [Bytes, Text] = string:split(Line, " "),
        io:format("~w~n", [binary_to_term(binary:decode_hex(list_to_binary(Bytes))) =:= Value(Text)])
end,
{ok, Input} = file:read_file(hd(init:get_plain_arguments())),
[Answer(unicode:characters_to_list(Line)) || Line <- binary:split(Input, <<"\\n">>, [global, trim])],
halt().
"""


def ask(folder: Path, lines: list[str]) -> list[str]:
    assert ERL is not None, "with CI=true Erlang has to be installed"
    (folder / "lines").write_text("\n".join(lines), encoding="utf-8")
    command = [ERL, "-noshell", "-eval", _SCRIPT, "-extra", str(folder / "lines")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    return ran.stdout.splitlines()


def test_what_erlang_encodes_is_read_as_its_text_says(tmp_path: Path) -> None:
    answers = ask(tmp_path, [f"text {text}" for text in TERMS])
    for text, encodings in zip(TERMS, answers, strict=True):
        for encoding in encodings.split(" "):
            assert typed(decode(bytes.fromhex(encoding))) == typed(parse_text(text)), text


def test_what_is_encoded_and_printed_here_is_the_same_term_to_erlang(tmp_path: Path) -> None:
    terms = [parse_text(text) for text in TERMS]
    lines = [f"both {encode(term, any_atom=True).hex()} {to_text(term)}" for term in terms]
    assert dict(zip(lines, ask(tmp_path, lines), strict=True)) == dict.fromkeys(lines, "true")


def test_what_only_erlang_has_is_refused(tmp_path: Path) -> None:
    for text, encodings in zip(REFUSED, ask(tmp_path, [f"text {text}" for text in REFUSED]), strict=True):
        for encoding in encodings.split(" "):
            with pytest.raises(ProtocolError) as error:
                decode(bytes.fromhex(encoding))
            assert error.value.code == "malformed_term", text
