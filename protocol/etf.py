"""External Term Format, strictly: decode what a host may send, encode what a worker may say.

One Python type for each Erlang type, whatever the values: integer `int`, float `float`, atom `Atom` (nil, true and
false are `None`, `True`, `False`), binary `bytes`, list `list`, tuple `tuple`, map `dict`. All else is refused:
compressed terms, pids, ports, references, funs, bit strings, improper lists, duplicate keys, bytes after the term.
Decoding is one loop over an explicit stack, so no input can drive recursion, and every count is checked against the
bytes left and the limits before it is believed.

Format: "External Term Format" in the ERTS user's guide of Erlang/OTP.
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeAlias

from protocol.atoms import Atom
from protocol.collector import LARGE_BYTES, paused
from protocol.limits import TermLimits
from protocol.refusal import (
    CONSTANTS,
    KNOWN_ATOMS,
    MAX_ATOM_CHARACTERS,
    SAME_KEYS,
    check_key,
    defect,
    new_atom,
    refuse,
    wrong_count,
    wrong_end,
)

Term: TypeAlias = "int | float | bool | Atom | bytes | list[Term] | tuple[Term, ...] | dict[Term, Term] | None"

VERSION = 131
_NEW_FLOAT, _SMALL_INTEGER, _INTEGER, _SMALL_BIG, _LARGE_BIG = 70, 97, 98, 110, 111
_ATOM, _SMALL_ATOM, _ATOM_UTF8, _SMALL_ATOM_UTF8 = 100, 115, 118, 119
_SMALL_TUPLE, _LARGE_TUPLE, _NIL, _STRING, _LIST, _BINARY, _MAP = 104, 105, 106, 107, 108, 109, 116
_CONTAINERS = frozenset((_SMALL_TUPLE, _LARGE_TUPLE, _LIST, _MAP))
_WHOLE = -1
"""The kind of what holds the one term of a payload; the other kinds are the tags of containers."""

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
_OLD_ATOMS = {_ATOM: "latin-1", _SMALL_ATOM: "latin-1", _ATOM_UTF8: "utf-8"}
_LIMITS = TermLimits()
_SIMPLE_KEYS = frozenset((Atom, bytes, float, bool, type(None)))
_PROPER = ("a proper list", "an improper one")

_u16_at = struct.Struct(">H").unpack_from
_u32_at = struct.Struct(">I").unpack_from
_i32_at = struct.Struct(">i").unpack_from
_from_bytes = int.from_bytes
_f64_at = struct.Struct(">d").unpack_from


def decode(data: bytes, limits: TermLimits | None = None) -> Any:  # noqa: C901  a call a term would double its time
    """Decode exactly one term behind its version byte. Raises ProtocolError(`malformed_term`) with the byte offset."""
    if limits is None:
        limits = _LIMITS
    size = len(data)
    if size >= LARGE_BYTES and gc.isenabled():
        return paused(decode, data, limits)
    max_depth, max_map_pairs, terms_left = limits.max_depth, limits.max_map_pairs, limits.max_terms - 1
    known_atoms = KNOWN_ATOMS  # a local name is found faster
    stack: list[tuple[list[Any], int, int, int]] = []
    # The container that is being read: its elements so far, how many are missing, its tag, its offset.
    elements: list[Any] = []
    missing, kind, opened_at = 1, _WHOLE, 0
    value: Any
    pos = 0
    try:
        if data[0] != VERSION:
            raise refuse(0, f"the version byte {VERSION}", f"{data[0]}")
        pos = 1
        while True:
            tag = data[pos]
            if tag == _SMALL_ATOM_UTF8:
                end = pos + 2 + data[pos + 1]
                raw = data[pos + 2 : end]
                value = known_atoms[raw] if raw in known_atoms else new_atom(raw, "utf-8", pos, limits)
                pos = end
            elif tag == _SMALL_INTEGER:
                value = data[pos + 1]
                pos += 2
            elif tag == _BINARY:
                start = pos + 5
                pos = start + _u32_at(data, pos + 1)[0]
                value = data[start:pos]
            elif tag == _SMALL_TUPLE or tag in _CONTAINERS:
                if tag == _SMALL_TUPLE:
                    count = data[pos + 1]
                    start = pos + 2
                else:
                    count = _u32_at(data, pos + 1)[0]
                    start = pos + 5
                    if tag == _MAP:
                        if count > max_map_pairs:
                            raise refuse(pos, f"a map of at most {max_map_pairs} pairs", f"{count}")
                        count *= 2
                terms_left -= count
                if count > size - start or terms_left < 0:
                    raise wrong_count(pos, count, size - start, limits)
                if count:
                    if len(stack) >= max_depth:
                        raise refuse(pos, f"at most {max_depth} levels of nesting", "one more")
                    stack.append((elements, missing, kind, opened_at))
                    kind = tag
                    opened_at = pos
                    uniform = _uniform(data, start, count) if tag == _LIST and count >= _FEW else None
                    if uniform is None:
                        elements = []
                        missing = count
                        pos = start
                        continue
                    # All elements at once; the last is taken back, and the list is closed as any other is.
                    elements, pos = uniform
                    value = elements.pop()
                    missing = 1
                else:
                    value, pos = _empty(data, pos, start)
            elif tag in _OLD_ATOMS:  # what OTP 25 and before send unasked
                if tag == _SMALL_ATOM:
                    start = pos + 2
                    end = start + data[pos + 1]
                else:
                    start = pos + 3
                    end = start + _u16_at(data, pos + 1)[0]
                raw = data[start:end]
                value = known_atoms[raw] if raw in known_atoms else new_atom(raw, _OLD_ATOMS[tag], pos, limits)
                pos = end
            elif tag == _NEW_FLOAT:
                value = _f64_at(data, pos + 1)[0]
                if value - value != 0.0:  # infinite, or no number
                    raise refuse(pos, "a finite float", f"{value}")
                pos += 9
            elif tag == _NIL:
                value = []
                pos += 1
            elif tag == _INTEGER:
                value = _i32_at(data, pos + 1)[0]
                pos += 5
            else:
                read = _READERS.get(tag)
                if read is None:
                    raise refuse(pos, "a permitted term", _REFUSED.get(tag, f"the tag {tag}"))
                value, end = read(data, pos, limits)
                if tag == _STRING and value:
                    terms_left -= len(value)
                    if terms_left < 0:
                        raise wrong_count(pos, len(value), size, limits)
                    if len(stack) >= max_depth:
                        raise refuse(pos, f"at most {max_depth} levels of nesting", "one more")
                pos = end
            elements.append(value)
            missing -= 1
            while not missing:
                if kind == _MAP and len(elements) == 2:
                    key, item = elements
                    if type(key) not in _SIMPLE_KEYS:
                        check_key(key, opened_at)
                    value = {key: item}
                elif kind == _MAP:
                    value = {}
                    flat = iter(elements)
                    for key, item in zip(flat, flat):  # noqa: B905  they are whole pairs
                        if type(key) not in _SIMPLE_KEYS:
                            check_key(key, opened_at)
                        value[key] = item
                    if 2 * len(value) != len(elements):
                        raise refuse(opened_at, "keys that differ", SAME_KEYS)
                elif kind == _LIST:
                    if data[pos] != _NIL:
                        raise refuse(opened_at, *_PROPER)
                    pos += 1
                    value = elements
                elif kind == _WHOLE:
                    if pos != size:
                        raise wrong_end(data, pos)
                    return elements[0]
                else:
                    value = tuple(elements)
                elements, missing, kind, opened_at = stack.pop()
                elements.append(value)
                missing -= 1
    except (IndexError, struct.error):
        raise refuse(min(pos, size), "a whole term", "the end of the frame") from None


_FEW = 8
_tagged_i32s = struct.Struct(">xi").iter_unpack


def _uniform(data: bytes, start: int, count: int) -> tuple[list[Any], int] | None:
    """All elements of a list and where they end, if all are integers of one width, binaries of one length, or [].

    Ids to exclude are. Where every `width`-th byte is the tag of an element of `width` bytes, each begins where the one
    before it ends.
    """
    tag = data[start]
    if tag == _INTEGER and _repeats(data, start, 1, 5, count):
        end = start + 5 * count
        return [value for (value,) in _tagged_i32s(data[start:end])], end
    if tag == _SMALL_INTEGER and _repeats(data, start, 1, 2, count):
        end = start + 2 * count
        return list(data[start + 1 : end : 2]), end
    if tag == _NIL and _repeats(data, start, 1, 1, count):
        return [[] for _ in range(count)], start + count
    if tag == _BINARY:
        width = 5 + _u32_at(data, start + 1)[0]
        if _repeats(data, start, 5, width, count):
            end = start + width * count
            return [data[place + 5 : place + width] for place in range(start, end, width)], end
    return None


def _repeats(data: bytes, start: int, head: int, width: int, count: int) -> bool:
    """Whether there are `count` times `width` bytes, each of which begin with the same `head` bytes."""
    end = start + width * count
    return end <= len(data) and all(
        data[place:end:width] == data[place : place + 1] * count for place in range(start, start + head)
    )


def _empty(data: bytes, pos: int, start: int) -> tuple[Any, int]:
    """The container without elements whose tag is at `pos`, and where it ends; `start` is behind its count."""
    if data[pos] == _MAP:
        return {}, start
    if data[pos] != _LIST:
        return (), start
    if data[start] != _NIL:
        raise refuse(pos, *_PROPER)
    return [], start + 1


_Reader: TypeAlias = Callable[[bytes, int, TermLimits], tuple[Any, int]]
"""Takes the payload and a tag's offset; gives the value and the offset behind it. IndexError and struct.error mean that
the payload ends too early; an offset behind its end does too."""


def _bignum(size_bytes: int) -> _Reader:
    def read(data: bytes, pos: int, limits: TermLimits) -> tuple[int, int]:
        size = data[pos + 1] if size_bytes == 1 else _u32_at(data, pos + 1)[0]
        if size > limits.max_bignum_bytes:
            raise refuse(pos, f"an integer of at most {limits.max_bignum_bytes} bytes", f"{size} bytes")
        start = pos + 2 + size_bytes
        sign = data[start - 1]
        if sign > 1:
            raise refuse(pos, "a sign of 0 or 1", f"{sign}")
        end = start + size
        magnitude = _from_bytes(data[start:end], "little")
        return -magnitude if sign else magnitude, end

    return read


def _string(data: bytes, pos: int, _limits: TermLimits) -> tuple[list[int], int]:
    end = pos + 3 + _u16_at(data, pos + 1)[0]
    return list(data[pos + 3 : end]), end


_READERS: dict[int, _Reader] = {
    _SMALL_BIG: _bignum(1),
    _LARGE_BIG: _bignum(4),
    _STRING: _string,
}
"""What the loop does not read itself, because requests have little of it."""


class Laid:
    """A part of a term that lies somewhere as arrays, and becomes bytes as a whole when it is encoded."""

    __slots__ = ()

    def write(self, out: Callable[[bytes], object]) -> None:
        """Give `out` the same as External Term Format, without the version byte, in any number of pieces."""
        raise NotImplementedError

    def term(self) -> Any:
        """The same as an ordinary term, for codecs that do not lay it out themselves."""
        raise NotImplementedError


def encode(term: object, *, any_atom: bool = False) -> bytes:
    """Encode a term behind its version byte.

    `str` becomes a UTF-8 binary, `Atom` an atom, which has to be of the closed set unless `any_atom` (for hosts, whose
    mistakes are the worker's to judge); `Laid` writes itself. Raises ProtocolError(`internal`) for what is no term of
    this protocol: the caller is this project, so that is a defect.
    """
    out = [b"\x83"]
    write(out.append, (term,), any_atom)
    return b"".join(out)


_pack_tagged_u32 = struct.Struct(">BI").pack
_pack_tagged_i32 = struct.Struct(">Bi").pack
_pack_tagged_f64 = struct.Struct(">Bd").pack
_SMALL_INTEGERS = [bytes((_SMALL_INTEGER, value)) for value in range(256)]
_SMALL_TUPLES = [bytes((_SMALL_TUPLE, size)) for size in range(256)]
_END = bytes((_NIL,))


def write(out: Callable[[bytes], object], terms: Iterable[Any], any_atom: bool = False) -> None:  # noqa: C901  as in decode
    """Give `out` the bytes of some terms, one after the other, without version bytes. Raises as `encode` does."""
    for term in terms:
        kind = type(term)
        if kind is Atom:
            out(_ENCODED_ATOMS.get(term) or _atom_bytes(term, any_atom))
        elif kind is int:
            out(_SMALL_INTEGERS[term] if 0 <= term < 256 else _integer_bytes(term))
        elif kind is bytes:
            out(_pack_tagged_u32(_BINARY, len(term)))
            out(term)
        elif kind is str:
            # A message may quote a file name that is no UTF-8, which Python holds as lone surrogates.
            raw = term.encode("utf-8", "backslashreplace")
            out(_pack_tagged_u32(_BINARY, len(raw)))
            out(raw)
        elif kind is float:
            if term - term != 0.0:
                raise defect(f"the float {term}")
            out(_pack_tagged_f64(_NEW_FLOAT, term))
        elif kind is tuple:
            size = len(term)
            out(_SMALL_TUPLES[size] if size < 256 else _pack_tagged_u32(_LARGE_TUPLE, size))
            write(out, term, any_atom)
        elif kind is list:
            if term:
                out(_pack_tagged_u32(_LIST, len(term)))
                write(out, term, any_atom)
            out(_END)
        elif kind is dict:
            out(map_head(len(term)))
            write(out, chain.from_iterable(term.items()), any_atom)
        elif kind is bool or term is None:
            out(_ENCODED_CONSTANTS[term])
        elif isinstance(term, Laid):
            term.write(out)
        else:
            raise defect(f"a {kind.__name__}")


def map_head(pairs: int) -> bytes:
    """What a map of so many pairs begins with."""
    return _pack_tagged_u32(_MAP, pairs)


def _integer_bytes(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return _pack_tagged_i32(_INTEGER, value)
    size = (abs(value).bit_length() + 7) // 8
    if size > 255:
        raise defect(f"an integer of {size} bytes")
    return bytes((_SMALL_BIG, size, value < 0)) + abs(value).to_bytes(size, "little")


def _atom_bytes(name: Atom, any_atom: bool) -> bytes:
    if not any_atom:
        raise defect(f"the atom {name!r}")
    if len(name) > MAX_ATOM_CHARACTERS:
        raise defect(f"an atom of {len(name)} characters")
    return _named(name)


def _named(name: str) -> bytes:
    raw = name.encode()
    if len(raw) < 256:
        return bytes((_SMALL_ATOM_UTF8, len(raw))) + raw
    return bytes((_ATOM_UTF8,)) + len(raw).to_bytes(2, "big") + raw


_ENCODED_ATOMS = {
    # The very objects that are decoded: a dict finds those fastest.
    **{atom: _named(atom) for atom in KNOWN_ATOMS.values() if isinstance(atom, Atom)},
    **{Atom(name): _named(name) for name in CONSTANTS},
}
_ENCODED_CONSTANTS = {value: _named(name) for name, value in CONSTANTS.items()}
