"""External Term Format as the kit needs it: writes right terms and wrong ones, notes tags and atoms in what it reads.

Integers, floats, binaries, lists, tuples and maps are Python's own; every atom is an `Atom`, `nil`, `true` and `false`
among them. `Raw` stands for bytes that are put into a term as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_VERSION = 131
_DEEPEST = 100
"""Deeper than any message; what a worker sends must not end the kit."""


class Atom(str):
    """An atom."""

    __slots__ = ()


NIL, TRUE, FALSE, INFINITY = Atom("nil"), Atom("true"), Atom("false"), Atom("infinity")


@dataclass(frozen=True)
class Raw:
    """A term's bytes, without the version byte."""

    data: bytes


class UnreadableError(Exception):
    """The payload is not one term of the kinds that SPEC.md reads."""


def atom(name: str) -> bytes:
    """An atom under the tag that is sent, 119."""
    return bytes((119, len(name.encode()))) + name.encode()


def integer(value: int) -> bytes:
    """An integer under the shortest tag that is sent."""
    if 0 <= value < 256:
        return bytes((97, value))
    if -(2**31) <= value < 2**31:
        return struct.pack(">Bi", 98, value)
    return bignum(value)


def bignum(value: int, *, large: bool = False) -> bytes:
    """An integer under 110, or under 111."""
    size = (abs(value).bit_length() + 7) // 8
    head = struct.pack(">BI", 111, size) if large else bytes((110, size))
    return head + bytes((value < 0,)) + abs(value).to_bytes(size, "little")


def small_tuple(size: int) -> bytes:
    """The head of a tuple under 104."""
    return bytes((104, size))


def large_tuple(size: int) -> bytes:
    """The head of a tuple under 105."""
    return struct.pack(">BI", 105, size)


@dataclass(frozen=True)
class Style:
    """Which tags to write where there is a choice."""

    atom: Callable[[str], bytes] = atom
    integer: Callable[[int], bytes] = integer
    tuple: Callable[[int], bytes] = small_tuple


PLAIN = Style()


def payload(term: object, style: Style = PLAIN) -> bytes:
    """A term behind the version byte."""
    return bytes((_VERSION,)) + written(term, style)


def written(term: object, style: Style = PLAIN) -> bytes:
    """A term without the version byte. Raises TypeError for what stands for none."""
    match term:
        case Raw(data):
            return data
        case Atom():
            return style.atom(term)
        case int():
            return style.integer(term)
        case float():
            return struct.pack(">Bd", 70, term)
        case bytes():
            return struct.pack(">BI", 109, len(term)) + term
        case list() | tuple() | dict():
            return _container(term, style)
    raise TypeError(f"expected a term, got a {type(term).__name__}")


def _container(term: list[Any] | tuple[Any, ...] | dict[Any, Any], style: Style) -> bytes:
    if isinstance(term, tuple):
        return style.tuple(len(term)) + b"".join(written(element, style) for element in term)
    if isinstance(term, dict):
        pairs = b"".join(written(key, style) + written(value, style) for key, value in term.items())
        return struct.pack(">BI", 116, len(term)) + pairs
    elements = b"".join(written(element, style) for element in term)
    return struct.pack(">BI", 108, len(term)) + elements + b"j" if term else b"j"


@dataclass
class Reading:
    """A term that was read, with the tags and the atoms in it."""

    term: Any
    tags: set[int] = field(default_factory=set)
    atoms: set[str] = field(default_factory=set)


def read(data: bytes) -> Reading:
    """Read a payload, under any tag that SPEC.md reads. Raises UnreadableError."""
    reader = _Reader(data)
    try:
        term = reader.whole()
    except (IndexError, struct.error):
        raise UnreadableError("a term that is cut short") from None
    except (UnicodeDecodeError, TypeError) as error:
        raise UnreadableError(str(error)) from None
    return Reading(term, reader.tags, reader.atoms)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.tags: set[int] = set()
        self.atoms: set[str] = set()

    def whole(self) -> Any:
        if self.number(1) != _VERSION:
            raise UnreadableError(f"the version byte {self.data[0]}")
        term = self.term(0)
        if self.position != len(self.data):
            raise UnreadableError(f"{len(self.data) - self.position} bytes after the term")
        return term

    def term(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise UnreadableError(f"more than {_DEEPEST} levels of nesting")
        tag = self.number(1)
        read_tag = _TAGS.get(tag)
        if read_tag is None:
            raise UnreadableError(f"the tag {tag} at byte {self.position - 1}")
        self.tags.add(tag)
        return read_tag(self, depth + 1)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise IndexError
        taken, self.position = self.data[self.position : end], end
        return taken

    def name(self, size: int, encoding: str) -> Atom:
        name = Atom(self.take(self.number(size)).decode(encoding))
        self.atoms.add(name)
        return name

    def bignum(self, size: int) -> int:
        count, negative = self.number(size), self.number(1)
        magnitude = int.from_bytes(self.take(count), "little")
        return -magnitude if negative else magnitude

    def elements(self, count: int, depth: int) -> list[Any]:
        if count > len(self.data) - self.position:
            raise IndexError
        return [self.term(depth) for _ in range(count)]

    def list(self, depth: int) -> list[Any]:
        elements = self.elements(self.number(4), depth)
        if self.term(depth) != []:
            raise UnreadableError("an improper list")
        return elements

    def map(self, depth: int) -> dict[Any, Any]:
        flat = self.elements(2 * self.number(4), depth)
        return dict(zip(flat[::2], flat[1::2], strict=True))


_TAGS: dict[int, Callable[[_Reader, int], Any]] = {
    97: lambda r, _depth: r.number(1),
    98: lambda r, _depth: int.from_bytes(r.take(4), "big", signed=True),
    110: lambda r, _depth: r.bignum(1),
    111: lambda r, _depth: r.bignum(4),
    70: lambda r, _depth: struct.unpack(">d", r.take(8))[0],
    100: lambda r, _depth: r.name(2, "latin-1"),
    115: lambda r, _depth: r.name(1, "latin-1"),
    118: lambda r, _depth: r.name(2, "utf-8"),
    119: lambda r, _depth: r.name(1, "utf-8"),
    104: lambda r, depth: tuple(r.elements(r.number(1), depth)),
    105: lambda r, depth: tuple(r.elements(r.number(4), depth)),
    106: lambda _r, _depth: [],
    107: lambda r, _depth: list(r.take(r.number(2))),
    108: _Reader.list,
    109: lambda r, _depth: r.take(r.number(4)),
    116: _Reader.map,
}


def show(term: Any, most: int = 120) -> str:
    """A term for people, much as Erlang writes it, in at most so many characters."""
    text = _text(term)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _text(term: Any) -> str:
    if isinstance(term, Atom):
        return str(term)
    if isinstance(term, bytes):
        return f"<<{term[:80].decode(errors='replace')!r}>>"
    if isinstance(term, list):
        return f"[{', '.join(map(_text, term[:20]))}]"
    if isinstance(term, tuple):
        return f"{{{', '.join(map(_text, term))}}}"
    if isinstance(term, dict):
        return f"#{{{', '.join(f'{_text(key)} => {_text(value)}' for key, value in term.items())}}}"
    return repr(term)
