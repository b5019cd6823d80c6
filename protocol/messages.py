"""The messages: frozen dataclasses on one side, payloads of frames on the other.

A host sends `Call` and `Cancel`, a worker everything else. The terms are SPEC.md's. In what a worker says, keys and
values of the closed set are `Atom`, whatever comes from data is `str` or `bytes`; `atom_keys` writes such a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from protocol.atoms import ARGUMENTS, COLUMNS, OPS, Atom
from protocol.codec import ETF, Codec
from protocol.erlang_syntax import shorten
from protocol.errors import ProtocolError
from protocol.limits import MAX_CALL_ID, MAX_DEADLINE_MS, TermLimits

PROTOCOL_VERSION = 1
"""What `hello` says: higher in a worker whose messages an older host would misread."""

_INFINITY = Atom("infinity")
_OK = Atom("ok")
_CONSTANTS: dict[Any, str] = {None: "nil", True: "true", False: "false"}


@dataclass(frozen=True)
class Call:
    """`{call, Id, Op, Args, DeadlineMs | infinity}`. `deadline_ms` is what is left on arrival; None is infinity."""

    id: int
    op: str
    args: dict[str, Any] = field(default_factory=dict)
    deadline_ms: int | None = None


@dataclass(frozen=True)
class Cancel:
    """`{cancel, Id}`."""

    id: int


@dataclass(frozen=True)
class Hello:
    """`{hello, Facts}`, the first message of a worker."""

    facts: dict[Any, Any]


@dataclass(frozen=True)
class Ok:
    """`{ok, Id, Result}`, which ends a call."""

    id: int
    result: Any


@dataclass(frozen=True)
class ErrorReply:
    """`{error, Id | nil, Facts}`, which ends a call; an `id` of None answers a frame whose id could not be read."""

    id: int | None
    code: str
    message: str
    retryable: bool
    details: dict[str, Any]

    @classmethod
    def of(cls, call_id: int | None, error: ProtocolError) -> ErrorReply:
        """The reply that tells a host of `error`."""
        return cls(call_id, error.code, error.message, error.retryable, error.details)


@dataclass(frozen=True)
class Progress:
    """`{progress, Id, Facts}`, any number of times before a call ends."""

    id: int
    facts: dict[Any, Any]


@dataclass(frozen=True)
class Event:
    """`{event, Kind, Facts}`, which belongs to no call."""

    kind: str
    facts: dict[Any, Any]


Inbound: TypeAlias = Call | Cancel
Outbound: TypeAlias = Hello | Ok | ErrorReply | Progress | Event
Message: TypeAlias = Inbound | Outbound


def atom_keys(**facts: Any) -> dict[Atom, Any]:
    """A map whose keys are atoms."""
    return {Atom(key): value for key, value in facts.items()}


def plain(term: Any) -> Any:
    """A term for people: atoms and UTF-8 binaries as `str`, keys of maps as `str`; other binaries stay `bytes`.

    A column becomes its kind and its bytes.
    """
    if isinstance(term, (bytes, str)):
        return _plain_text(term)
    if is_column(term):
        return str(term[0]), term[1]
    if isinstance(term, (list, tuple)):
        return type(term)(plain(element) for element in term)
    if isinstance(term, dict):
        return {_plain_key(key): plain(value) for key, value in term.items()}
    return term


def is_column(term: Any) -> bool:
    """Whether it is `{Kind, Binary}`; an array of two is the same where there are no tuples."""
    return (
        isinstance(term, (tuple, list))
        and len(term) == 2
        and isinstance(term[0], Atom)
        and term[0] in COLUMNS
        and isinstance(term[1], bytes)
    )


def _plain_text(text: bytes | str) -> str | bytes:
    if isinstance(text, str):
        return str(text)
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def _plain_key(key: Any) -> str:
    text = _CONSTANTS.get(key) if isinstance(key, bool | None) else plain(key)
    return text if isinstance(text, str) else shorten(key)


def to_payload(message: Message, codec: Codec = ETF) -> bytes:
    """The payload of a frame. A call may have any op and arguments: the worker is the judge of them."""
    if type(message) is Ok:  # there is nothing that a worker says as often
        return codec.encode((_OK, message.id, message.result))
    return codec.encode(_to_term(message), any_atom=isinstance(message, Call))


def _to_term(message: Message) -> tuple[Any, ...]:
    match message:
        case Ok(call_id, result):
            return (_OK, call_id, result)
        case Call(call_id, op, args, deadline_ms):
            deadline = _INFINITY if deadline_ms is None else deadline_ms
            return (Atom("call"), call_id, Atom(op), {Atom(key): value for key, value in args.items()}, deadline)
        case Cancel(call_id):
            return (Atom("cancel"), call_id)
        case Hello(facts):
            return (Atom("hello"), facts)
        case ErrorReply():
            return (Atom("error"), message.id, error_facts(message))
        case Progress(call_id, facts):
            return (Atom("progress"), call_id, facts)
        case Event(kind, facts):
            return (Atom("event"), Atom(kind), facts)


def error_facts(reply: ErrorReply) -> dict[Atom, Any]:
    """The map that describes an error, in a reply and in the event `model_damaged`."""
    return atom_keys(
        code=Atom(reply.code), message=reply.message, retryable=reply.retryable, details=dict(reply.details)
    )


def parse_inbound(payload: bytes, codec: Codec = ETF, limits: TermLimits | None = None) -> Inbound:
    """Read what a host said.

    Raises ProtocolError: `malformed_term`, `malformed_message` or `unknown_op`. Its `call_id` is that of the call,
    where one could be read: a bad cancel has none, because an error with its id would end the call that it names.
    """
    parsed = _parse(codec.decode(payload, limits), _INBOUND)
    assert isinstance(parsed, _CALL_OR_CANCEL)
    return parsed


_CALL_OR_CANCEL = (Call, Cancel)  # where `Call | Cancel` would make a union of each message


def parse_outbound(payload: bytes, codec: Codec = ETF) -> Outbound:
    """Read what a worker said. Raises ProtocolError: `malformed_term` or `malformed_message`.

    Facts and results are terms as `etf.decode` gives them; `plain` makes them readable. An error's fields are plain.
    """
    parsed = _parse(codec.decode(payload), _OUTBOUND)
    assert not isinstance(parsed, Call | Cancel)
    return parsed


_Parser: TypeAlias = Callable[[tuple[Any, ...]], Message]


def _parse(term: Any, parsers: Mapping[str, tuple[int, _Parser]]) -> Message:
    if not isinstance(term, tuple) or not term:
        raise _malformed("message", "a tuple that starts with an atom", term)
    tag = term[0]
    size, parse = parsers.get(tag, (0, None)) if type(tag) is Atom else (0, None)
    if parse is None:
        raise _malformed("message", f"a tuple that starts with {' or '.join(parsers)}", tag)
    try:
        if len(term) != size:
            raise _malformed(str(tag), f"a tuple of {size}", term)
        return parse(term)
    except ProtocolError as error:
        if tag == "call" and len(term) > 1 and _is_call_id(term[1]):
            error.call_id = term[1]
        raise


def _parse_call(term: tuple[Any, ...]) -> Call:
    _tag, call_id, op, args, deadline = term
    call = Call(_call_id(call_id), _op_name(op), _arguments(args), _deadline_ms(deadline))
    if call.op not in _OPS:
        raise ProtocolError(
            "unknown_op",
            f"op: expected one of {', '.join(OPS)}, got {shorten(op)}",
            {"op": call.op, "known": list(OPS)},
        )
    return call


_OPS = frozenset(OPS)


def _parse_error(term: tuple[Any, ...]) -> ErrorReply:
    facts = _facts(term[2])
    code, message = _atom_name(facts.get("code")), plain(facts.get("message"))
    retryable, details = facts.get("retryable"), facts.get("details")
    if code is None or not isinstance(message, str) or not isinstance(retryable, bool) or not isinstance(details, dict):
        raise _malformed("error", "a map of code, message, retryable and details", term[2])
    return ErrorReply(None if term[1] is None else _call_id(term[1]), code, message, retryable, plain(details))


def _op_name(term: Any) -> str:
    name = _atom_name(term)
    if name is None:
        raise _malformed("op", "an atom", term)
    return name


def _arguments(term: Any) -> dict[str, Any]:
    args = {}
    for key, value in _facts(term, "args").items():
        name = _NAMES.get(key) or _atom_name(key)
        if name is None:
            raise _malformed("args", "atoms as keys", key)
        args[name] = value
    return args


_NAMES = {Atom(name): name for name in ARGUMENTS}
"""Of the arguments that there are, made once."""


def _deadline_ms(term: Any) -> int | None:
    if term == _INFINITY:
        return None
    if type(term) is int and 0 <= term <= MAX_DEADLINE_MS:
        return term
    raise _malformed("deadline", f"milliseconds from 0 to {MAX_DEADLINE_MS}, or infinity", term)


def _facts(term: Any, name: str = "facts") -> dict[Any, Any]:
    if not isinstance(term, dict):
        raise _malformed(name, "a map", term)
    return term


def _is_call_id(term: Any) -> bool:
    return type(term) is int and 0 <= term <= MAX_CALL_ID


def _call_id(term: Any) -> int:
    if not _is_call_id(term):
        raise _malformed("id", f"an integer from 0 to {MAX_CALL_ID}", term)
    return int(term)


def _kind(term: Any) -> str:
    name = _atom_name(term)
    if name is None:
        raise _malformed("event", "an atom as its kind", term)
    return name


def _atom_name(term: Any) -> str | None:
    """The name of an atom, nil, true and false included; None for any other term."""
    if isinstance(term, Atom):
        return str(term)
    return _CONSTANTS[term] if isinstance(term, bool | None) else None


def _malformed(name: str, expected: str, term: Any) -> ProtocolError:
    got = shorten(term)
    return ProtocolError(
        "malformed_message",
        f"{name}: expected {expected}, got {got}",
        {"field": name, "expected": expected, "got": got},
    )


_INBOUND: dict[str, tuple[int, _Parser]] = {
    "call": (5, _parse_call),
    "cancel": (2, lambda term: Cancel(_call_id(term[1]))),
}
_OUTBOUND: dict[str, tuple[int, _Parser]] = {
    "hello": (2, lambda term: Hello(_facts(term[1]))),
    "ok": (3, lambda term: Ok(_call_id(term[1]), term[2])),
    "error": (3, _parse_error),
    "progress": (3, lambda term: Progress(_call_id(term[1]), _facts(term[2]))),
    "event": (3, lambda term: Event(_kind(term[1]), _facts(term[2]))),
}
