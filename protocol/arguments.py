"""The arguments of each op, checked: a frozen dataclass an op, and in it a reader for each argument.

A reader takes a decoded term and gives the value, or says what it expected instead; `parse_arguments` does the rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from protocol.erlang_syntax import shorten
from protocol.errors import ProtocolError
from protocol.limits import MAX_EXCLUDE, MAX_ID_BYTES, MAX_ITEMS
from protocol.messages import Call

Id: TypeAlias = int | str
Reader: TypeAlias = Callable[[str, Any], Any]
"""Takes an argument's name and its term."""


def _refuse(name: str, expected: str, term: Any) -> ProtocolError:
    got = shorten(term)
    return ProtocolError(
        "invalid_argument",
        f"{name}: expected {expected}, got {got}",
        {"field": name, "expected": expected, "got": got},
    )


def _integer(low: int, high: int) -> Reader:
    def read(name: str, term: Any) -> int:
        if type(term) is not int or not low <= term <= high:
            raise _refuse(name, f"an integer from {low} to {high}", term)
        return term

    return read


def _text(name: str, term: Any) -> str:
    """A non-empty UTF-8 binary. NUL is refused because numpy's fixed-width strings end there."""
    expected = f"a UTF-8 binary of 1 to {MAX_ID_BYTES} bytes without NUL"
    if not isinstance(term, bytes) or not 1 <= len(term) <= MAX_ID_BYTES or 0 in term:
        raise _refuse(name, expected, term)
    try:
        return term.decode()
    except UnicodeDecodeError:
        raise _refuse(name, expected, term) from None


def _identifier(name: str, term: Any) -> Id:
    if type(term) is int and -(2**63) <= term < 2**63:
        return term
    if isinstance(term, bytes):
        return _text(name, term)
    raise _refuse(name, "a 64-bit integer or a UTF-8 binary", term)


def _list_of(read: Reader, most: int) -> Reader:
    def read_list(name: str, term: Any) -> tuple[Any, ...]:
        if not isinstance(term, list):
            raise _refuse(name, "a list", term)
        if len(term) > most:
            raise ProtocolError(
                "invalid_argument",
                f"{name}: expected at most {most} elements, got {len(term)}",
                {"field": name, "expected": f"at most {most} elements", "got": f"{len(term)} elements"},
            )
        return tuple(read(f"{name}[{index}]", element) for index, element in enumerate(term))

    return read_list


def _scalar(name: str, term: Any) -> Any:
    if isinstance(term, bytes):
        return _text(name, term)
    if type(term) in (int, float, bool, type(None)):
        return term
    raise _refuse(name, "an integer, a float, a boolean, nil, a binary, or a list of those", term)


def _hyperparameters(name: str, term: Any) -> dict[str, Any]:
    if not isinstance(term, dict):
        raise _refuse(name, "a map", term)
    return {_text(f"{name}, a key", key): _hyperparameter(f"{name}.{shorten(key)}", term[key]) for key in term}


def _hyperparameter(name: str, term: Any) -> Any:
    return list(_list_of(_scalar, MAX_ITEMS)(name, term)) if isinstance(term, list) else _scalar(name, term)


def _optional(read: Reader) -> Reader:
    return lambda name, term: None if term is None else read(name, term)


def _with(read: Reader) -> dict[str, Any]:
    return {"read": read}


@dataclass(frozen=True)
class NoArguments:
    """`ping`, `status`, `models` and `drain`."""


@dataclass(frozen=True)
class Recommend:
    """Whom to recommend to, how many items, and which items not."""

    user: Id = field(metadata=_with(_identifier))
    n: int = field(default=10, metadata=_with(_integer(1, MAX_ITEMS)))
    exclude: tuple[Id, ...] = field(default=(), metadata=_with(_list_of(_identifier, MAX_EXCLUDE)))


@dataclass(frozen=True)
class Retrain:
    """What to train. An algorithm of None is the worker's default; hyper-parameters are checked by the trainer."""

    algorithm: str | None = field(default=None, metadata=_with(_optional(_text)))
    params: dict[str, Any] = field(default_factory=dict, metadata=_with(_hyperparameters))


Arguments: TypeAlias = NoArguments | Recommend | Retrain

ARGUMENTS: Mapping[str, type[Arguments]] = {
    "ping": NoArguments,
    "status": NoArguments,
    "recommend": Recommend,
    "retrain": Retrain,
    "models": NoArguments,
    "drain": NoArguments,
}


def parse_arguments(call: Call) -> Arguments:
    """Check a call's arguments. Raises ProtocolError: `unknown_argument`, `missing_argument`, `invalid_argument`."""
    kind = ARGUMENTS[call.op]
    fields = {known.name: known for known in dataclasses.fields(kind)}
    for name in call.args:
        if name not in fields:
            raise _unknown(call.op, name, list(fields))
    for name, known in fields.items():
        if name not in call.args and _is_required(known):
            message = f"{call.op}: expected the argument {name}, got none of that name"
            raise ProtocolError("missing_argument", message, {"op": call.op, "field": name})
    return kind(**{name: fields[name].metadata["read"](name, term) for name, term in call.args.items()})


def _is_required(known: dataclasses.Field[Any]) -> bool:
    return known.default is dataclasses.MISSING and known.default_factory is dataclasses.MISSING


def _unknown(op: str, name: str, known: list[str]) -> ProtocolError:
    return ProtocolError(
        "unknown_argument",
        f"{op}: expected {', '.join(known) or 'no arguments'}, got {name}",
        {"op": op, "field": name, "known": known},
    )
