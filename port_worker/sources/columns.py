"""Interactions as columns, and how the values of one column are checked.

A column is converted whole, because that is fast; only when the conversion refuses it are its values tried one by one,
to name the first that is wrong. One rule therefore decides both whether and where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

MAX_ID_BYTES = 255  # far above a UUID's 36; bounds the width of an id column
_SLICE_ROWS = 1 << 20
MAX_TIME = 2**53  # the integers that a double holds exactly; in seconds, past the end of any calendar

Id: TypeAlias = int | str
IdArray: TypeAlias = NDArray[np.int64] | NDArray[np.bytes_]


@dataclass(frozen=True, eq=False)
class IdColumn:
    """A column of ids, each id written once: row i holds `ids[codes[i]]`."""

    codes: NDArray[np.int32]  # (n,) places in `ids`
    ids: IdArray  # (m,) ascending and distinct; each occurs: int64, or bytes 'S<k>' holding UTF-8

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, ids: IdArray) -> IdColumn:
        """The column that holds these ids."""
        distinct_ids, codes = np.unique(ids, return_inverse=True)
        return cls(codes.astype(np.int32), cast("IdArray", distinct_ids))

    @property
    def values(self) -> IdArray:
        """(n,) the id of each row."""
        return cast("IdArray", look_up(self.ids, self.codes))

    @property
    def counts(self) -> NDArray[np.int64]:
        """(m,) in how many rows each of `ids` is."""
        counts = np.zeros(len(self.ids), dtype=np.int64)
        for part in _slices(self.codes):
            counts += np.bincount(part, minlength=len(counts))
        return counts

    def at(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> IdColumn:
        """The column of some rows, without the ids that are in none of them."""
        codes = self.codes[rows]
        used = np.zeros(len(self.ids), dtype=np.bool_)
        for part in _slices(codes):
            used[part] = True
        places = np.cumsum(used, dtype=np.int32) - np.int32(1)
        return IdColumn(look_up(places, codes), self.ids[used])


def look_up(table: NDArray[Any], codes: NDArray[np.int32]) -> NDArray[Any]:
    """`table[codes]`, for which numpy would make all codes 64 bits wide at once."""
    found = np.empty(len(codes), dtype=table.dtype)
    start = 0
    for part in _slices(codes):
        found[start : start + len(part)] = table[part]
        start += len(part)
    return found


def _slices(codes: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    return (codes[start : start + _SLICE_ROWS] for start in range(0, len(codes), _SLICE_ROWS))


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who met what, how strongly and when: four columns of one length. A pair may occur several times."""

    users: IdColumn
    items: IdColumn  # whose ids may be of another type than those of users
    weights: NDArray[np.float32]  # (n,)
    times: NDArray[np.int64]  # (n,) seconds since 1970 UTC
    skipped: int = 0
    """How many malformed rows were left out, where the source's definition lets some be."""

    def __len__(self) -> int:
        return len(self.times)

    def at(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Interactions:
        """Some of the rows, by a mask or in the order of their numbers."""
        return Interactions(
            self.users.at(rows), self.items.at(rows), self.weights[rows], self.times[rows], self.skipped
        )


@dataclass(frozen=True)
class Rule:
    """What the values of a column must be.

    `convert` turns a sequence of values into an array and raises ValueError, TypeError or OverflowError if any value
    breaks the rule. It judges every value for itself: a sequence is refused exactly if one of its values alone is.
    """

    expected: str
    convert: Callable[[Sequence[Any]], NDArray[Any]]

    def first_refused(self, values: Sequence[Any]) -> int | None:
        """The index of the first value that breaks the rule; None if all keep it."""
        return next((index for index, value in enumerate(values) if not self.accepts(value)), None)

    def accepts(self, value: object) -> bool:
        """Whether this one value keeps the rule."""
        try:
            self.convert([value])
        except (ValueError, TypeError, OverflowError):
            return False
        return True


def _text_ids(values: Sequence[str]) -> NDArray[np.bytes_]:
    encoded = [value.encode() for value in values]
    if not all(encoded) or max(map(len, encoded), default=0) > MAX_ID_BYTES or b"\0" in b"".join(encoded):
        raise ValueError
    return np.array(encoded, dtype=np.bytes_)


def _integers_in_text(values: Sequence[str]) -> NDArray[np.int64]:
    integers = list(map(int, values))
    if list(map(str, integers)) != list(values):  # "007", "+7" and "1_000" are text to whoever wrote them
        raise ValueError
    return np.array(integers, dtype=np.int64)


def _numbers_in_text(values: Sequence[str]) -> NDArray[np.float64]:
    joined = "".join(values)
    if "_" in joined or not joined.isascii():  # float() reads Python's 1_000 and every script's digits
        raise ValueError
    return np.array(list(map(float, values)), dtype=np.float64)


def _of_type(values: Sequence[object], *types: type) -> Sequence[Any]:
    if not {type(value) for value in values} <= set(types):  # by identity, because True is an int to isinstance
        raise TypeError
    return values


def _weights(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        weights = numbers.astype(np.float32)
    if not np.isfinite(weights).all():
        raise ValueError
    return weights


def _times(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    if not (np.abs(numbers) < MAX_TIME).all():  # also false for NaN
        raise ValueError
    return np.floor(numbers).astype(np.int64)


def _typed_numbers(values: Sequence[object]) -> NDArray[np.float64]:
    return np.array(_of_type(values, int, float), dtype=np.float64)


def _typed_integers(values: Sequence[object]) -> NDArray[np.int64]:
    return np.array(_of_type(values, int), dtype=np.int64)


def kind_rule(weights: Mapping[str, float]) -> Rule:
    """Of a column of kinds, which become their weights."""

    def convert(values: Sequence[object]) -> NDArray[np.float32]:
        try:
            return np.array([weights[value] for value in _of_type(values, str)], dtype=np.float32)
        except KeyError:
            raise ValueError from None

    return Rule(f"a kind that has a weight: {', '.join(weights)}", convert)


_INTEGER_ID = "an integer of 64 bits, as in the first row"
_TEXT_ID = f"text of 1 to {MAX_ID_BYTES} bytes of UTF-8 without NUL"
_WEIGHT = "a finite number"
_TIME = "a number of seconds since 1970"


@dataclass(frozen=True)
class Rules:
    """The rules of one source's kind of values: text throughout (CSV), or typed (SQLite, Parquet)."""

    integer_id: Rule
    text_id: Rule
    weight: Rule
    time: Rule

    def id_rule(self, first: object) -> Rule:
        """The rule for an id column, decided by its first value."""
        return self.integer_id if self.integer_id.accepts(first) else self.text_id

    def weighing(self, weights: Mapping[str, float]) -> Rules:
        """The same rules, where kinds of these weights stand in the place of weights; unchanged if there are none."""
        return replace(self, weight=kind_rule(weights)) if weights else self


TEXT_RULES = Rules(
    integer_id=Rule(_INTEGER_ID, _integers_in_text),
    text_id=Rule(_TEXT_ID, _text_ids),
    weight=Rule(_WEIGHT, lambda values: _weights(_numbers_in_text(values))),
    time=Rule(_TIME, lambda values: _times(_numbers_in_text(values))),
)
TYPED_RULES = Rules(
    integer_id=Rule(_INTEGER_ID, _typed_integers),
    text_id=Rule(_TEXT_ID, lambda values: _text_ids(_of_type(values, str))),
    weight=Rule(_WEIGHT, lambda values: _weights(_typed_numbers(values))),
    time=Rule(_TIME, lambda values: _times(_typed_numbers(values))),
)


def id_of(value: Any) -> Id:
    """An element of an id array as the user's own id."""
    return value.decode() if isinstance(value, bytes) else int(value)


def key_of(ids: IdArray, value: Id) -> int | bytes | None:
    """What to look for in `ids` to find the id `value`; None if it cannot be among them."""
    if ids.dtype.kind == "S":
        return value.encode() if isinstance(value, str) and TEXT_RULES.text_id.accepts(value) else None
    return value if type(value) is int and -(2**63) <= value < 2**63 else None
