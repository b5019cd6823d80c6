"""Readers of arguments: each takes a decoded term and gives the value, or says what it expected instead.

Ids, weights and times that come as a column stay an array: a hundred thousand of them cost no Python object each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from protocol.atoms import Atom
from protocol.erlang_syntax import shorten
from protocol.errors import ProtocolError
from protocol.limits import MAX_BUDGET_S, MAX_TIME, MAX_WEIGHT, Limits
from protocol.messages import is_column

if TYPE_CHECKING:
    from protocol.columns import Ids, Numbers

Id: TypeAlias = int | str
Reader: TypeAlias = Callable[[str, Any, Limits], Any]
"""Takes an argument's name, its term, and the limits of this worker. Raises ProtocolError(`invalid_argument`)."""


def refuse(name: str, expected: str, term: Any) -> ProtocolError:
    """The error for a term that is not what was expected."""
    return disagreeing(name, expected, shorten(term))


def disagreeing(name: str, expected: str, got: str) -> ProtocolError:
    """The same, where what came is said in other words than its term."""
    return ProtocolError(
        "invalid_argument",
        f"{name}: expected {expected}, got {got}",
        {"field": name, "expected": expected, "got": got},
    )


def count(name: str, term: Any, limits: Limits) -> int:
    """How many items: 1 to `max_items`."""
    if type(term) is not int or not 1 <= term <= limits.max_items:
        raise refuse(name, f"an integer from 1 to {limits.max_items}", term)
    return term


def integer(least: int, most: int) -> Callable[[str, Any, Limits], int]:
    """An integer between two others."""

    def read(name: str, term: Any, _limits: Limits) -> int:
        if type(term) is not int or not least <= term <= most:
            raise refuse(name, f"an integer from {least} to {most}", term)
        return term

    return read


def seconds(name: str, term: Any, _limits: Limits) -> float:
    """How long something may take, above 0."""
    if type(term) not in (int, float) or not 0 < term <= MAX_BUDGET_S:
        raise refuse(name, f"a number of seconds above 0, up to {MAX_BUDGET_S}", term)
    return float(term)


def text(name: str, term: Any, limits: Limits) -> str:
    """A non-empty UTF-8 binary. NUL is refused because numpy's fixed-width strings end there."""
    if isinstance(term, bytes) and 1 <= len(term) <= limits.max_id_bytes and 0 not in term:
        try:
            return term.decode()
        except UnicodeDecodeError:
            pass
    raise refuse(name, f"a UTF-8 binary of 1 to {limits.max_id_bytes} bytes without NUL", term)


def identifier(name: str, term: Any, limits: Limits) -> Id:
    """An id: a 64-bit integer, a text, or one raw UUID, which becomes its text."""
    if isinstance(term, bytes):
        return text(name, term, limits)
    if type(term) is int and -(2**63) <= term < 2**63:
        return term
    if is_column(term) and term[0] == "uuid" and len(term[1]) == _UUID_BYTES:
        return str(_column_ids(name, term)[0], "ascii")
    raise refuse(name, "a 64-bit integer, a UTF-8 binary, or {uuid, Binary} of 16 bytes", term)


_UUID_BYTES = 16
_ITEM_BYTES = {"int64": 8, "uuid": _UUID_BYTES, "float32": 4}


def _column_ids(name: str, term: Any) -> Ids:
    from protocol.columns import read_ids

    try:
        return read_ids(*term)
    except ValueError as error:
        raise _not_whole(name, term, error) from None


def _not_whole(name: str, term: Any, error: ValueError) -> ProtocolError:
    return refuse(name, f"{{{term[0]}, Binary}} of {error}", term)


def identifiers(limit: str, least: int = 1) -> Callable[[str, Any, Limits], tuple[Id, ...] | Ids]:
    """Ids, one by one or as a column: from `least` to the limit of that name."""
    read_list = list_of(identifier, limit, "a list, {int64, Binary} or {uuid, Binary}", least)

    def read(name: str, term: Any, limits: Limits) -> tuple[Id, ...] | Ids:
        if not is_column(term) or term[0] not in ("int64", "uuid"):
            return read_list(name, term, limits)
        _check_size(name, len(term[1]) / _ITEM_BYTES[term[0]], least, getattr(limits, limit))
        return _column_ids(name, term)

    return read


def _check_size(name: str, size: float, least: int, most: int) -> None:
    """A size that is not whole is that of a broken column, which its own error describes."""
    if int(size) > most:
        raise disagreeing(name, f"at most {most} elements", f"{int(size)} elements")
    if size == 0 < least:
        raise disagreeing(name, f"at least {least} element", "0 elements")


def list_of(read: Reader, limit: str, expected: str, least: int = 0) -> Callable[[str, Any, Limits], tuple[Any, ...]]:
    """A list whose elements one reader reads: from `least` of them to the limit of that name."""

    def read_list(name: str, term: Any, limits: Limits) -> tuple[Any, ...]:
        if not isinstance(term, list):
            raise refuse(name, expected, term)
        _check_size(name, len(term), least, getattr(limits, limit))
        try:
            return tuple([read(name, element, limits) for element in term])
        except ProtocolError:  # once more, to name the element: only who errs pays for the names
            return tuple(read(f"{name}[{index}]", element, limits) for index, element in enumerate(term))

    return read_list


def optional(read: Reader) -> Reader:
    """As `read`, but nil is None: the argument is as if it were absent."""
    return lambda name, term, limits: None if term is None else read(name, term, limits)


def _scalar(name: str, term: Any, limits: Limits) -> Any:
    if isinstance(term, bytes):
        return text(name, term, limits)
    if type(term) in (int, float, bool, type(None)):
        return term
    raise refuse(name, "an integer, a float, a boolean, nil, a binary, or a list of those", term)


_scalars = list_of(_scalar, "max_items", "a list")


def hyperparameters(name: str, term: Any, limits: Limits) -> dict[str, Any]:
    """A map from binaries to scalars, or lists of them. What the names mean is the trainer's to judge."""
    return _named(name, term, limits, _hyperparameter)


def _hyperparameter(name: str, term: Any, limits: Limits) -> Any:
    return list(_scalars(name, term, limits)) if isinstance(term, list) else _scalar(name, term, limits)


def _named(name: str, term: Any, limits: Limits, read: Reader) -> dict[str, Any]:
    if not isinstance(term, dict):
        raise refuse(name, "a map", term)
    return {
        text(f"{name}, a key", key, limits): read(f"{name}.{shorten(key)}", value, limits)
        for key, value in term.items()
    }


def features(name: str, term: Any, limits: Limits) -> dict[str, str | int | float | bool]:
    """A map of 1 to `max_features` features by name. Which there are, and of what type, is the model's to judge."""
    found = _named(name, term, limits, _feature)
    _check_size(name, len(found), 1, limits.max_features)
    return found


def _feature(name: str, term: Any, limits: Limits) -> str | int | float | bool:
    if isinstance(term, bytes):
        return text(name, term, limits)
    if isinstance(term, bool | float) or (type(term) is int and -(2**63) <= term < 2**63):
        return term
    raise refuse(name, "a binary, a 64-bit integer, a float or a boolean", term)


kinds = list_of(text, "max_kinds", "a list of binaries, or nil", least=1)
"""Names of kinds of items."""


def boolean(name: str, term: Any, _limits: Limits) -> bool:
    """One of the atoms true and false."""
    if not isinstance(term, bool):
        raise refuse(name, "true or false", term)
    return term


def fraction(name: str, term: Any, _limits: Limits) -> float:
    """A number from 0 to 1."""
    if type(term) not in (int, float) or not 0 <= term <= 1:
        raise refuse(name, "a number from 0.0 to 1.0", term)
    return float(term)


def choice(*names: str) -> Callable[[str, Any, Limits], Atom]:
    """One of some atoms."""

    def read(name: str, term: Any, _limits: Limits) -> Atom:
        if not isinstance(term, Atom) or term not in names:
            raise refuse(name, f"one of the atoms {' and '.join(names)}", term)
        return term

    return read


_A_WEIGHT = f"a number from -{MAX_WEIGHT} to {MAX_WEIGHT}"
_A_TIME = f"Unix time in seconds, an integer from 0 to {MAX_TIME}"


def weight(name: str, term: Any, _limits: Limits) -> float:
    """How much an interaction counts. An integer is taken as the float that it is."""
    if type(term) not in (int, float) or not -MAX_WEIGHT <= term <= MAX_WEIGHT:
        raise refuse(name, _A_WEIGHT, term)
    return float(term)


def unix_time(name: str, term: Any, _limits: Limits) -> int:
    """When an interaction was."""
    if type(term) is not int or not 0 <= term <= MAX_TIME:
        raise refuse(name, _A_TIME, term)
    return term


def weights(name: str, term: Any, limits: Limits) -> tuple[float, ...] | Numbers:
    """Weights, one by one or as a column of float32."""
    if not is_column(term) or term[0] != "float32":
        return _weights(name, term, limits)
    return _column_numbers(name, term, limits, MAX_WEIGHT, -MAX_WEIGHT, _A_WEIGHT)


def unix_times(name: str, term: Any, limits: Limits) -> tuple[int, ...] | Numbers:
    """Times, one by one or as a column of int64."""
    if not is_column(term) or term[0] != "int64":
        return _times(name, term, limits)
    return _column_numbers(name, term, limits, MAX_TIME, 0, _A_TIME)


_weights = list_of(weight, "max_feedback", "a list or {float32, Binary}", least=1)
_times = list_of(unix_time, "max_feedback", "a list or {int64, Binary}", least=1)


def _column_numbers(name: str, term: Any, limits: Limits, most: float, least: float, expected: str) -> Numbers:
    from protocol.columns import first_outside, read_numbers

    _check_size(name, len(term[1]) / _ITEM_BYTES[term[0]], 1, limits.max_feedback)
    try:
        numbers = read_numbers(*term)
    except ValueError as error:
        raise _not_whole(name, term, error) from None
    wrong = first_outside(numbers, least, most)
    if wrong is not None:
        raise disagreeing(f"{name}[{wrong}]", expected, str(numbers[wrong].item()))
    return numbers
