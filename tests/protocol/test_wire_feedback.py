"""The two ways to say feedback, and the one form that both become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol.arguments import Feedback, parse_arguments
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.limits import MAX_TIME, MAX_WEIGHT
from protocol.messages import Call

WEIGHT = f"a number from -{MAX_WEIGHT} to {MAX_WEIGHT}"
TIME = f"Unix time in seconds, an integer from 0 to {MAX_TIME}"


def feedback(**args: Any) -> Feedback:
    parsed = parse_arguments(Call(1, "feedback", args))
    assert isinstance(parsed, Feedback)
    return parsed


def floats(*values: float) -> Any:
    return Atom("float32"), np.array(values, dtype="<f4").tobytes()


def integers(*values: int) -> Any:
    return Atom("int64"), np.array(values, dtype="<i8").tobytes()


def columns_of(batch: Feedback) -> tuple[Any, ...]:
    def plain(column: Any) -> Any:
        return column.tolist() if isinstance(column, np.ndarray) else column

    return tuple(plain(column) for column in (batch.users, batch.items, batch.weights, batch.times))


@pytest.mark.parametrize(
    ("args", "batch"),
    [
        ({"user": b"ada", "item": 7}, (("ada",), (7,), None, None)),
        ({"user": 1, "item": b"m", "weight": 2, "time": 5}, ((1,), ("m",), (2.0,), (5,))),
        ({"user": 1, "item": 2, "weight": -0.5, "users": None, "weights": None}, ((1,), (2,), (-0.5,), None)),
        ({"users": [1], "items": [b"m"], "user": None, "time": None}, ((1,), ("m",), None, None)),
        (
            {"users": [1, 1], "items": [b"a", b"b"], "weights": [0, 1.5], "times": [0, MAX_TIME]},
            ((1, 1), ("a", "b"), (0.0, 1.5), (0, MAX_TIME)),
        ),
        (
            {
                "users": integers(1, 2),
                "items": integers(3, 4),
                "weights": floats(0.5, -1.0),
                "times": integers(0, MAX_TIME),
            },
            ([1, 2], [3, 4], [0.5, -1.0], [0, MAX_TIME]),
        ),
        ({"users": integers(1, 2), "items": [b"a", 3], "weights": [1, 2]}, ([1, 2], ("a", 3), (1.0, 2.0), None)),
    ],
)
def test_one_and_many_become_a_batch(args: dict[str, Any], batch: tuple[Any, ...]) -> None:
    said = feedback(**args)
    assert columns_of(said) == batch
    assert len(said) == len(batch[0])


def test_columns_stay_arrays_of_their_kind() -> None:
    said = feedback(users=integers(1), items=integers(2), weights=floats(0.5), times=integers(3))
    columns = (said.users, said.items, said.weights, said.times)
    assert [column.dtype for column in columns if isinstance(column, np.ndarray)] == [
        *(np.int64, np.int64, np.float32, np.int64)
    ]


BOTH = {"users": [1, 2], "items": [3, 4]}


@pytest.mark.parametrize(
    ("args", "field", "expected", "got"),
    [
        (BOTH | {"user": 1}, "user", "none beside users and items", "one"),
        (BOTH | {"item": 1}, "item", "none beside users and items", "one"),
        (BOTH | {"weight": 1}, "weight", "none beside users and items", "one"),
        (BOTH | {"time": 1}, "time", "none beside users and items", "one"),
        ({"user": 1, "item": 2, "weights": [1]}, "weights", "none beside user and item", "one"),
        ({"user": 1, "item": 2, "times": [1]}, "times", "none beside user and item", "one"),
        (BOTH | {"items": [1]}, "items", "2 elements, as many as users", "1 elements"),
        (BOTH | {"items": integers(1, 2, 3)}, "items", "2 elements, as many as users", "3 elements"),
        (BOTH | {"weights": [1]}, "weights", "2 elements, as many as users", "1 elements"),
        (BOTH | {"times": integers(1)}, "times", "2 elements, as many as users", "1 elements"),
        ({"users": [], "items": []}, "users", "at least 1 element", "0 elements"),
        (BOTH | {"weights": floats()}, "weights", "at least 1 element", "0 elements"),
        ({"user": 1, "item": 2, "weight": True}, "weight", WEIGHT, "true"),
        ({"user": 1, "item": 2, "weight": MAX_WEIGHT + 1}, "weight", WEIGHT, str(MAX_WEIGHT + 1)),
        ({"user": 1, "item": 2, "weight": b"1"}, "weight", WEIGHT, '<<"1">>'),
        ({"user": 1, "item": 2, "time": 1.5}, "time", TIME, "1.5"),
        ({"user": 1, "item": 2, "time": -1}, "time", TIME, "-1"),
        (BOTH | {"weights": 1.0}, "weights", "a list or {float32, Binary}", "1.0"),
        (BOTH | {"weights": integers(1, 2)}, "weights", "a list or {float32, Binary}", "{int64,<<1,0,0,0,0,0,0,0,2,0,"),
        (BOTH | {"weights": [1, None]}, "weights[1]", WEIGHT, "nil"),
        (BOTH | {"weights": floats(1, float("nan"))}, "weights[1]", WEIGHT, "nan"),
        (BOTH | {"weights": floats(float("-inf"), 1)}, "weights[0]", WEIGHT, "-inf"),
        (BOTH | {"weights": floats(1, 2e9)}, "weights[1]", WEIGHT, "2000000000.0"),
        (BOTH | {"weights": (Atom("float32"), b"abcde")}, "weights", "{float32, Binary} of a multiple of 4 bytes", "{"),
        (BOTH | {"times": [1, MAX_TIME + 1]}, "times[1]", TIME, str(MAX_TIME + 1)),
        (BOTH | {"times": integers(-1, 1)}, "times[0]", TIME, "-1"),
        (BOTH | {"times": floats(1, 2)}, "times", "a list or {int64, Binary}", "{float32,"),
    ],
)
def test_what_does_not_go_together_is_named(args: dict[str, Any], field: str, expected: str, got: str) -> None:
    with pytest.raises(ProtocolError) as error:
        feedback(**args)
    assert error.value.code == "invalid_argument"
    details = error.value.details
    assert (details["field"], details["expected"]) == (field, expected)
    assert details["got"].startswith(got)
    assert error.value.message == f"{field}: expected {expected}, got {details['got']}"
