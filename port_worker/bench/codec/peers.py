"""One term in the shape that each codec takes, made before anything is timed.

Terms are given as `etf.decode` gives them; texts in what is encoded may be `bytes` for every peer alike.
"""

from __future__ import annotations

from typing import Any

from protocol.atoms import Atom
from protocol.refusal import CONSTANTS

OURS, ERLANG_PY, MSGPACK, OUR_MSGPACK = "ours", "erlang-py", "msgpack", "ours, msgpack"
PEERS = (OURS, ERLANG_PY, MSGPACK, OUR_MSGPACK)
"""Who is timed. `msgpack` is the library as it is: it checks no limits and knows no atoms, and most of it is C."""


def to_erlang_py(term: Any) -> Any:
    """In erlang-py's own classes. Its `None` is the atom `undefined`, so nil is written as an atom."""
    from erlang import OtpErlangAtom, OtpErlangBinary

    match term:
        case Atom():
            return OtpErlangAtom(str(term))
        case None:
            return OtpErlangAtom("nil")
        case bytes():
            return OtpErlangBinary(term)
        case list() | tuple():
            return type(term)(map(to_erlang_py, term))
        case dict():
            return {to_erlang_py(key): to_erlang_py(value) for key, value in term.items()}
    return term


def from_erlang_py(term: Any) -> Any:
    """Back from erlang-py's classes: the term as `etf.decode` gives it."""
    from erlang import OtpErlangAtom, OtpErlangBinary

    match term:
        case OtpErlangAtom():
            name = term.value if isinstance(term.value, str) else term.value.decode()
            return CONSTANTS[name] if name in CONSTANTS else Atom(name)
        case OtpErlangBinary():
            return term.value
        case list() | tuple():
            return type(term)(map(from_erlang_py, term))
        case dict():
            return {from_erlang_py(key): from_erlang_py(value) for key, value in term.items()}
    return term


def to_msgpack(term: Any) -> Any:
    """As the library has it: names and texts are strings, tuples are arrays, other binaries stay."""
    match term:
        case Atom():
            return str(term)
        case bytes():
            return _text(term)
        case list() | tuple():
            return list(map(to_msgpack, term))
        case dict():
            return {to_msgpack(key): to_msgpack(value) for key, value in term.items()}
    return term


def to_our_msgpack(term: Any) -> Any:
    """As `msgpack_codec.decode` gives it: tuples are lists, but for the outermost."""
    arrays = _arrays(term)
    return tuple(arrays) if isinstance(arrays, list) else arrays


def _arrays(term: Any) -> Any:
    if isinstance(term, (list, tuple)):
        return list(map(_arrays, term))
    if isinstance(term, dict):
        return {key: _arrays(value) for key, value in term.items()}
    return term


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
