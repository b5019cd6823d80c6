"""SPEC.md says what the code does."""

from __future__ import annotations

import dataclasses
import re
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import protocol
from protocol import atoms, etf, limits
from protocol.arguments import ARGUMENTS
from protocol.erlang_syntax import parse_text, to_text
from protocol.errors import CODES, ProtocolError
from protocol.etf import decode
from protocol.framing import FrameReader
from protocol.messages import parse_inbound, parse_outbound

SPEC = (Path(protocol.__file__).parent / "SPEC.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^(host|worker): (.+)\n((?:  [0-9a-f ]+\n)+)", re.MULTILINE)


def section(heading: str) -> str:
    """The text under a heading, up to the next heading of its level or above."""
    level = heading.split(" ")[0]
    after = SPEC.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


def is_row(line: str) -> bool:
    return line.startswith("|")


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in a section, without its head."""
    lines = list(takewhile(is_row, dropwhile(lambda line: not is_row(line), text.splitlines())))
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_table_of_errors_is_the_closed_set() -> None:
    stated = {
        code: (fault, retryable, meaning.replace("`", ""))
        for code, fault, retryable, meaning in rows(section("## Errors"))
    }
    assert stated == {
        code: (facts.fault.value, "yes" if facts.retryable else "no", facts.meaning.replace("`", ""))
        for code, facts in CODES.items()
    }


def test_the_table_of_limits_has_every_limit() -> None:
    stated = {name: int(value) for name, value, _of_what in rows(section("## Limits"))}
    others = {
        "max_call_id": limits.MAX_CALL_ID,
        "max_deadline_ms": limits.MAX_DEADLINE_MS,
        "max_weight": limits.MAX_WEIGHT,
        "max_time": limits.MAX_TIME,
        "max_budget_s": limits.MAX_BUDGET_S,
    }
    assert stated == dataclasses.asdict(limits.Limits()) | others


def test_the_ops_and_their_arguments_are_all_there() -> None:
    assert re.findall(r"^### `(\w+)`$", SPEC, re.MULTILINE) == list(atoms.OPS)
    for op, kind in ARGUMENTS.items():
        text = section(f"### `{op}`")
        stated = {name: default for name, default, *_value in rows(text)}
        assert stated == {field.name: default_text(field) for field in dataclasses.fields(kind)}, op
        assert ("No arguments." in text) is not bool(stated), op


def default_text(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return to_text(field.default_factory())
    if field.default is dataclasses.MISSING:
        return "required"
    return to_text(list(field.default) if isinstance(field.default, tuple) else field.default)


def test_the_events_and_states_are_all_there() -> None:
    assert [kind for kind, _facts in rows(section("## Events"))] == list(atoms.EVENTS)
    assert [state for state, _calls in rows(section("## Session"))] == list(atoms.STATES)


def test_the_atoms_are_the_closed_set() -> None:
    stated = set(re.findall(r"`(\w+)`", section("## Atoms").replace("`binary_to_term", "")))
    assert stated | set(CODES) == atoms.CLOSED_SET


def test_the_columns_are_what_numpy_reads() -> None:
    table = rows(section("## Columns"))
    stated = {kind: int(size) for kind, size, *_rest in table}
    numbers = {kind: np.dtype(kind).itemsize for kind in ("int64", "float32", "int32", "uint8")}
    assert stated == numbers | {"uuid": 16}
    assert tuple(stated) == atoms.COLUMNS


def test_the_tags_are_those_that_are_read_and_sent() -> None:
    table = rows(section("## Terms"))
    read = {int(tag) for _type, tags, *_rest in table for tag in tags.split(", ")}
    assert read == {tag for tag in range(256) if is_read(tag)}
    samples = [1, 256, 2**40, 0.5, atoms.Atom("ok"), b"", [], [1], (), (0,) * 256, {}]
    sent = {int(tag) for _type, _read, tags, _use in table for tag in tags.split(", ")}
    assert {etf.encode(sample)[1] for sample in samples} == sent


def is_read(tag: int) -> bool:
    """Whether a lone tag fails for want of bytes, or not at all, instead of for what it is."""
    try:
        decode(bytes((131, tag)))
    except ProtocolError as error:
        return bool(error.details["expected"] != "a permitted term")
    return True


@pytest.mark.parametrize(("who", "text", "dump"), EXAMPLE.findall(SPEC))
def test_the_example_is_what_it_says(who: str, text: str, dump: str) -> None:
    reader = FrameReader()
    reader.feed(bytes.fromhex(dump.replace("\n", " ")))
    (payload,) = reader.frames()
    assert reader.pending_bytes == 0
    assert to_text(decode(payload)) == text
    assert etf.encode(parse_text(text)) == payload
    (parse_inbound if who == "host" else parse_outbound)(payload)


def test_the_example_shows_both_sides() -> None:
    assert [who for who, _text, _dump in EXAMPLE.findall(SPEC)] == [*("host", "worker") * 3, "host"]
