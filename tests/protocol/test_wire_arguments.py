"""The arguments of every op, good and bad."""

from __future__ import annotations

import pytest

from protocol.arguments import ARGUMENTS, Arguments, NoArguments, Recommend, Retrain, parse_arguments
from protocol.atoms import OPS
from protocol.erlang_syntax import parse_text
from protocol.errors import ProtocolError
from protocol.limits import MAX_EXCLUDE, MAX_ID_BYTES, MAX_ITEMS
from protocol.messages import Call, plain

ID = "a 64-bit integer or a UTF-8 binary"
TEXT = f"a UTF-8 binary of 1 to {MAX_ID_BYTES} bytes without NUL"
SCALAR = "an integer, a float, a boolean, nil, a binary, or a list of those"
COUNT = f"an integer from 1 to {MAX_ITEMS}"


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
        ("recommend", f"#{{user => -9223372036854775808,n => {MAX_ITEMS}}}", Recommend(-(2**63), MAX_ITEMS, ())),
        ("recommend", f'#{{user => "{"a" * MAX_ID_BYTES}"}}', Recommend("a" * MAX_ID_BYTES)),
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
        ("recommend", "#{user => 1,exclude => 5}", "exclude", "a list", "5"),
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


def test_a_list_that_is_too_long_is_not_read() -> None:
    with pytest.raises(ProtocolError) as error:
        parse_arguments(Call(1, "recommend", {"user": 1, "exclude": [None] * (MAX_EXCLUDE + 1)}))
    assert error.value.details == {
        "field": "exclude",
        "expected": f"at most {MAX_EXCLUDE} elements",
        "got": f"{MAX_EXCLUDE + 1} elements",
    }


def test_the_longest_list_is_read() -> None:
    longest = parse_arguments(Call(1, "recommend", {"user": 1, "exclude": list(range(MAX_EXCLUDE))}))
    assert longest == Recommend(1, 10, tuple(range(MAX_EXCLUDE)))


def test_a_missing_argument_is_named() -> None:
    error = refused("recommend", "#{n => 1}")
    assert error.code == "missing_argument"
    assert error.details == {"op": "recommend", "field": "user"}


@pytest.mark.parametrize(
    ("op", "args", "name", "known"),
    [
        ("recommend", "#{user => 1,'N' => 1}", "N", ["user", "n", "exclude"]),
        ("recommend", "#{nil => 1}", "nil", ["user", "n", "exclude"]),
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
