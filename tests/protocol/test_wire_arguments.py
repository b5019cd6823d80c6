"""The arguments of every op, good and bad."""

from __future__ import annotations

import struct
import uuid
from typing import Any

import numpy as np
import pytest

from protocol.arguments import (
    ARGUMENTS,
    Arguments,
    Explain,
    HideItems,
    NoArguments,
    Recommend,
    RecommendMany,
    Retrain,
    Score,
    ShowItems,
    Similar,
    parse_arguments,
)
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
MANY = ["users", "n", "exclude", "kinds", "filter_consumed"]
KINDS = "a list of binaries, or nil"
FEATURE = "a binary, a 64-bit integer, a float or a boolean"
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
        (
            "recommend",
            '#{user => 1,kinds => ["map","prop"],filter_consumed => false,diversity => 1,recent => ["a",2]}',
            Recommend(1, kinds=("map", "prop"), filter_consumed=False, diversity=1.0, recent=("a", 2)),
        ),
        ("recommend", "#{user => 1,kinds => nil,recent => nil,features => nil}", Recommend(1)),
        (
            "recommend",
            '#{user => 1,features => #{"age" => 20,"height" => 1.5,"vr" => true,"language" => "en"},diversity => 0.25}',
            Recommend(1, features={"age": 20, "height": 1.5, "vr": True, "language": "en"}, diversity=0.25),
        ),
        ("recommend_many", "#{users => [1]}", RecommendMany((1,), 10, (), None, True)),
        (
            "recommend_many",
            '#{users => [1,"a",1],n => 3,exclude => ["m"],kinds => ["map"],filter_consumed => false}',
            RecommendMany((1, "a", 1), 3, ("m",), ("map",), False),
        ),
        ("similar", '#{item => "m"}', Similar("m", 10, Atom("cosine"))),
        (
            "similar",
            "#{item => 1,n => 2,metric => dot,kinds => nil,exclude => [3],form => columns}",
            Similar(1, 2, Atom("dot"), None, (3,), Atom("columns")),
        ),
        ("score", '#{user => 1,items => ["m","m"]}', Score(1, ("m", "m"))),
        ("score", "#{user => 1,items => [2],form => columns}", Score(1, (2,), Atom("columns"))),
        ("explain", '#{user => 1,item => "m"}', Explain(1, "m", 5)),
        ("hide_items", '#{items => ["m"]}', HideItems(("m",))),
        ("show_items", "#{items => [1,2]}", ShowItems((1, 2))),
        ("retrain", "#{}", Retrain(None, {})),
        (
            "retrain",
            '#{retriever => "TwoTower",ranker => "DIN",retriever_params => #{"lr" => 0.1},candidates => 200}',
            Retrain(retriever="TwoTower", ranker="DIN", retriever_params={"lr": 0.1}, candidates=200),
        ),
        (
            "retrain",
            '#{algorithm => nil,retriever => "ALS",ranker => "DIN",params => #{"n" => 1}}',
            Retrain(None, {"n": 1}, "ALS", "DIN", {}, 500),
        ),
        ("retrain", "#{retriever => nil,ranker => nil,retriever_params => #{},candidates => 500}", Retrain()),
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
        ("recommend", '#{user => 1,kinds => "map"}', "kinds", KINDS, '<<"map">>'),
        ("recommend", "#{user => 1,kinds => [map]}", "kinds[0]", TEXT, "map"),
        ("recommend", "#{user => 1,kinds => []}", "kinds", "at least 1 element", "0 elements"),
        *(
            ("recommend", f"#{{user => 1,filter_consumed => {value}}}", "filter_consumed", "true or false", value)
            for value in ("nil", "1", '<<"true">>')
        ),
        *(
            ("recommend", f"#{{user => 1,diversity => {value}}}", "diversity", "a number from 0.0 to 1.0", value)
            for value in ("-0.1", "1.1", "2", "true", "nil", '<<"0.5">>')
        ),
        ("recommend", "#{user => 1,recent => []}", "recent", "at least 1 element", "0 elements"),
        ("recommend", '#{user => 1,recent => {uuid,""}}', "recent", "at least 1 element", "0 elements"),
        ("recommend", "#{user => 1,recent => 7}", "recent", IDS, "7"),
        ("recommend", "#{user => 1,recent => [1,nil]}", "recent[1]", ID, "nil"),
        ("recommend", "#{user => 1,features => []}", "features", "a map", "[]"),
        ("recommend", "#{user => 1,features => #{}}", "features", "at least 1 element", "0 elements"),
        ("recommend", "#{user => 1,features => #{age => 1}}", "features, a key", TEXT, "age"),
        *(
            ("recommend", f'#{{user => 1,features => #{{"age" => {value}}}}}', 'features.<<"age">>', FEATURE, value)
            for value in ("old", "nil", "[1]", "9223372036854775808", "#{}")
        ),
        ("recommend", '#{user => 1,features => #{"age" => <<>>}}', 'features.<<"age">>', TEXT, "<<>>"),
        ("recommend_many", "#{users => []}", "users", "at least 1 element", "0 elements"),
        ("recommend_many", "#{users => 7}", "users", IDS, "7"),
        ("recommend_many", "#{users => [7,8.0]}", "users[1]", ID, "8.0"),
        ("similar", "#{item => nil}", "item", ID, "nil"),
        ("similar", "#{item => 1,metric => euclid}", "metric", "one of the atoms cosine and dot", "euclid"),
        ("similar", '#{item => 1,metric => "dot"}', "metric", "one of the atoms cosine and dot", '<<"dot">>'),
        ("score", "#{user => 1,items => []}", "items", "at least 1 element", "0 elements"),
        ("explain", "#{user => 1,item => 2,n => 0}", "n", COUNT, "0"),
        *((op, "#{items => []}", "items", "at least 1 element", "0 elements") for op in ("hide_items", "show_items")),
        ("retrain", "#{retriever => als,ranker => 1}", "retriever", TEXT, "als"),
        (
            "retrain",
            '#{algorithm => "ALS",retriever => "ALS",ranker => "DIN"}',
            "algorithm",
            "none beside retriever and ranker",
            "ALS",
        ),
        ("retrain", '#{retriever_params => #{"lr" => 1}}', "retriever_params", "none without a retriever", "some"),
        ("retrain", "#{candidates => 100}", "candidates", "none without a retriever", "100"),
        ("retrain", '#{retriever => "ALS",ranker => "DIN",candidates => 0}', "candidates", COUNT, "0"),
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


COLUMN = (Atom("uuid"), RAW)


@pytest.mark.parametrize(
    ("op", "args", "name"),
    [
        ("recommend", {"user": 1, "recent": COLUMN}, "recent"),
        ("recommend_many", {"users": COLUMN}, "users"),
        ("similar", {"item": 1, "exclude": COLUMN}, "exclude"),
        ("score", {"user": 1, "items": COLUMN}, "items"),
        ("hide_items", {"items": COLUMN}, "items"),
        ("show_items", {"items": COLUMN}, "items"),
    ],
)
def test_ids_may_be_a_column_wherever_they_are_many(op: str, args: dict[str, Any], name: str) -> None:
    read = getattr(parse_arguments(Call(1, op, args)), name)
    assert [text.decode() for text in read.tolist()] == UUIDS


def test_a_hundred_thousand_users_are_a_column() -> None:
    most = LIMITS.max_users
    column = np.arange(most, dtype="<i8").tobytes()
    many = parse_arguments(Call(1, "recommend_many", {"users": (Atom("int64"), column)}))
    assert isinstance(many, RecommendMany)
    assert len(many.users) == most


def test_a_column_has_no_more_ids_than_a_list() -> None:
    limits = Limits().lowered({"max_exclude": 2})
    args = {"user": 1, "exclude": (Atom("int64"), bytes(16))}
    assert len(parse_arguments(Call(1, "recommend", args), limits).exclude) == 2  # type: ignore[union-attr]
    with pytest.raises(ProtocolError, match="exclude: expected at most 2 elements, got 3"):
        parse_arguments(Call(1, "recommend", args | {"exclude": (Atom("int64"), bytes(24))}), limits)


LOWERED: list[tuple[str, dict[str, Any], str]] = [
    ("recommend", {"user": 1, "n": 6}, "n: expected an integer from 1 to 5, got 6"),
    ("recommend", {"user": b"a" * 37}, "user: expected a UTF-8 binary of 1 to 36 bytes"),
    ("recommend", {"user": 1, "exclude": [1, 2]}, "exclude: expected at most 1 elements, got 2 elements"),
    ("recommend", {"user": 1, "recent": [1, 2, 3]}, "recent: expected at most 2 elements, got 3 elements"),
    ("recommend", {"user": 1, "kinds": [b"a", b"b"]}, "kinds: expected at most 1 elements, got 2 elements"),
    ("recommend", {"user": 1, "features": {b"a": 1, b"b": 1}}, "features: expected at most 1 elements, got 2 elem"),
    ("recommend_many", {"users": [1] * 4}, "users: expected at most 3 elements, got 4 elements"),
    ("recommend_many", {"users": (Atom("int64"), bytes(32))}, "users: expected at most 3 elements, got 4 elements"),
    ("score", {"user": 1, "items": [1] * 6}, "items: expected at most 5 elements, got 6 elements"),
    ("hide_items", {"items": [1, 2]}, "items: expected at most 1 elements, got 2 elements"),
    ("show_items", {"items": [1, 2]}, "items: expected at most 1 elements, got 2 elements"),
    ("feedback", {"users": [1] * 3, "items": [1]}, "users: expected at most 2 elements, got 3 elements"),
    (
        "feedback",
        {"users": [1], "items": [1], "weights": (Atom("float32"), bytes(12))},
        "weights: expected at most 2 elements, got 3 elements",
    ),
    ("feedback", {"users": [1], "items": [1], "times": [1] * 3}, "times: expected at most 2 elements, got 3 elements"),
]


@pytest.mark.parametrize(("op", "args", "text"), LOWERED)
def test_arguments_are_held_to_lowered_limits(op: str, args: dict[str, Any], text: str) -> None:
    lowered = {"max_items": 5, "max_id_bytes": 36, "max_exclude": 1, "max_users": 3, "max_feedback": 2}
    limits = Limits().lowered(lowered | {"max_recent": 2, "max_kinds": 1, "max_features": 1})
    with pytest.raises(ProtocolError) as error:
        parse_arguments(Call(1, op, args), limits)
    assert error.value.code == "invalid_argument"
    assert text in error.value.message


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


@pytest.mark.parametrize(
    ("op", "args", "field"),
    [
        ("recommend", "#{n => 1}", "user"),
        ("recommend_many", "#{n => 0}", "users"),
        ("similar", "#{metric => euclid}", "item"),
        ("score", "#{items => [1]}", "user"),
        ("score", "#{user => 1}", "items"),
        ("explain", "#{user => 1}", "item"),
        ("hide_items", "#{}", "items"),
        ("show_items", "#{}", "items"),
        ("feedback", "#{}", "user"),
        ("feedback", "#{user => nil,item => nil,users => nil}", "user"),
        ("feedback", "#{item => 1,weight => heavy}", "user"),
        ("feedback", "#{user => 1}", "item"),
        ("feedback", "#{users => [1]}", "items"),
        ("feedback", "#{user => 1,items => [1]}", "users"),
        ("retrain", '#{retriever => "ALS"}', "ranker"),
        ("retrain", '#{retriever => nil,ranker => "DIN",candidates => 0}', "retriever"),
    ],
)
def test_a_missing_argument_is_named(op: str, args: str, field: str) -> None:
    error = refused(op, args)
    assert error.code == "missing_argument"
    assert error.details == {"op": op, "field": field}
    assert error.message == f"{op}: expected the argument {field}, got none of that name"


@pytest.mark.parametrize(
    ("op", "args", "name", "known"),
    [
        ("recommend", "#{user => 1,'N' => 1}", "N", RECOMMEND),
        ("recommend", "#{nil => 1}", "nil", RECOMMEND),
        ("recommend_many", "#{users => [1],form => columns}", "form", MANY),
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
