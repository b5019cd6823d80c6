"""One hyper-parameter: what it may be, and the check of a value that came from outside. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from port_worker.training.errors import TrainingError

Value: TypeAlias = "bool | int | float | str | list[int] | None"
Kind: TypeAlias = Literal["integer", "float", "boolean", "choice", "integers"]

MAX_LAYERS = 8
"""The longest list that a parameter of kind `integers` (units of hidden layers) may be."""

_SHOWN_CHARACTERS = 80


class _RefusedError(ValueError):
    """The value is not what the parameter may be."""


@dataclass(frozen=True)
class HyperParameter:
    """A named parameter of an algorithm.

    `low` and `high` bound numbers (and each number of a list), both inclusive unless `above_low`. `ours` says why the
    default is not LibRecommender's own; it is empty where it is.
    """

    name: str
    kind: Kind
    default: Value
    low: float = 0
    high: float = 0
    above_low: bool = False
    choices: tuple[str, ...] = ()
    nullable: bool = False
    ours: str = ""

    @property
    def expected(self) -> str:
        """What a value must be, as a phrase."""
        return f"{self._description()} or nil" if self.nullable else self._description()

    def check(self, algorithm: str, value: object) -> Value:
        """The value in the parameter's type: a float for an integer where a float is wanted, a list for one layer.

        Raises TrainingError `invalid_hyperparameter`.
        """
        if value is None and self.nullable:
            return None
        try:
            return _CHECKS[self.kind](self, value)
        except _RefusedError:
            raise refused(algorithm, self.name, self.expected, value) from None

    def _description(self) -> str:
        if self.kind == "boolean":
            return "true or false"
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        low, high = _number_text(self.low), _number_text(self.high)
        bounds = f"above {low}, up to {high}" if self.above_low else f"from {low} to {high}"
        if self.kind == "integers":
            return f"an integer or a list of 1 to {MAX_LAYERS} integers, each {bounds}"
        return f"{'an integer' if self.kind == 'integer' else 'a number'} {bounds}"

    def _in_bounds(self, number: float) -> bool:
        return (self.low < number if self.above_low else self.low <= number) and number <= self.high


def _number_text(number: float) -> str:
    """Whole numbers in full, since 2.14748e+09 is not a bound that anyone can type."""
    return str(int(number)) if float(number).is_integer() else f"{number:g}"


def refused(algorithm: str, name: str, expected: str, found: object) -> TrainingError:
    """The error for a value that a parameter cannot take."""
    shown = repr(found)
    shown = shown if len(shown) <= _SHOWN_CHARACTERS else shown[: _SHOWN_CHARACTERS - 3] + "..."
    return TrainingError(
        "invalid_hyperparameter",
        f"{algorithm}, {name}: expected {expected}, got {shown}",
        {"algorithm": algorithm, "parameter": name, "expected": expected, "got": shown},
    )


def _boolean(_parameter: HyperParameter, value: object) -> Value:
    if not isinstance(value, bool):
        raise _RefusedError
    return value


def _choice(parameter: HyperParameter, value: object) -> Value:
    if not isinstance(value, str) or value not in parameter.choices:
        raise _RefusedError
    return value


def _integer(parameter: HyperParameter, value: object) -> int:
    if type(value) is not int or not parameter._in_bounds(value):  # by identity, because True is an int to isinstance
        raise _RefusedError
    return value


def _float(parameter: HyperParameter, value: object) -> Value:
    if type(value) not in (int, float):
        raise _RefusedError
    assert isinstance(value, int | float)
    # The bounds first: they refuse an integer that is too large to be a float, and infinity.
    if not parameter._in_bounds(value) or math.isnan(value):
        raise _RefusedError
    return float(value)


def _integers(parameter: HyperParameter, value: object) -> Value:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not 1 <= len(values) <= MAX_LAYERS:
        raise _RefusedError
    return [_integer(parameter, each) for each in values]


_CHECKS: dict[Kind, Callable[[HyperParameter, object], Value]] = {
    "boolean": _boolean,
    "choice": _choice,
    "integer": _integer,
    "float": _float,
    "integers": _integers,
}
