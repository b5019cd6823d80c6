"""The arguments of each op, checked: a frozen dataclass an op, and in it a reader for each argument.

A reader takes a decoded term and gives the value, or says what it expected instead; `parse_arguments` does the rest.
Ids that come as a column stay an array, so that thirty thousand of them cost no Python object each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from protocol.atoms import Atom
from protocol.erlang_syntax import shorten
from protocol.errors import ProtocolError
from protocol.limits import Limits
from protocol.messages import Call, is_column

if TYPE_CHECKING:
    from protocol.columns import Ids

Id: TypeAlias = int | str
Reader: TypeAlias = Callable[[str, Any, Limits], Any]
"""Takes an argument's name, its term, and the limits of this worker."""

_LIMITS = Limits()


def _refuse(name: str, expected: str, term: Any) -> ProtocolError:
    got = shorten(term)
    return ProtocolError(
        "invalid_argument",
        f"{name}: expected {expected}, got {got}",
        {"field": name, "expected": expected, "got": got},
    )


def _count(name: str, term: Any, limits: Limits) -> int:
    if type(term) is not int or not 1 <= term <= limits.max_items:
        raise _refuse(name, f"an integer from 1 to {limits.max_items}", term)
    return term


def _text(name: str, term: Any, limits: Limits) -> str:
    """A non-empty UTF-8 binary. NUL is refused because numpy's fixed-width strings end there."""
    if isinstance(term, bytes) and 1 <= len(term) <= limits.max_id_bytes and 0 not in term:
        try:
            return term.decode()
        except UnicodeDecodeError:
            pass
    raise _refuse(name, f"a UTF-8 binary of 1 to {limits.max_id_bytes} bytes without NUL", term)


def _identifier(name: str, term: Any, limits: Limits) -> Id:
    if isinstance(term, bytes):
        return _text(name, term, limits)
    if type(term) is int and -(2**63) <= term < 2**63:
        return term
    if is_column(term) and term[0] == "uuid" and len(term[1]) == _UUID_BYTES:
        return str(_column_ids(name, term, limits)[0], "ascii")
    raise _refuse(name, "a 64-bit integer, a UTF-8 binary, or {uuid, Binary} of 16 bytes", term)


_UUID_BYTES = 16
_ID_BYTES = {"int64": 8, "uuid": _UUID_BYTES}


def _column_ids(name: str, term: Any, _limits: Limits) -> Ids:
    from protocol.columns import read_ids

    try:
        return read_ids(*term)
    except ValueError as error:
        raise _refuse(name, f"{{{term[0]}, Binary}} of {error}", term) from None


def _excluded(name: str, term: Any, limits: Limits) -> tuple[Id, ...] | Ids:
    """Ids, one by one or as a column."""
    if not is_column(term) or term[0] not in _ID_BYTES:
        return _identifiers(name, term, limits)
    _check_size(name, len(term[1]) // _ID_BYTES[term[0]], limits.max_exclude)
    return _column_ids(name, term, limits)


def _check_size(name: str, size: int, most: int) -> None:
    if size > most:
        raise ProtocolError(
            "invalid_argument",
            f"{name}: expected at most {most} elements, got {size}",
            {"field": name, "expected": f"at most {most} elements", "got": f"{size} elements"},
        )


def _list_of(read: Reader, limit: str, expected: str) -> Callable[[str, Any, Limits], tuple[Any, ...]]:
    def read_list(name: str, term: Any, limits: Limits) -> tuple[Any, ...]:
        if not isinstance(term, list):
            raise _refuse(name, expected, term)
        _check_size(name, len(term), getattr(limits, limit))
        try:
            return tuple([read(name, element, limits) for element in term])
        except ProtocolError:  # once more, to name the element: only who errs pays for the names
            return tuple(read(f"{name}[{index}]", element, limits) for index, element in enumerate(term))

    return read_list


def _scalar(name: str, term: Any, limits: Limits) -> Any:
    if isinstance(term, bytes):
        return _text(name, term, limits)
    if type(term) in (int, float, bool, type(None)):
        return term
    raise _refuse(name, "an integer, a float, a boolean, nil, a binary, or a list of those", term)


_scalars = _list_of(_scalar, "max_items", "a list")
_identifiers = _list_of(_identifier, "max_exclude", "a list, {int64, Binary} or {uuid, Binary}")


def _hyperparameters(name: str, term: Any, limits: Limits) -> dict[str, Any]:
    if not isinstance(term, dict):
        raise _refuse(name, "a map", term)
    return {
        _text(f"{name}, a key", key, limits): _hyperparameter(f"{name}.{shorten(key)}", value, limits)
        for key, value in term.items()
    }


def _hyperparameter(name: str, term: Any, limits: Limits) -> Any:
    return list(_scalars(name, term, limits)) if isinstance(term, list) else _scalar(name, term, limits)


def _algorithm(name: str, term: Any, limits: Limits) -> str | None:
    return None if term is None else _text(name, term, limits)


FORMS = ("pairs", "columns")
"""How a reply gives ids and scores: a list of tuples, or two columns."""


def _form(name: str, term: Any, _limits: Limits) -> Atom:
    if not isinstance(term, Atom) or term not in FORMS:
        raise _refuse(name, f"one of the atoms {' and '.join(FORMS)}", term)
    return term


def _read_by(read: Reader) -> dict[str, Any]:
    return {"read": read}


@dataclass(frozen=True)
class NoArguments:
    """`ping`, `status`, `models` and `drain`."""


@dataclass(frozen=True)
class Recommend:
    """Whom to recommend to, how many items, which items not, and how the reply gives them."""

    user: Id = field(metadata=_read_by(_identifier))
    n: int = field(default=10, metadata=_read_by(_count))
    exclude: tuple[Id, ...] | Ids = field(default=(), metadata=_read_by(_excluded))
    form: Atom = field(default=Atom("pairs"), metadata=_read_by(_form))


@dataclass(frozen=True)
class Retrain:
    """What to train. An algorithm of None is the worker's default; hyper-parameters are checked by the trainer."""

    algorithm: str | None = field(default=None, metadata=_read_by(_algorithm))
    params: dict[str, Any] = field(default_factory=dict, metadata=_read_by(_hyperparameters))


Arguments: TypeAlias = NoArguments | Recommend | Retrain

ARGUMENTS: Mapping[str, type[Arguments]] = {
    "ping": NoArguments,
    "status": NoArguments,
    "recommend": Recommend,
    "retrain": Retrain,
    "models": NoArguments,
    "drain": NoArguments,
}


_READERS: Mapping[str, Mapping[str, Reader]] = {
    op: {known.name: known.metadata["read"] for known in dataclasses.fields(kind)} for op, kind in ARGUMENTS.items()
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    op: tuple(
        known.name
        for known in dataclasses.fields(kind)
        if known.default is dataclasses.MISSING and known.default_factory is dataclasses.MISSING
    )
    for op, kind in ARGUMENTS.items()
}


def parse_arguments(call: Call, limits: Limits = _LIMITS) -> Arguments:
    """Check a call's arguments. Raises ProtocolError: `unknown_argument`, `missing_argument`, `invalid_argument`."""
    readers = _READERS[call.op]
    for name in call.args:
        if name not in readers:
            raise _unknown(call.op, name, list(readers))
    for name in _REQUIRED[call.op]:
        if name not in call.args:
            message = f"{call.op}: expected the argument {name}, got none of that name"
            raise ProtocolError("missing_argument", message, {"op": call.op, "field": name})
    return ARGUMENTS[call.op](**{name: readers[name](name, term, limits) for name, term in call.args.items()})


def _unknown(op: str, name: str, known: list[str]) -> ProtocolError:
    return ProtocolError(
        "unknown_argument",
        f"{op}: expected {', '.join(known) or 'no arguments'}, got {name}",
        {"op": op, "field": name, "known": known},
    )
