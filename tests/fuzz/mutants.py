"""Damaged bytes, seeded: a mutant follows from the seed and its number alone, so any one can be made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from protocol.limits import MAX_FRAME_BYTES, TermLimits

_LIMITS = TermLimits()
_INTERESTING = sorted(
    {
        *(edge + step for edge in (0, 2**7, 2**8, 2**15, 2**16, 2**24, 2**31, 2**32) for step in (-1, 0, 1)),
        *(limit + step for limit in vars(_LIMITS).values() for step in (-1, 0, 1)),
        *(MAX_FRAME_BYTES - 4, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1, 2, 3, 9, 10, 33, 512, 65_535 // 2),
    }
)

_COUNTS = [count for count in _INTERESTING if 1_000 < count < MAX_FRAME_BYTES]

Head = tuple[bytes, int, bytes]
"""What goes before a repeated piece: a tag, the size of the count behind it, and what closes it all."""

_HEADS: Mapping[str, Sequence[Head]] = {
    "etf": [
        *((bytes((tag,)), 4, b"") for tag in (105, 109, 111, 116)),
        *((bytes((tag,)), 2, b"") for tag in (100, 107, 118)),
        *((bytes((tag,)), 1, b"") for tag in (104, 110, 115, 119)),
        *((b"\x6c", 4, b"\x6a"),) * 6,  # the one whose elements are mostly well
        (b"\x50", 4, b""),
    ],
    "msgpack": [
        *((bytes((tag,)), 4, b"") for tag in (0xC6, 0xC9, 0xDB, 0xDD, 0xDD, 0xDD, 0xDD, 0xDF)),
        *((bytes((tag,)), 2, b"") for tag in (0xC5, 0xC8, 0xDA, 0xDC, 0xDE)),
        *((bytes((tag,)), 1, b"") for tag in (0xC4, 0xC7, 0xD9)),
    ],
}
_VERSIONS = {"etf": b"\x83", "msgpack": b""}
_PIECES: Mapping[str, Sequence[bytes]] = {
    "etf": [
        *(b"\x6a", b"\x61\x01", b"\x61", b"\x6b\xff\xff" + bytes(65_535), b"\x6b\0\0", b"\x68\0", b"\x74\0\0\0\0"),
        *(b"\x46" + bytes(8), b"\x46\x3f\xf0" + bytes(6), b"\x77\x01a", b"\x77\x00", b"\x6d\0\0\0\0", b"\x6d\0\0\0\1a"),
        *(b"\x6c\0\0\0\x01", b"\x6c\0\0\0\0\x6a", b"\x68\x01", b"\x68\x02", b"\x74\0\0\0\x01\x61\x01", b"\x83"),
        *(b"\x6e\x40\0" + b"\xff" * 64, b"\x6e\x08\0" + b"\xff" * 8, b"\x62\x7f\xff\xff\xff", b"\x76\x03\xfc"),
        *(b"\x76\x03\xfc" + b"\xf0\x9f\x98\x80" * 255, b"\x64\0\xff" + b"\xff" * 255, b"\x73\xff" + b"\xff" * 255),
        *(b"\x73\1\xff", b"\x74\0\0\0\1\x73\1\xff", b"\x74\0\0\0\1\x64\0\1\xff\x74\0\0\0\0"),
        (b"\x74\0\0\0\1\x64\0\1\xff" * 60 + b"\x6a"),
    ],
    "msgpack": [
        *(
            b"\xc0",
            b"\x01",
            b"\xcb" + bytes(8),
            b"\xcb\x3f\xf0" + bytes(6),
            b"\xc3",
            b"\xff",
            b"\xa0",
            b"\xa1a",
            b"\x90",
        ),
        *(
            b"\x91",
            b"\x92",
            b"\x80",
            b"\x81\x01",
            b"\xd4\0a",
            b"\xc7\x03\0nil",
            b"\xcf" + b"\xff" * 8,
            b"\xc4\0",
            b"\xc1",
        ),
        *(b"\xc8\x03\xfc\0" + b"\xf0\x9f\x98\x80" * 255, b"\xca" + bytes(4), b"\xdc\0\x01", b"\xde\0\x01\x01"),
    ],
}
_EDITS_EACH = (1, 1, 1, 2, 4)
_LARGE_SHARE = 1 / 256


class Mutants:
    """The mutants of a corpus. `codec` says with which tags pieces are repeated and wrapped."""

    def __init__(self, seed: int, name: str, codec: str, corpus: Sequence[bytes], *, frames: bool = False) -> None:
        self._seed = f"{seed} {name}"
        self._codec = codec
        self._corpus = corpus
        self._frames = frames

    def mutant(self, number: int, *, large: bool | None = None) -> bytes:
        """The mutant of that number: mostly as long as its seed, seldom (or as told) up to a whole frame."""
        chance = random.Random(f"{self._seed} {number}")
        drawn = chance.random() < _LARGE_SHARE
        if drawn if large is None else large:
            whole = self._large(chance)
            return len(whole).to_bytes(4, "big") + whole if self._frames else whole
        data = bytearray(chance.choice(self._corpus))
        for _ in range(chance.choice(_EDITS_EACH)):
            chance.choice(_EDITS)(self, chance, data)
        if self._frames and chance.random() < 0.5:
            # Otherwise nearly all damage ends in a length that nothing follows.
            data[:4] = _counted(max(len(data) - 4, 0), 4)
        return bytes(data)

    def _large(self, chance: random.Random) -> bytes:
        """One piece over and over, behind a head that counts it, or nearly; some of it damaged."""
        size = int(2 ** chance.uniform(12, MAX_FRAME_BYTES.bit_length() - 1))
        piece = chance.choice(_PIECES[self._codec]) if chance.random() < 0.7 else self._segment(chance)
        pieces = [piece, *(self._segment(chance) for _ in range(chance.choice((0, 0, 1, 3))))]
        repeated = b"".join(pieces) or b"\0"
        times = max(1, size // len(repeated))
        if chance.random() < 0.5:
            times = min(times, chance.choice((_LIMITS.max_terms - 1, _LIMITS.max_terms // 2, *_COUNTS)))
        tag, count_bytes, closing = chance.choice(_HEADS[self._codec])
        count = times * chance.choice((1, 1, len(pieces), len(repeated))) + chance.choice((0, 0, 0, -1, 1))
        head = _VERSIONS[self._codec] + tag + _counted(count, count_bytes)
        data = bytearray(head + repeated * times + closing)
        for _ in range(chance.choice((0, 0, 1))):
            chance.choice(_SMALL_EDITS)(self, chance, data)
        return bytes(data[:MAX_FRAME_BYTES])

    def _segment(self, chance: random.Random) -> bytes:
        """A part of some seed, often all of it but its version."""
        data = chance.choice(self._corpus)
        if chance.random() < 0.5:
            return data[1:]
        start = chance.randint(0, len(data))
        return data[start : start + chance.choice((1, 2, 5, 9, 20, 100))]

    def _flip_bit(self, chance: random.Random, data: bytearray) -> None:
        if data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)

    def _set_byte(self, chance: random.Random, data: bytearray) -> None:
        if data:
            data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))

    def _set_integer(self, chance: random.Random, data: bytearray) -> None:
        """Over a length or a count, if it falls on one."""
        size = chance.choice((1, 2, 4, 8))
        at = chance.randint(0, len(data))
        data[at : at + size] = _counted(chance.choice(_INTERESTING), size)

    def _nudge_length(self, chance: random.Random, data: bytearray) -> None:
        """What may well be a length, a little longer or shorter: a small number with zeros before it."""
        places = [at for at in range(3, len(data)) if data[at] and not any(data[at - 3 : at])]
        if places:
            at = chance.choice(places)
            data[at - 3 : at + 1] = _counted(data[at] + chance.choice((-1, 1, 2, 255, 65_536)), 4)

    def _truncate(self, chance: random.Random, data: bytearray) -> None:
        del data[chance.randint(0, len(data)) :]

    def _delete(self, chance: random.Random, data: bytearray) -> None:
        start = chance.randint(0, len(data))
        del data[start : start + chance.choice((1, 1, 2, 4, 8, 64))]

    def _insert(self, chance: random.Random, data: bytearray) -> None:
        at = chance.randint(0, len(data))
        data[at:at] = chance.randbytes(chance.choice((1, 1, 2, 4, 8, 64)))

    def _insert_piece(self, chance: random.Random, data: bytearray) -> None:
        at = chance.randint(0, len(data))
        data[at:at] = chance.choice(_PIECES[self._codec])[:1_100]

    def _duplicate(self, chance: random.Random, data: bytearray) -> None:
        start = chance.randint(0, len(data))
        segment = data[start : start + chance.choice((1, 2, 5, 9, 20, 100))]
        data[start:start] = segment * chance.choice((1, 1, 2, 16, 70, 300))

    def _splice(self, chance: random.Random, data: bytearray) -> None:
        del data[chance.randint(0, len(data)) :]
        other = chance.choice(self._corpus)
        data += other[chance.randint(0, len(other)) :]

    def _put_in(self, chance: random.Random, data: bytearray) -> None:
        """A part of another seed in the place of a part of this one."""
        start = chance.randint(0, len(data))
        data[start : start + chance.choice((0, 1, 2, 5, 9))] = self._segment(chance)

    def _wrap(self, chance: random.Random, data: bytearray) -> None:
        """The whole of it within containers, up to more than are allowed."""
        version = _VERSIONS[self._codec]
        tag, count_bytes, closing = chance.choice(_HEADS[self._codec])
        depth = chance.choice((1, 1, 2, 5, 63, 64, 65, 300))
        head = (tag + _counted(1, count_bytes)) * depth
        data[: len(version)] = version + head
        data += closing * depth


def _counted(count: int, size: int) -> bytes:
    return (count & (1 << 8 * size) - 1).to_bytes(size, "big")


_Edit = Callable[[Mutants, random.Random, bytearray], None]
_SMALL_EDITS: Sequence[_Edit] = (
    *(Mutants._flip_bit, Mutants._set_byte, Mutants._set_integer, Mutants._truncate, Mutants._delete, Mutants._insert),
)
_EDITS: Sequence[_Edit] = (
    *_SMALL_EDITS,
    *(
        Mutants._nudge_length,
        Mutants._insert_piece,
        Mutants._duplicate,
        Mutants._splice,
        Mutants._put_in,
        Mutants._wrap,
    ),
)
