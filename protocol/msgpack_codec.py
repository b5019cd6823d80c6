"""msgpack, strictly: the same terms as `protocol.etf`, for hosts that are not on the BEAM.

nil, true and false are msgpack's own; an atom is extension type 0 with its name in UTF-8, as Ruby's `Symbol` is.
Strings and binaries both decode to `bytes`. msgpack has no tuples: tuples and lists are arrays, which decode to `list`,
and only the outermost array, the message itself, to a `tuple`. Integers have 64 bits, floats are finite.

The library `msgpack` encodes. Decoding is a loop of our own, of the same kind as in `etf`. The library has no limit of
terms in all, none of depth below 1,024, takes infinities and NaN, and does not say where an error is; so it could be
given only what a scan has passed, and a loop that builds was measured to take half the time of both for a request.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import gc
import math
import re
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import msgpack

from protocol.atoms import CLOSED_SET, Atom
from protocol.collector import LARGE_BYTES, paused
from protocol.errors import ProtocolError
from protocol.etf import Laid
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

ATOM = 0
"""The extension type of atoms. No other is permitted."""

_FLOAT32, _FLOAT64, _EXT8, _STR8, _BIN8 = 0xCA, 0xCB, 0xC7, 0xD9, 0xC4
_ARRAY16, _ARRAY32, _MAP16, _MAP32 = 0xDC, 0xDD, 0xDE, 0xDF
_FIXED_MAP, _FIXED_ARRAY, _FIXED_STR, _NIL, _NEGATIVE = 0x80, 0x90, 0xA0, 0xC0, 0xE0  # the first tag of each range
_FIXED_EXT_SIZES = {0xD4 + power: 1 << power for power in range(5)}
_NUMBERS = {
    first + power: (struct.Struct(">" + code).unpack_from, 1 + (1 << power))
    for first, codes in ((0xCC, "BHIQ"), (0xD0, "bhiq"), (_FLOAT32 - 2, "  fd"))
    for power, code in enumerate(codes)
    if code != " "
}
"""By tag, how a number of fixed size is read, and the offset from its tag to the next."""

_WHOLE, _IS_ARRAY, _IS_MAP = -1, 0, 1
_LIMITS = TermLimits()

_u16_at = struct.Struct(">H").unpack_from
_u32_at = struct.Struct(">I").unpack_from


def decode(data: bytes, limits: TermLimits | None = None) -> Any:
    """Decode exactly one term. Raises ProtocolError(`malformed_term`) with the byte offset."""
    pauses = len(data) >= LARGE_BYTES and gc.isenabled()
    term = paused(_decode, data, limits or _LIMITS) if pauses else _decode(data, limits or _LIMITS)
    return tuple(term) if isinstance(term, list) else term


def _decode(data: bytes, limits: TermLimits) -> Any:  # noqa: C901  a call a term would double its time
    size = len(data)
    max_depth, terms_left = limits.max_depth, limits.max_terms - 1
    stack: list[tuple[list[Any], int, int, int]] = []
    # The container that is being read: its elements so far, how many are missing, what it is, its offset.
    elements: list[Any] = []
    missing, kind, opened_at = 1, _WHOLE, 0
    value: Any
    pos = 0
    try:
        while True:
            tag = data[pos]
            if tag < _FIXED_MAP:
                value = tag
                pos += 1
            elif tag == _EXT8 or tag in _FIXED_EXT_SIZES:
                start = pos + (3 if tag == _EXT8 else 2)
                end = start + (data[pos + 1] if tag == _EXT8 else _FIXED_EXT_SIZES[tag])
                if data[start - 1] != ATOM:
                    raise _other_extension(pos, data[start - 1])
                raw = data[start:end]
                value = KNOWN_ATOMS[raw] if raw in KNOWN_ATOMS else new_atom(raw, "utf-8", pos, limits)
                pos = end
            elif tag < _FIXED_STR or _ARRAY16 <= tag <= _MAP32:
                if tag < _FIXED_STR:
                    is_map, count, start = tag < _FIXED_ARRAY, tag & 0x0F, pos + 1
                else:
                    is_map, count, start = _large_container(data, pos, tag)
                if is_map:
                    if count > limits.max_map_pairs:
                        raise refuse(pos, f"a map of at most {limits.max_map_pairs} pairs", f"{count}")
                    count *= 2
                terms_left -= count
                if count > size - start or terms_left < 0:
                    raise wrong_count(pos, count, size - start, limits)
                if count:
                    if len(stack) >= max_depth:
                        raise refuse(pos, f"at most {max_depth} levels of nesting", "one more")
                    stack.append((elements, missing, kind, opened_at))
                    elements, missing, kind, opened_at = [], count, _IS_MAP if is_map else _IS_ARRAY, pos
                    pos = start
                    continue
                value = {} if is_map else []
                pos = start
            elif tag < _NIL:
                start = pos + 1
                pos = start + (tag & 0x1F)
                value = data[start:pos]
            elif tag in _NUMBERS:
                read, step = _NUMBERS[tag]
                value = read(data, pos + 1)[0]
                if value - value != 0:  # infinite, or no number
                    raise refuse(pos, "a finite float", f"{value}")
                pos += step
            elif tag in (_STR8, _BIN8):
                start = pos + 2
                pos = start + data[pos + 1]
                value = data[start:pos]
            elif tag >= _NEGATIVE:
                value = tag - 256
                pos += 1
            else:
                value, pos = _READERS[tag](data, pos, limits)
            elements.append(value)
            missing -= 1
            while not missing:
                if kind == _IS_MAP:
                    value = {}
                    flat = iter(elements)
                    for key, item in zip(flat, flat):  # noqa: B905  they are whole pairs
                        if type(key) is not Atom:
                            check_key(key, opened_at)
                        value[key] = item
                    if 2 * len(value) != len(elements):
                        raise refuse(opened_at, "keys that differ", SAME_KEYS)
                elif kind == _IS_ARRAY:
                    value = elements
                else:
                    if pos != size:
                        raise wrong_end(data, pos)
                    return elements[0]
                elements, missing, kind, opened_at = stack.pop()
                elements.append(value)
                missing -= 1
    except (IndexError, struct.error):
        raise refuse(min(pos, size), "a whole term", "the end of the frame") from None


def _large_container(data: bytes, pos: int, tag: int) -> tuple[bool, int, int]:
    """Whether it is a map, its count, and the offset of its first element."""
    if tag in (_ARRAY16, _MAP16):
        return tag == _MAP16, _u16_at(data, pos + 1)[0], pos + 3
    return tag == _MAP32, _u32_at(data, pos + 1)[0], pos + 5


def _other_extension(offset: int, kind: int) -> ProtocolError:
    return refuse(offset, "a permitted term", f"the extension type {kind - 256 if kind > 127 else kind}")


_Reader: TypeAlias = Callable[[bytes, int, TermLimits], tuple[Any, int]]
"""Takes the payload and a tag's offset; gives the value and the offset behind it. IndexError and struct.error mean that
the payload ends too early; an offset behind its end does too."""


def _bytes(data: bytes, start: int, size: int) -> tuple[bytes, int]:
    return data[start : start + size], start + size


def _long_name(data: bytes, offset: int, start: int, size: int, limits: TermLimits) -> tuple[Any, int]:
    if data[start - 1] != ATOM:
        raise _other_extension(offset, data[start - 1])
    raw = data[start : start + size]
    return KNOWN_ATOMS[raw] if raw in KNOWN_ATOMS else new_atom(raw, "utf-8", offset, limits), start + size


def _reserved(_data: bytes, pos: int, _limits: TermLimits) -> tuple[Any, int]:
    raise refuse(pos, "a permitted term", "the reserved tag 193")


_READERS: dict[int, _Reader] = {
    0xC0: lambda _data, pos, _limits: (None, pos + 1),
    0xC1: _reserved,
    0xC2: lambda _data, pos, _limits: (False, pos + 1),
    0xC3: lambda _data, pos, _limits: (True, pos + 1),
    0xC5: lambda data, pos, _limits: _bytes(data, pos + 3, _u16_at(data, pos + 1)[0]),
    0xC6: lambda data, pos, _limits: _bytes(data, pos + 5, _u32_at(data, pos + 1)[0]),
    0xC8: lambda data, pos, limits: _long_name(data, pos, pos + 4, _u16_at(data, pos + 1)[0], limits),
    0xC9: lambda data, pos, limits: _long_name(data, pos, pos + 6, _u32_at(data, pos + 1)[0], limits),
    0xDA: lambda data, pos, _limits: _bytes(data, pos + 3, _u16_at(data, pos + 1)[0]),
    0xDB: lambda data, pos, _limits: _bytes(data, pos + 5, _u32_at(data, pos + 1)[0]),
}
"""What the loop does not read itself, because requests have little of it."""


def encode(term: object, *, any_atom: bool = False) -> bytes:
    """Encode a term.

    `str` becomes a string, `bytes` a binary, `Atom` an atom, which has to be of the closed set unless `any_atom` (for
    hosts, whose mistakes are the worker's to judge); `Laid` becomes its ordinary term. Raises ProtocolError(`internal`)
    for what is no term of this protocol.
    """
    # A packer for each term: a shared one would mix the terms of two threads, since a hook may switch between them.
    packer = msgpack.Packer(
        default=_any_atoms if any_atom else _known_atoms,
        strict_types=True,  # or atoms, which are `str` too, would become strings
        unicode_errors="backslashreplace",  # a message may quote a file name that is no UTF-8
        buf_size=_PACKED_BYTES,
    )
    try:
        payload: bytes = packer.pack(term)
    except (TypeError, ValueError, RecursionError) as error:
        raise defect(f"what msgpack cannot hold ({error})") from None
    if _MAYBE_NOT_FINITE.search(payload):
        _check_floats(payload)
    return payload


_PACKED_BYTES = 1024
"""Room to begin with; it grows by itself. The library's own 256 KiB are slow to get for a small reply."""

_MAYBE_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
"""How an infinity or NaN begins, which the library writes without a word."""


def _known_atoms(term: object) -> object:
    if type(term) is Atom and term not in CLOSED_SET:
        raise defect(f"the atom {term!r}")
    return _any_atoms(term)


def _any_atoms(term: object) -> object:
    """What stands for a term that the library does not take as it is."""
    if type(term) is tuple:
        return list(term)
    if type(term) is Atom:
        return CONSTANTS[term] if term in CONSTANTS else msgpack.ExtType(ATOM, _name(term))
    if isinstance(term, Laid):
        return term.term()
    if type(term) is int:
        raise defect(f"an integer of {(term.bit_length() + 7) // 8} bytes")
    raise defect(f"a {type(term).__name__}")


def _name(atom: Atom) -> bytes:
    if len(atom) > MAX_ATOM_CHARACTERS:
        raise defect(f"an atom of {len(atom)} characters")
    return atom.encode()


def _check_floats(payload: bytes) -> None:
    """Refuse infinities and NaN. The bytes that were found may as well lie in a binary, so the library reads them."""
    waiting = [msgpack.unpackb(payload, raw=True, strict_map_key=False, object_pairs_hook=list)]
    while waiting:
        term = waiting.pop()
        if isinstance(term, float) and not math.isfinite(term):
            raise defect(f"the float {term}")
        if isinstance(term, (list, tuple)):
            waiting += term
