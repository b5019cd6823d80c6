"""The worker's side of the golden vectors: the bytes that real Erlang makes, to their terms and back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from protocol import atoms
from protocol.arguments import ARGUMENTS, FORMS, parse_arguments
from protocol.erlang_syntax import parse_text
from protocol.errors import CODES, ProtocolError
from protocol.etf import decode, encode
from protocol.framing import FrameReader, frame
from protocol.messages import Call, ErrorReply, parse_inbound, parse_outbound, to_payload
from tests.protocol import vectors
from tests.protocol.terms import typed
from tests.protocol.vectors import MESSAGES, REFUSED, TERMS, Refused, Vector

ESCRIPT = shutil.which("escript")
FILES = ["messages.txt", "refused.txt", "terms.txt"]
HOST = [vector for vector in MESSAGES if vector.name.startswith("host.")]
WORKER = [vector for vector in MESSAGES if vector.name.startswith("worker.")]


def each(rows: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", [pytest.param(vector, id=vector.id) for vector in rows])


def payload(vector: Vector) -> bytes:
    reader = FrameReader()
    reader.feed(vector.data)
    (only,) = reader.frames()
    assert reader.pending_bytes == 0
    return only


def holds_string(term: Any) -> bool:
    """Whether Erlang would write a part of the term as a string of bytes, which a worker never does."""
    if isinstance(term, list) and term and all(type(element) is int and 0 <= element < 256 for element in term):
        return len(term) < 2**16
    if isinstance(term, dict):
        return any(holds_string(part) for part in term.values())
    return isinstance(term, (list, tuple)) and any(holds_string(part) for part in term)


@each(TERMS)
def test_the_bytes_are_the_term_of_the_text(vector: Vector) -> None:
    assert typed(decode(vector.data)) == typed(parse_text(vector.text))


@each([vector for vector in TERMS if vector.kind == "v2" and not holds_string(parse_text(vector.text))])
def test_the_term_is_sent_as_erlang_sends_it(vector: Vector) -> None:
    assert encode(parse_text(vector.text), any_atom=True) == vector.data


@each([vector for vector in TERMS if holds_string(parse_text(vector.text))])
def test_a_list_of_bytes_is_sent_as_a_list(vector: Vector) -> None:
    term = parse_text(vector.text)
    assert typed(decode(encode(term, any_atom=True))) == typed(term)


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_what_may_not_pass_is_refused_where_it_stands(refused: Refused) -> None:
    with pytest.raises(ProtocolError) as error:
        decode(refused.data)
    assert error.value.code == "malformed_term"
    assert 0 <= error.value.details["offset"] <= len(refused.data)
    assert refused.offset in (None, error.value.details["offset"])


@each(HOST)
def test_a_host_says(vector: Vector) -> None:
    message = parse_inbound(payload(vector))
    if isinstance(message, Call):
        parse_arguments(message)
    assert typed(decode(to_payload(message))) == typed(parse_text(vector.text))
    if vector.kind == "v2" and not holds_string(parse_text(vector.text)):
        assert frame(to_payload(message)) == vector.data


@each(WORKER)
def test_a_worker_says(vector: Vector) -> None:
    message = parse_outbound(payload(vector))
    assert frame(to_payload(message)) == vector.data
    assert frame(encode(parse_text(vector.text))) == vector.data
    if isinstance(message, ErrorReply):
        assert message.retryable is CODES[message.code].retryable


def test_every_message_op_event_and_code_has_its_frame() -> None:
    said = [parse_text(vector.text) for vector in MESSAGES]
    assert {term[0] for term in said} == set(atoms.MESSAGE_TAGS)
    calls = [term for term in said if term[0] == "call"]
    assert {term[2] for term in calls} == set(atoms.OPS)
    assert {name for term in calls for name in term[3]} == set(atoms.ARGUMENTS)
    assert set(ARGUMENTS) == set(atoms.OPS)
    assert {form for term in calls if (form := term[3].get("form"))} == set(FORMS)
    assert {term[1] for term in said if term[0] == "event"} == set(atoms.EVENTS)
    assert {term[2]["phase"] for term in said if term[0] == "progress"} == set(atoms.PHASES)
    assert {term[2]["code"] for term in said if term[0] == "error"} == set(CODES)


def test_every_tag_that_is_read_has_its_vector() -> None:
    spec = (vectors.FOLDER.parent / "SPEC.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (?:\w+) \| ([0-9, ]+) \| ([0-9, ]+) \|", spec, re.MULTILINE)
    read = {int(tag) for tags, _sent in table for tag in tags.split(", ")}
    assert {vector.data[1] for vector in TERMS} == read


@pytest.mark.skipif(
    ESCRIPT is None and os.environ.get("CI") != "true", reason="there is no `escript` on the PATH to make them again"
)
def test_the_files_are_what_erlang_writes(tmp_path: Path) -> None:
    assert ESCRIPT is not None, "with CI=true Erlang has to be installed"
    command = [ESCRIPT, str(vectors.FOLDER / "generate.escript"), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    for name in FILES:
        assert (tmp_path / name).read_text("ascii") == (vectors.FOLDER / name).read_text("ascii"), name
