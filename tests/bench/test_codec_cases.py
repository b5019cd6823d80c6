"""What is timed is the same to every codec, and to a real Erlang."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from port_worker.bench.codec.cases import MANY, MANY_TEXTS, REPLY, Case, cases, check, payloads_of_echo
from port_worker.bench.codec.echo import RAW, answer, echo_of
from port_worker.bench.codec.peers import ERLANG_PY, OURS, PEERS, from_erlang_py, to_erlang_py
from protocol import etf
from protocol.atoms import Atom
from protocol.framing import FrameReader, frame

ERL = shutil.which("erl")
needs_erlang = pytest.mark.skipif(
    ERL is None and os.environ.get("CI") != "true", reason="there is no `erl` on the PATH to read replies with"
)


@pytest.fixture(scope="module")
def rows() -> list[Case]:
    return cases()


def test_every_row_is_done_by_every_peer_and_rightly(rows: list[Case]) -> None:
    check(rows)
    assert [tuple(row.operations) for row in rows] == [PEERS] * len(rows)
    assert len({row.name for row in rows}) == len(rows) == 10


def test_a_peer_that_does_something_else_is_named(rows: list[Case]) -> None:
    wrong = replace(rows[0].operations[ERLANG_PY], function=lambda payload: payload)
    with pytest.raises(ValueError, match=f"{rows[0].name}: expected of erlang-py the same term"):
        check([Case(rows[0].name, {**rows[0].operations, ERLANG_PY: wrong})])


def test_the_same_seed_makes_the_same_bytes(rows: list[Case]) -> None:
    again = {row.name: row for row in cases()}
    for row in rows:
        ours, theirs = row.operations[ERLANG_PY], again[row.name].operations[ERLANG_PY]
        assert ours.expected == theirs.expected


@pytest.mark.parametrize("name", [REPLY, MANY, MANY_TEXTS])
def test_what_numpy_lays_out_is_what_erlang_py_writes_of_the_tuples(rows: list[Case], name: str) -> None:
    operations = next(row.operations for row in rows if row.name == name)
    ours, erlang_py = (operations[peer] for peer in (OURS, ERLANG_PY))
    assert ours.function(ours.argument) == erlang_py.function(erlang_py.argument)


@needs_erlang
def test_a_real_erlang_reads_what_numpy_lays_out(rows: list[Case], tmp_path: Path) -> None:
    assert ERL is not None, "with CI=true Erlang has to be installed"
    lines = []
    for row in rows:
        if row.name in (REPLY, MANY, MANY_TEXTS):
            ours = row.operations[OURS]
            lines += [ours.function(ours.argument).hex(), etf.encode(ours.expected, any_atom=True).hex()]
    asked = tmp_path / "asked"
    asked.write_text("\n".join(lines), encoding="ascii")
    program = """
        [Asked] = init:get_plain_arguments(),
        {ok, Input} = file:read_file(Asked),
        Term = fun(Hex) -> binary_to_term(binary:decode_hex(Hex)) end,
        Lines = binary:split(Input, <<"\\n">>, [global]),
        [Reply, Tuples, Many, Lists, Texts, Binaries] = [Term(Line) || Line <- Lines],
        true = Reply =:= Tuples, true = Many =:= Lists, true = Texts =:= Binaries,
        {ok, 7, #{items := [{<<_:36/binary, _/bits>>, Score} | _]}} = Reply, true = is_float(Score),
        {1000, [10]} = {length(Many), lists:usort([length(List) || List <- Many])},
        io:put_chars("the same"), halt().
    """
    command = [ERL, "-noshell", "-eval", program, "-extra", str(asked)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout == "the same", said.stderr


@pytest.mark.parametrize(
    "term",
    [Atom("ok"), None, True, 7, -(2**40), 0.5, b"text", [b"a", [Atom("b")]], (Atom("ok"), {Atom("k"): [None, (1,)]})],
)
def test_erlang_py_s_classes_hold_the_same_term(term: object) -> None:
    from erlang import binary_to_term, term_to_binary

    given = to_erlang_py(term)
    assert etf.decode(term_to_binary(given)) == term
    assert from_erlang_py(binary_to_term(etf.encode(term, any_atom=True))) == term


def test_the_request_that_is_echoed_has_59_bytes() -> None:
    payloads = dict(payloads_of_echo())
    assert tuple(payloads) == PEERS
    assert len(payloads[OURS]) == len(payloads[ERLANG_PY]) == 59


@pytest.mark.parametrize("peer", [RAW, *PEERS])
def test_an_echo_is_what_came_however_it_is_cut(peer: str) -> None:
    payload = {RAW: b"any bytes", **dict(payloads_of_echo())}[peer]
    sent = frame(payload) * 3
    reader, echo = FrameReader(), echo_of(peer)
    assert answer(reader, sent, echo) == sent
    assert b"".join(answer(reader, bytes((octet,)), echo) for octet in sent) == sent
