"""External Term Format, strictly: decode what a host may send, encode what a worker may say.

One Python type for each Erlang type, whatever the values: integer `int`, float `float`, atom `Atom` (nil, true and
false are `None`, `True`, `False`), binary `bytes`, list `list`, tuple `tuple`, map `dict`. All else is refused:
compressed terms, pids, ports, references, funs, bit strings, improper lists, duplicate keys, bytes after the term.
Decoding is a loop over an explicit stack, so no input can drive recursion, and every count is checked against the
bytes left before it is believed.

Format: "External Term Format" in the ERTS user's guide of Erlang/OTP.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from protocol.atoms import CLOSED_SET, Atom
from protocol.errors import ProtocolError
from protocol.limits import TermLimits

Term: TypeAlias = "int | float | bool | Atom | bytes | list[Term] | tuple[Term, ...] | dict[Term, Term] | None"

VERSION = 131
_NEW_FLOAT, _SMALL_INTEGER, _INTEGER, _SMALL_BIG, _LARGE_BIG = 70, 97, 98, 110, 111
_ATOM, _SMALL_ATOM, _ATOM_UTF8, _SMALL_ATOM_UTF8 = 100, 115, 118, 119
_SMALL_TUPLE, _LARGE_TUPLE, _NIL, _STRING, _LIST, _BINARY, _MAP = 104, 105, 106, 107, 108, 109, 116

_REFUSED = {
    80: "a compressed term",
    77: "a bit string",
    78: "a bit string",
    88: "a pid",
    89: "a port",
    90: "a reference",
    99: "a float in text form",
    101: "a reference",
    102: "a port",
    103: "a pid",
    112: "a fun",
    113: "a fun",
    114: "a reference",
    117: "a fun",
    120: "a port",
}
_CONSTANTS: dict[str, Term] = {"nil": None, "true": True, "false": False}
_KNOWN_ATOMS: dict[bytes, Term] = {
    **{name.encode(): Atom(name) for name in CLOSED_SET},
    **{name.encode(): value for name, value in _CONSTANTS.items()},
}
_KEY_TYPES = (int, bytes, Atom, type(None))


def _refuse(offset: int, expected: str, got: str) -> ProtocolError:
    return ProtocolError(
        "malformed_term",
        f"term: expected {expected}, got {got} at byte {offset}",
        {"field": "term", "offset": offset, "expected": expected, "got": got},
    )


class _Open:
    """A container whose elements are still being read."""

    __slots__ = ("build", "elements", "missing", "offset")

    def __init__(self, build: Callable[[int, list[Term]], Term], missing: int, offset: int) -> None:
        self.build = build
        self.missing = missing
        self.offset = offset
        self.elements: list[Term] = []


class _Decoder:
    """One payload being decoded; `pos` is the offset of the next unread byte."""

    def __init__(self, data: bytes, limits: TermLimits) -> None:
        self.data = data
        self.limits = limits
        self.pos = 0
        self.terms_left = limits.max_terms

    def decode(self) -> Term:
        if self._unsigned(1) != VERSION:
            raise _refuse(0, f"the version byte {VERSION}", f"{self.data[0]}")
        value = self._term()
        if self.pos != len(self.data):
            raise _refuse(self.pos, "the end of the frame", f"{len(self.data) - self.pos} more bytes")
        return value

    def _term(self) -> Term:
        stack: list[_Open] = []
        while True:
            value: Term | _Open = self._start()
            while True:
                if isinstance(value, _Open):
                    if value.missing:
                        self._push(stack, value)
                        break
                    value = value.build(value.offset, value.elements)
                if not stack:
                    return value
                top = stack[-1]
                top.elements.append(value)
                top.missing -= 1
                if top.missing:
                    break
                value = stack.pop()

    def _push(self, stack: list[_Open], container: _Open) -> None:
        if len(stack) >= self.limits.max_depth:
            raise _refuse(container.offset, f"at most {self.limits.max_depth} levels of nesting", "one more")
        stack.append(container)

    def _start(self) -> Term | _Open:
        """Read one tag: a whole scalar, or a container that is still open."""
        offset = self.pos
        reader = _READERS.get(self._unsigned(1))
        if reader is None:
            tag = self.data[offset]
            raise _refuse(offset, "a permitted term", _REFUSED.get(tag, f"the tag {tag}"))
        self._count(offset, 1)
        return reader(self, offset)

    def _count(self, offset: int, terms: int) -> None:
        self.terms_left -= terms
        if self.terms_left < 0:
            raise _refuse(offset, f"at most {self.limits.max_terms} terms", "more")

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._bytes(size), "big")

    def _bytes(self, size: int) -> bytes:
        start = self.pos
        end = start + size
        if end > len(self.data):
            raise _refuse(start, f"{size} more bytes", f"{len(self.data) - start}")
        self.pos = end
        return self.data[start:end]

    def _open(self, offset: int, build: Callable[[int, list[Term]], Term], elements: int) -> _Open:
        left = len(self.data) - self.pos
        if elements > left:
            raise _refuse(offset, f"at most as many elements as bytes left ({left})", f"{elements}")
        if elements > self.terms_left:
            raise _refuse(offset, f"at most {self.limits.max_terms} terms", "more")
        return _Open(build, elements, offset)


def _integer(d: _Decoder, _offset: int) -> Term:
    return int.from_bytes(d._bytes(4), "big", signed=True)


def _bignum(size_bytes: int) -> Callable[[_Decoder, int], Term]:
    def read(d: _Decoder, offset: int) -> Term:
        size = d._unsigned(size_bytes)
        if size > d.limits.max_bignum_bytes:
            raise _refuse(offset, f"an integer of at most {d.limits.max_bignum_bytes} bytes", f"{size} bytes")
        sign = d._unsigned(1)
        if sign > 1:
            raise _refuse(offset, "a sign of 0 or 1", f"{sign}")
        magnitude = int.from_bytes(d._bytes(size), "little")
        return -magnitude if sign else magnitude

    return read


def _float(d: _Decoder, offset: int) -> Term:
    (value,) = struct.unpack(">d", d._bytes(8))
    if not math.isfinite(value):
        raise _refuse(offset, "a finite float", f"{value}")
    return float(value)


def _atom(size_bytes: int, encoding: str) -> Callable[[_Decoder, int], Term]:
    def read(d: _Decoder, offset: int) -> Term:
        size = d._unsigned(size_bytes)
        if size > d.limits.max_atom_bytes:
            raise _refuse(offset, f"an atom of at most {d.limits.max_atom_bytes} bytes", f"{size}")
        raw = d._bytes(size)
        known = _KNOWN_ATOMS.get(raw, raw)
        return Atom(_text(raw, encoding, offset)) if known is raw else known

    return read


def _text(raw: bytes, encoding: str, offset: int) -> str:
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise _refuse(offset, "an atom in valid UTF-8", repr(raw[:40])) from None
    if len(text) > 255:
        raise _refuse(offset, "an atom of at most 255 characters", f"{len(text)}")
    return text


def _binary(d: _Decoder, _offset: int) -> Term:
    return d._bytes(d._unsigned(4))


def _string(d: _Decoder, offset: int) -> Term:
    characters = d._bytes(d._unsigned(2))
    d._count(offset, len(characters))
    return list(characters)


def _list(d: _Decoder, offset: int) -> _Open:
    # The tail counts as one more element, so that an improper list is known only when it has been read.
    return d._open(offset, _build_list, d._unsigned(4) + 1)


def _tuple(size_bytes: int) -> Callable[[_Decoder, int], _Open]:
    return lambda d, offset: d._open(offset, lambda _offset, elements: tuple(elements), d._unsigned(size_bytes))


def _map(d: _Decoder, offset: int) -> _Open:
    pairs = d._unsigned(4)
    if pairs > d.limits.max_map_pairs:
        raise _refuse(offset, f"a map of at most {d.limits.max_map_pairs} pairs", f"{pairs}")
    return d._open(offset, _build_map, 2 * pairs)


def _build_list(offset: int, elements: list[Term]) -> Term:
    tail = elements.pop()
    if tail != [] or not isinstance(tail, list):
        raise _refuse(offset, "a proper list", "an improper one")
    return elements


def _build_map(offset: int, elements: list[Term]) -> Term:
    keys = elements[0::2]
    for key in keys:
        if not isinstance(key, _KEY_TYPES):
            raise _refuse(offset, "atoms, integers or binaries as keys", type(key).__name__)
    result = dict(zip(keys, elements[1::2], strict=True))
    if len(result) != len(keys):
        raise _refuse(offset, "keys that differ", "a key twice, or 1 beside true")
    return result


_READERS: dict[int, Callable[[_Decoder, int], Term | _Open]] = {
    _SMALL_INTEGER: lambda d, _offset: d._unsigned(1),
    _INTEGER: _integer,
    _SMALL_BIG: _bignum(1),
    _LARGE_BIG: _bignum(4),
    _NEW_FLOAT: _float,
    _ATOM: _atom(2, "latin-1"),
    _SMALL_ATOM: _atom(1, "latin-1"),
    _ATOM_UTF8: _atom(2, "utf-8"),
    _SMALL_ATOM_UTF8: _atom(1, "utf-8"),
    _SMALL_TUPLE: _tuple(1),
    _LARGE_TUPLE: _tuple(4),
    _NIL: lambda _d, _offset: [],
    _STRING: _string,
    _LIST: _list,
    _BINARY: _binary,
    _MAP: _map,
}


def decode(data: bytes, limits: TermLimits | None = None) -> Term:
    """Decode exactly one term behind its version byte. Raises ProtocolError(`malformed_term`) with the byte offset."""
    return _Decoder(data, limits or TermLimits()).decode()


class _Output(bytearray):
    """What is written so far. `any_atom` permits atoms outside the closed set."""

    any_atom = False


def encode(term: object, *, any_atom: bool = False) -> bytes:
    """Encode a term behind its version byte.

    `str` becomes a UTF-8 binary, `Atom` an atom, which has to be of the closed set unless `any_atom` (for hosts, whose
    mistakes are the worker's to judge). Raises ProtocolError(`internal`) for what is no term of this protocol: the
    caller is this project, so that is a defect.
    """
    out = _Output((VERSION,))
    out.any_atom = any_atom
    _write(out, term)
    return bytes(out)


def _write(out: _Output, term: object) -> None:
    writer = _WRITERS.get(type(term))
    if writer is None:
        raise _defect(f"a {type(term).__name__}")
    writer(out, term)


def _defect(what: str) -> ProtocolError:
    return ProtocolError("internal", f"term: expected one that the protocol sends, got {what}")


def _write_int(out: _Output, value: int) -> None:
    if 0 <= value < 256:
        out += bytes((_SMALL_INTEGER, value))
    elif -(2**31) <= value < 2**31:
        out.append(_INTEGER)
        out += value.to_bytes(4, "big", signed=True)
    else:
        _write_bignum(out, value)


def _write_bignum(out: _Output, value: int) -> None:
    size = (abs(value).bit_length() + 7) // 8
    if size > 255:
        raise _defect(f"an integer of {size} bytes")
    out += bytes((_SMALL_BIG, size, value < 0))
    out += abs(value).to_bytes(size, "little")


def _write_float(out: _Output, value: float) -> None:
    if not math.isfinite(value):
        raise _defect(f"the float {value}")
    out.append(_NEW_FLOAT)
    out += struct.pack(">d", value)


def _write_atom(out: _Output, value: Atom) -> None:
    if not out.any_atom and value not in CLOSED_SET:
        raise _defect(f"the atom {value!r}")
    _write_name(out, value)


def _write_name(out: _Output, name: str) -> None:
    raw = name.encode()
    if len(name) > 255:
        raise _defect(f"an atom of {len(name)} characters")
    out += bytes((_SMALL_ATOM_UTF8, len(raw))) if len(raw) < 256 else bytes((_ATOM_UTF8,)) + len(raw).to_bytes(2, "big")
    out += raw


def _write_bytes(out: _Output, value: bytes) -> None:
    out.append(_BINARY)
    out += len(value).to_bytes(4, "big")
    out += value


def _write_list(out: _Output, value: list[Any]) -> None:
    if value:
        out.append(_LIST)
        out += len(value).to_bytes(4, "big")
        for element in value:
            _write(out, element)
    out.append(_NIL)


def _write_tuple(out: _Output, value: tuple[Any, ...]) -> None:
    if len(value) < 256:
        out += bytes((_SMALL_TUPLE, len(value)))
    else:
        out.append(_LARGE_TUPLE)
        out += len(value).to_bytes(4, "big")
    for element in value:
        _write(out, element)


def _write_map(out: _Output, value: dict[Any, Any]) -> None:
    out.append(_MAP)
    out += len(value).to_bytes(4, "big")
    for key, element in value.items():
        _write(out, key)
        _write(out, element)


_WRITERS: dict[type, Callable[[_Output, Any], None]] = {
    bool: lambda out, value: _write_name(out, "true" if value else "false"),
    type(None): lambda out, _value: _write_name(out, "nil"),
    int: _write_int,
    float: _write_float,
    Atom: _write_atom,
    bytes: _write_bytes,
    # A message may quote a file name that is no UTF-8, which Python holds as lone surrogates.
    str: lambda out, value: _write_bytes(out, value.encode("utf-8", "backslashreplace")),
    list: _write_list,
    tuple: _write_tuple,
    dict: _write_map,
}
