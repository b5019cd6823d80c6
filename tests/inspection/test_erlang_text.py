"""Terms as a real Erlang shell prints them, and as its bytes are printed here."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from port_worker.inspection.decode import decode
from port_worker.inspection.erlang_text import pieces

ERL = shutil.which("erl")
needs_erlang = pytest.mark.skipif(
    ERL is None and os.environ.get("CI") != "true", reason="there is no `erl` on the PATH to compare with"
)

EXPRESSIONS = [
    "self()", "make_ref()", "hd(erlang:ports())", "list_to_pid(\"<0.9000.3>\")", "spawn(fun() -> ok end)",
    "fun() -> ok end", "fun(X) -> {X, self()} end", "fun erlang:node/0", "fun lists:map/2", "fun 'A b':'c d'/3",
    "<<5:3>>", "<<1:1>>", "<<\"abc\",5:3>>", "<<255,0,127:7>>", "[a|b]", "[1,2|3]", "[[a|b]|{c}]", "[a|<<1:4>>]",
    "\"abc\"", "[1,2,3]", "[97,300]", "[]", "\"\"", "\"a\\nb\\t\\\"q\\\\\"", "[27]", "[8,11,12,13]", "[0]", "[127]",
    "[97,b]", "lists:duplicate(70000, $a)", "lists:seq(1, 300)", "<<>>", "<<\"abc\">>", "<<\"a\\\"b\\\\c\\n\">>",
    "<<255,1>>", "{}", "{ok,[{}],<<>>}", "#{}", "#{a => 1,2 => [],<<\"k\">> => #{{} => \"text\"}}",
    "#{{a,[1|2]} => self()}", "#{[1,2] => 3, [a] => b}", "#{#{a => 1} => 2}", "ok", "nil", "true", "false", "undefined",
    "'A b'", "'it\\'s'", "''", "'if'", "0", "255", "256", "-1", "-2147483649", "1 bsl 70", "-(1 bsl 3000)",
    "0.0", "-0.0", "1.5", "0.1", "123456789.123", "{call,1,recommend,#{n => 10,user => <<\"ada\">>},infinity}",
]  # fmt: skip

_SCRIPT = """
Value = fun(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Term, _} = erl_eval:exprs(Expressions, []),
    Term
end,
Hex = fun(Binary) -> [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Binary] end,
Ways = [[{minor_version, 1}], [{minor_version, 2}], [{minor_version, 2}, compressed]],
{ok, Input} = file:read_file(hd(init:get_plain_arguments())),
[begin
    Term = Value(unicode:characters_to_list(Line)),
    io:format("~s ~0tp~n", [lists:join(" ", [Hex(term_to_binary(Term, Way)) || Way <- Ways]), Term])
end || Line <- binary:split(Input, <<"\\n">>, [global, trim])],
halt().
"""


def shown(payload: bytes) -> str:
    return "".join(pieces(decode(payload).term))


@needs_erlang
def test_terms_are_printed_as_erlang_prints_them(tmp_path: Path) -> None:
    assert ERL is not None, "with CI=true Erlang has to be installed"
    (tmp_path / "lines").write_text("\n".join(EXPRESSIONS), encoding="utf-8")
    command = [ERL, "-noshell", "-eval", _SCRIPT, "-extra", str(tmp_path / "lines")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    answers = ran.stdout.splitlines()
    for expression, answer in zip(EXPRESSIONS, answers, strict=True):
        *encodings, printed = answer.split(" ", 3)
        assert {shown(bytes.fromhex(encoding)) for encoding in encodings} == {printed}, expression


def _atom(tag: int, name: bytes) -> bytes:
    return bytes((tag,)) + len(name).to_bytes(2 if tag in {100, 118} else 1, "big") + name


@pytest.mark.parametrize(
    ("name", "printed"),
    [("ok", "ok"), ("true", "true"), ("undefined", "undefined"), ("Ada", "'Ada'"), ("é", "'é'"), ("end", "'end'")],
)
def test_an_atom_is_the_same_whichever_tag_it_came_with(name: str, printed: str) -> None:
    encodings = [_atom(tag, name.encode("latin-1")) for tag in (100, 115)]
    encodings += [_atom(tag, name.encode()) for tag in (118, 119)]
    assert {shown(b"\x83" + encoded) for encoded in encodings} == {printed}


_NODE = _atom(119, b"a@host")


@pytest.mark.parametrize(
    ("data", "printed"),
    [
        (b"X" + _NODE + struct.pack(">III", 123, 4, 9), "<0.123.4>"),
        (b"g" + _NODE + struct.pack(">IIB", 123, 4, 1), "<0.123.4>"),
        (b"x" + _NODE + struct.pack(">QI", 2**40, 9), f"#Port<0.{2**40}>"),
        (b"Y" + _NODE + struct.pack(">II", 7, 9), "#Port<0.7>"),
        (b"f" + _NODE + struct.pack(">IB", 7, 1), "#Port<0.7>"),
        (b"Z" + struct.pack(">H", 3) + _NODE + struct.pack(">IIII", 9, 1, 2, 3), "#Ref<0.3.2.1>"),
        (b"r" + struct.pack(">H", 2) + _NODE + struct.pack(">BII", 1, 1, 2), "#Ref<0.2.1>"),
        (b"e" + _NODE + struct.pack(">IB", 5, 1), "#Ref<0.5>"),
        (
            b"u"
            + struct.pack(">I", 1)
            + b"g"
            + _NODE
            + bytes(9)
            + _atom(119, b"mod")
            + b"a\x05b"
            + bytes(3)
            + b"\x09j",
            "#Fun<mod.5.9>",
        ),
        (b"p" + struct.pack(">I", 6) + b"\x01\x02", "#Fun<000000060102>"),
        (b"c" + b"1.50000000000000000000e+00".ljust(31, b"\0"), "1.5"),
        (b"F" + struct.pack(">d", float("nan")), "#Float<nan>"),
        (b"l" + struct.pack(">I", 1) + b"a\x01" + b"l" + struct.pack(">I", 1) + b"a\x02j", "[1,2]"),
        (b"l" + struct.pack(">I", 0) + b"a\x01", "1"),
        (b"o" + struct.pack(">I", 2000) + b"\x01" + b"\xff" * 2000, "-16#" + "FF" * 2000),
        (b"m" + struct.pack(">I", 6) + "é\N{GRINNING FACE}".encode(), '<<"é\N{GRINNING FACE}"/utf8>>'),
        (b"k" + struct.pack(">H", 2) + b"\xe9\x1b", '"é\\e"'),
        (b"m" + struct.pack(">I", 4) + b"\x1b[2J", "<<27,91,50,74>>"),
        (b"k" + struct.pack(">H", 2) + b"\x9b1", "[155,49]"),
    ],
)
def test_what_an_erlang_of_today_does_not_write(data: bytes, printed: str) -> None:
    assert shown(b"\x83" + data) == printed


def test_depth_costs_no_stack_and_a_beginning_no_more_than_it_is() -> None:
    term: list[object] = []
    for _ in range(100_000):
        term = [term]
    started = pieces(term)
    assert [next(started) for _ in range(5)] == ["["] * 5
    assert sum(len(piece) for piece in started) == 2 * 100_001 - 5
