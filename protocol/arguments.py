"""Each op's arguments, checked: a frozen dataclass for an op, and one table of what every argument may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeAlias

from protocol.errors import ProtocolError
from protocol.limits import MAX_EXCLUDE, MAX_ID_BYTES, MAX_ITEMS
from protocol.messages import Call, shown

Id: TypeAlias = int | str


@dataclass(frozen=True)
class NoArguments:
    """Of `ping`, `status`, `models` and `drain`."""


@dataclass(frozen=True)
class Recommend:
    """Of `recommend`."""

    user: Id
    n: int = 10
    exclude: tuple[Id, ...] = ()


@dataclass(frozen=True)
class Retrain:
    """Of `retrain`. The algorithm is the worker's default when None."""

    algorithm: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


Arguments: TypeAlias = NoArguments | Recommend | Retrain

_ARGUMENTS: dict[str, type[Arguments]] = {
    "ping": NoArguments,
    "status": NoArguments,
    "models": NoArguments,
    "drain": NoArguments,
    "recommend": Recommend,
    "retrain": Retrain,
}


def parse_arguments(call: Call) -> Arguments:
    """A call's arguments. Raises ProtocolError: `missing_argument`, `unknown_argument` or `invalid_argument`."""
    kind = _ARGUMENTS[call.op]
    known = {one.name: one for one in fields(kind)}
    for name in call.args:
        if name not in known:
            raise _error("unknown_argument", name, _one_of(list(known)), name)
    for name, one in known.items():
        required = one.default is MISSING and one.default_factory is MISSING
        if required and name not in call.args:
            raise _error("missing_argument", name, "a value", "nothing")
    return kind(**{name: _CHECKS[name](name, value) for name, value in call.args.items()})


def _one_of(names: list[str]) -> str:
    return f"one of {', '.join(names)}" if names else "no arguments"


def _error(code: str, name: str, expected: str, got: str) -> ProtocolError:
    return ProtocolError(
        code, f"{name}: expected {expected}, got {got}", {"field": name, "expected": expected, "got": got}
    )


def _invalid(name: str, expected: str, value: Any) -> ProtocolError:
    return _error("invalid_argument", name, expected, shown(value))


def _id(name: str, value: Any) -> Id:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, bytes) and 0 < len(value) <= MAX_ID_BYTES and b"\0" not in value:
        return _text(name, value)
    raise _invalid(name, f"a 64-bit integer, or a UTF-8 string of 1 to {MAX_ID_BYTES} bytes without NUL", value)


def _text(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    raise _invalid(name, "a UTF-8 string", value)


def _count(name: str, value: Any) -> int:
    if type(value) is int and 1 <= value <= MAX_ITEMS:
        return value
    raise _invalid(name, f"an integer from 1 to {MAX_ITEMS}", value)


def _ids(name: str, value: Any) -> tuple[Id, ...]:
    if not isinstance(value, list) or len(value) > MAX_EXCLUDE:
        raise _invalid(name, f"a list of at most {MAX_EXCLUDE} ids", value)
    return tuple(_id(f"{name}[{index}]", element) for index, element in enumerate(value))


def _optional_text(name: str, value: Any) -> str | None:
    return None if value is None else _text(name, value)


def _params(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(name, "a map of hyper-parameters", value)
    checked = {_text(f"{name}'s key", key): element for key, element in value.items()}
    return {key: _param(f"{name}.{key}", element) for key, element in checked.items()}


def _param(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_param(f"{name}[{index}]", element) for index, element in enumerate(value)]
    if isinstance(value, bytes):
        return _text(name, value)
    if value is None or type(value) in (int, bool) or (type(value) is float and math.isfinite(value)):
        return value
    raise _invalid(name, "a number, a string, true, false, nil, or a list of them", value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "user": _id,
    "n": _count,
    "exclude": _ids,
    "algorithm": _optional_text,
    "params": _params,
}
