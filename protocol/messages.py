"""The messages, as frozen dataclasses, and their terms. SPEC.md says what each means and what its maps hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from protocol.atoms import OPS, Atom
from protocol.errors import ProtocolError
from protocol.etf import decode, encode
from protocol.limits import MAX_CALL_ID, MAX_DEADLINE_MS


@dataclass(frozen=True)
class Call:
    """Host to worker. `deadline_ms` is what is left on sending, None without a deadline."""

    id: int
    op: str
    args: dict[str, Any]
    deadline_ms: int | None = None


@dataclass(frozen=True)
class Cancel:
    """Host to worker: the host no longer wants the answer to a call."""

    id: int


@dataclass(frozen=True)
class Hello:
    """Worker to host, first of all."""

    facts: dict[Any, Any]


@dataclass(frozen=True)
class Ok:
    """Worker to host: a call's result, its last message."""

    id: int
    result: Any


@dataclass(frozen=True)
class ErrorReply:
    """Worker to host: a call's failure, its last message. `id` is None where the frame's could not be read."""

    id: int | None
    code: str
    message: str
    retryable: bool
    details: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, call_id: int | None, error: ProtocolError) -> ErrorReply:
        """The reply that says an error."""
        return cls(call_id, error.code, error.message, error.retryable, error.details)


@dataclass(frozen=True)
class Progress:
    """Worker to host: how far a call is."""

    id: int
    facts: dict[Any, Any]


@dataclass(frozen=True)
class Event:
    """Worker to host, of its own accord."""

    kind: str
    facts: dict[Any, Any]


Inbound: TypeAlias = Call | Cancel
Outbound: TypeAlias = Hello | Ok | ErrorReply | Progress | Event
Message: TypeAlias = Inbound | Outbound


def atom_keys(**fields: Any) -> dict[Atom, Any]:
    """A map with atoms as keys, as every map of this protocol has but those whose keys come from data."""
    return {Atom(name): value for name, value in fields.items()}


def to_payload(message: Message) -> bytes:
    """A message's frame payload. Raises ProtocolError(`internal`) for a value that is no term of this protocol."""
    return encode(_TERMS[type(message)](message))


_TERMS: dict[type, Any] = {
    Call: lambda m: (
        Atom("call"),
        m.id,
        Atom(m.op),
        atom_keys(**m.args),
        Atom("infinity") if m.deadline_ms is None else m.deadline_ms,
    ),
    Cancel: lambda m: (Atom("cancel"), m.id),
    Hello: lambda m: (Atom("hello"), m.facts),
    Ok: lambda m: (Atom("ok"), m.id, m.result),
    ErrorReply: lambda m: (Atom("error"), m.id, _error_term(m)),
    Progress: lambda m: (Atom("progress"), m.id, m.facts),
    Event: lambda m: (Atom("event"), Atom(m.kind), m.facts),
}


def _error_term(reply: ErrorReply) -> dict[Atom, Any]:
    return atom_keys(code=Atom(reply.code), message=reply.message, retryable=reply.retryable, details=reply.details)


def parse_inbound(payload: bytes) -> Inbound:
    """What a host sent. Raises ProtocolError, with `call_id` set wherever the id could be read."""
    term = decode(payload)
    if not isinstance(term, tuple) or not term:
        raise _malformed("message", "a tuple that begins with call or cancel", term)
    call_id = _readable_id(term)
    try:
        if _is_tagged(term, "call", 5):
            return _call(term)
        if _is_tagged(term, "cancel", 2):
            return Cancel(_id(term[1]))
        raise _malformed("message", "{call, Id, Op, Args, Deadline} or {cancel, Id}", term)
    except ProtocolError as error:
        error.call_id = call_id
        raise


def _is_tagged(term: tuple[Any, ...], tag: str, size: int) -> bool:
    return isinstance(term[0], Atom) and term[0] == tag and len(term) == size


def _readable_id(term: tuple[Any, ...]) -> int | None:
    return term[1] if len(term) > 1 and _is_id(term[1]) else None


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_CALL_ID


def _id(value: Any) -> int:
    if not _is_id(value):
        raise _malformed("id", f"an integer from 0 to {MAX_CALL_ID}", value)
    return int(value)


def _call(term: tuple[Any, ...]) -> Call:
    _tag, call_id, op, args, deadline = term
    if not isinstance(op, Atom):
        raise _malformed("op", "an atom", op)
    call = Call(_id(call_id), str(op), _args(args), _deadline(deadline))
    if op not in OPS:
        raise ProtocolError(
            "unknown_op",
            f"op: expected one of {', '.join(OPS)}, got {op}",
            {"field": "op", "expected": list(OPS), "got": str(op)},
        )
    return call


def _args(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _malformed("args", "a map", value)
    for key in value:
        if not isinstance(key, Atom):
            raise _malformed("args", "atoms as keys", key)
    return {str(key): element for key, element in value.items()}


def _deadline(value: Any) -> int | None:
    if isinstance(value, Atom) and value == "infinity":
        return None
    if type(value) is int and 0 <= value <= MAX_DEADLINE_MS:
        return value
    raise _malformed("deadline", f"milliseconds from 0 to {MAX_DEADLINE_MS}, or infinity", value)


def _malformed(field_name: str, expected: str, value: Any) -> ProtocolError:
    got = shown(value)
    return ProtocolError(
        "malformed_message",
        f"{field_name}: expected {expected}, got {got}",
        {"field": field_name, "expected": expected, "got": got},
    )


_MOST_SHOWN = 80


def shown(value: Any) -> str:
    """A decoded term for an error's text: short, however large the term."""
    if isinstance(value, (bytes, str)):
        text = repr(value[:_MOST_SHOWN])
    elif isinstance(value, (list, tuple, dict)):
        text = f"a {type(value).__name__} of {len(value)}"
    elif value is None or isinstance(value, bool):
        text = "nil" if value is None else str(value).lower()
    else:
        text = str(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."


def parse_outbound(payload: bytes) -> Outbound:
    """What a worker sent, for hosts in Python. Raises ProtocolError."""
    term = decode(payload)
    if not isinstance(term, tuple) or not term or not isinstance(term[0], Atom):
        raise _malformed("message", "a tuple that begins with an atom", term)
    tag, *rest = term
    build = _OUTBOUND.get((str(tag), len(rest)))
    if build is None:
        raise _malformed("message", "hello, ok, error, progress or event", str(tag))
    message: Outbound = build(*rest)
    return message


def _error_reply(call_id: int | None, facts: Mapping[Any, Any]) -> ErrorReply:
    said = plain(facts)
    return ErrorReply(call_id, said["code"], said["message"], said["retryable"], said["details"])


_OUTBOUND: dict[tuple[str, int], Any] = {
    ("hello", 1): Hello,
    ("ok", 2): Ok,
    ("error", 2): _error_reply,
    ("progress", 2): Progress,
    ("event", 2): lambda kind, facts: Event(str(kind), facts),
}


def plain(term: Any) -> Any:
    """A decoded term for people and JSON: atoms and UTF-8 binaries as `str`, other binaries as `bytes`."""
    if isinstance(term, Atom):
        return str(term)
    if isinstance(term, bytes):
        try:
            return term.decode()
        except UnicodeDecodeError:
            return term
    if isinstance(term, dict):
        return {plain(key): plain(value) for key, value in term.items()}
    if isinstance(term, (list, tuple)):
        return type(term)(map(plain, term))
    return term
