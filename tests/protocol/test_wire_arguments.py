"""The arguments of every op, good and bad."""

from __future__ import annotations

import struct
import uuid

import numpy as np
import pytest

from protocol.arguments import ARGUMENTS, Arguments, NoArguments, Recommend, Retrain, parse_arguments
from protocol.atoms import OPS, Atom
from protocol.erlang_syntax import parse_text
from protocol.errors import ProtocolError
from protocol.limits import Limits
from protocol.messages import Call, plain

LIMITS = Limits()
ID = "a 64-bit integer, a UTF-8 binary, or {uuid, Binary} of 16 bytes"
IDS = "a list, {int64, Binary} or {uuid, Binary}"
TEXT = f"a UTF-8 binary of 1 to {LIMITS.max_id_bytes} bytes without NUL"
SCALAR = "an integer, a float, a boolean, nil, a binary, or a list of those"
RECOMMEND = ["user", "n", "exclude", "form", "kinds", "filter_consumed", "diversity", "recent", "features"]
COUNT = f"an integer from 1 to {LIMITS.max_items}"


def parse(op: str, args: str) -> Arguments:
    return parse_arguments(Call(1, op, {str(key): value for key, value in parse_text(args).items()}))


def refused(op: str, args: str) -> ProtocolError:
    with pytest.raises(ProtocolError) as error:
        parse(op, args)
    return error.value


def test_every_op_has_its_arguments() -> None:
    assert tuple(ARGUMENTS) == OPS


@pytest.mark.parametrize(
    ("op", "args", "expected"),
    [
        ("ping", "#{}", NoArguments()),
        ("recommend", "#{user => 7}", Recommend(7, 10, ())),
        ("recommend", '#{user => "Zoë",n => 1,exclude => [1,"a"]}', Recommend("Zoë", 1, (1, "a"))),
        (
            "recommend",
            f"#{{user => -9223372036854775808,n => {LIMITS.max_items}}}",
            Recommend(-(2**63), LIMITS.max_items, ()),
        ),
        ("recommend", f'#{{user => "{"a" * LIMITS.max_id_bytes}"}}', Recommend("a" * LIMITS.max_id_bytes)),
        ("retrain", "#{}", Retrain(None, {})),
        ("retrain", "#{algorithm => nil}", Retrain(None, {})),
        (
            "retrain",
            '#{algorithm => "ALS",params => #{"a" => 1,"b" => 0.5,"c" => true,"d" => nil,"e" => "x","f" => [1,"y"]}}',
            Retrain("ALS", {"a": 1, "b": 0.5, "c": True, "d": None, "e": "x", "f": [1, "y"]}),
        ),
    ],
)
def test_good_arguments_become_values(op: str, args: str, expected: Arguments) -> None:
    assert parse(op, args) == expected


@pytest.mark.parametrize(
    ("op", "args", "field", "expected", "got"),
    [
        *(
            ("recommend", f"#{{user => 1,n => {n}}}", "n", COUNT, n)
            for n in ("0", "-1", "1000000000", '<<"ten">>', "1.5", "true", "nil", "[]")
        ),
        *(
            ("recommend", f"#{{user => {user}}}", "user", ID, user)
            for user in ("[]", "nil", "1.0", "true", "ada", "{}")
        ),
        ("recommend", "#{user => 9223372036854775808}", "user", ID, "9223372036854775808"),
        *(("recommend", f"#{{user => {user}}}", "user", TEXT, user) for user in ("<<>>", "<<255>>", "<<97,0>>")),
        ("recommend", f'#{{user => "{"a" * 256}"}}', "user", TEXT, '<<"' + "a" * 74 + "..."),
        ("recommend", "#{user => 1,exclude => 5}", "exclude", IDS, "5"),
        ("recommend", "#{user => 1,exclude => {1,2}}", "exclude", IDS, "{1,2}"),
        ("recommend", '#{user => 1,exclude => {float32,"abcd"}}', "exclude", IDS, '{float32,<<"abcd">>}'),
        (
            "recommend",
            '#{user => 1,exclude => {int64,"abcd"}}',
            "exclude",
            "{int64, Binary} of a multiple of 8 bytes",
            '{int64,<<"abcd">>}',
        ),
        (
            "recommend",
            '#{user => 1,exclude => {uuid,"abcd"}}',
            "exclude",
            "{uuid, Binary} of a multiple of 16 bytes",
            '{uuid,<<"abcd">>}',
        ),
        ("recommend", '#{user => {uuid,"abcd"}}', "user", ID, '{uuid,<<"abcd">>}'),
        ("recommend", '#{user => {int64,"12345678"}}', "user", ID, '{int64,<<"12345678">>}'),
        ("recommend", '#{user => 1,form => "columns"}', "form", "one of the atoms pairs and columns", '<<"columns">>'),
        ("recommend", "#{user => 1,form => tuples}", "form", "one of the atoms pairs and columns", "tuples"),
        ("recommend", "#{user => 1,exclude => [1,2.0]}", "exclude[1]", ID, "2.0"),
        ("recommend", '#{user => 1,exclude => ["a","b",""]}', "exclude[2]", TEXT, "<<>>"),
        ("retrain", "#{algorithm => als}", "algorithm", TEXT, "als"),
        ("retrain", "#{algorithm => <<>>}", "algorithm", TEXT, "<<>>"),
        ("retrain", "#{params => []}", "params", "a map", "[]"),
        ("retrain", "#{params => #{lr => 1}}", "params, a key", TEXT, "lr"),
        ("retrain", '#{params => #{"lr" => fast}}', 'params.<<"lr">>', SCALAR, "fast"),
        ("retrain", '#{params => #{"lr" => #{}}}', 'params.<<"lr">>', SCALAR, "#{}"),
        ("retrain", '#{params => #{"lr" => [1,[2]]}}', 'params.<<"lr">>[1]', SCALAR, "[2]"),
    ],
)
def test_bad_arguments_are_named_with_what_was_expected_and_what_came(
    op: str, args: str, field: str, expected: str, got: str
) -> None:
    error = refused(op, args)
    assert error.code == "invalid_argument"
    assert error.details == {"field": field, "expected": expected, "got": got}
    assert error.message == f"{field}: expected {expected}, got {got}"


UUIDS = ["00112233-4455-6677-8899-aabbccddeeff", "ffffffff-0000-4000-8000-0123456789ab"]
RAW = b"".join(uuid.UUID(text).bytes for text in UUIDS)


def test_a_column_of_integers_stays_an_array() -> None:
    ids = [0, -1, 2**63 - 1, -(2**63)]
    call = Call(1, "recommend", {"user": 1, "exclude": (Atom("int64"), struct.pack("<4q", *ids))})
    parsed = parse_arguments(call)
    assert isinstance(parsed, Recommend)
    assert (parsed.exclude.dtype, parsed.exclude.tolist()) == (np.int64, ids)  # type: ignore[union-attr]


def test_raw_uuids_are_the_same_ids_as_their_texts() -> None:
    call = Call(1, "recommend", {"user": (Atom("uuid"), RAW[:16]), "exclude": [Atom("uuid"), RAW]})
    parsed = parse_arguments(call)
    assert isinstance(parsed, Recommend)
    assert parsed.user == UUIDS[0]
    assert [text.decode() for text in parsed.exclude.tolist()] == UUIDS  # type: ignore[union-attr]


def test_a_column_has_no_more_ids_than_a_list() -> None:
    limits = Limits().lowered({"max_exclude": 2})
    args = {"user": 1, "exclude": (Atom("int64"), bytes(16))}
    assert len(parse_arguments(Call(1, "recommend", args), limits).exclude) == 2  # type: ignore[union-attr]
    with pytest.raises(ProtocolError, match="exclude: expected at most 2 elements, got 3"):
        parse_arguments(Call(1, "recommend", args | {"exclude": (Atom("int64"), bytes(24))}), limits)


def test_arguments_are_held_to_lowered_limits() -> None:
    limits = Limits().lowered({"max_items": 5, "max_id_bytes": 36, "max_exclude": 1})
    for args, text in (
        ({"user": 1, "n": 6}, "n: expected an integer from 1 to 5, got 6"),
        ({"user": b"a" * 37}, "user: expected a UTF-8 binary of 1 to 36 bytes"),
        ({"user": 1, "exclude": [1, 2]}, "exclude: expected at most 1 elements, got 2"),
    ):
        with pytest.raises(ProtocolError, match=text):
            parse_arguments(Call(1, "recommend", args), limits)


def test_a_list_that_is_too_long_is_not_read() -> None:
    with pytest.raises(ProtocolError) as error:
        parse_arguments(Call(1, "recommend", {"user": 1, "exclude": [None] * (LIMITS.max_exclude + 1)}))
    assert error.value.details == {
        "field": "exclude",
        "expected": f"at most {LIMITS.max_exclude} elements",
        "got": f"{LIMITS.max_exclude + 1} elements",
    }


def test_the_longest_list_is_read() -> None:
    longest = parse_arguments(Call(1, "recommend", {"user": 1, "exclude": list(range(LIMITS.max_exclude))}))
    assert longest == Recommend(1, 10, tuple(range(LIMITS.max_exclude)))


def test_a_missing_argument_is_named() -> None:
    error = refused("recommend", "#{n => 1}")
    assert error.code == "missing_argument"
    assert error.details == {"op": "recommend", "field": "user"}


@pytest.mark.parametrize(
    ("op", "args", "name", "known"),
    [
        ("recommend", "#{user => 1,'N' => 1}", "N", RECOMMEND),
        ("recommend", "#{nil => 1}", "nil", RECOMMEND),
        ("drain", "#{now => true}", "now", []),
    ],
)
def test_an_unknown_argument_is_named_beside_the_known(op: str, args: str, name: str, known: list[str]) -> None:
    call = Call(1, op, {plain({key: 0}).popitem()[0]: value for key, value in parse_text(args).items()})
    with pytest.raises(ProtocolError) as error:
        parse_arguments(call)
    assert error.value.code == "unknown_argument"
    assert error.value.details == {"op": op, "field": name, "known": known}
    assert error.value.message == f"{op}: expected {', '.join(known) or 'no arguments'}, got {name}"
