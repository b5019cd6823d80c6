"""What a term would cost to decode, found by walking its tags and building nothing.

erlang-py believes every count and inflates whatever is compressed: 16 MiB of empty lists cost it 1.2 GB, an integer of
1 MB 20 s, and a kilobyte inside a list may become a gigabyte. So it gets only what has been walked here before.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_TERMS = 1_000_000
"""Some 70 MB of Python objects."""

MOST_INTEGER_BYTES = 64 * 1024
"""Of large integers (more than 255 bytes) altogether: erlang-py takes half a second for one of this size."""

_FIXED = {70: 8, 97: 1, 98: 4, 99: 31, 106: 0}
"""Tag to the bytes of data: float, small integer, integer, float as text, empty list."""

_SIZED = {109: (4, 0), 107: (2, 0), 118: (2, 0), 100: (2, 0), 115: (1, 0), 119: (1, 0), 110: (1, 1), 111: (4, 1),
          77: (4, 1), 112: (4, -4)}  # fmt: skip
"""Tag to the width of a byte count, and to what else belongs to the data: binary, string, atoms, bignums (with their
sign), bit string (with its bits), fun (which counts the count)."""

_COUNTED = {104: (1, 1, 0), 105: (4, 1, 0), 108: (4, 1, 1), 116: (4, 2, 0), 117: (4, 1, 4), 113: (0, 0, 3)}
"""Tag to the width of a count, the terms for each, and further terms: tuples, list (with its tail), map, old fun (pid,
module, index, uniq), external fun (module, name, arity)."""

_NODED = {88: 12, 103: 9, 89: 8, 102: 5, 120: 12, 101: 5}
"""Tag to the bytes after the name of a node: pids, ports, old reference."""

_REFERENCES = {90: 4, 114: 1}
"""Tag to the bytes of the creation, after a count of words and the name of a node."""

_ATOMS = {100, 115, 118, 119}
_LARGE_INTEGER, _BIT_STRING, _MAP = 111, 77, 116
_OTHERS = {78: "a reference to a cache of atoms", 80: "a compressed term within another", 121: "a local term"}


class Undecodable(Exception):  # noqa: N818 (the name says what is so, not what went wrong)
    """The payload cannot be shown as a term; the message says why in a few words."""


@dataclass
class Survey:
    """What is in a term: how many terms, pairs of maps, and bytes of integers above 255 bytes."""

    terms: int = 0
    pairs: int = 0
    integer_bytes: int = 0


def survey(data: bytes) -> Survey:
    """Walk one term, without a version byte, to the end of `data`.

    Raises Undecodable, naming the byte, for what is no term, or not affordable.
    """
    walk = _Walk(data)
    walk.whole()
    return walk.found


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.found = Survey()
        self._data = data
        self._at = 0
        self._missing = 1

    def whole(self) -> None:
        while self._missing:
            self._missing -= 1
            self._one()
            self._check()
        if self._at != len(self._data):
            raise Undecodable(f"{len(self._data) - self._at} bytes after the term")

    def _check(self) -> None:
        if self._missing > len(self._data) - self._at:
            raise Undecodable("it ends within a term")
        if self.found.terms + self._missing > MOST_TERMS:
            raise Undecodable(f"more than {MOST_TERMS:,} terms")
        if self.found.integer_bytes > MOST_INTEGER_BYTES:
            raise Undecodable(f"more than {MOST_INTEGER_BYTES:,} bytes of large integers")

    def _one(self) -> None:
        start = self._at
        tag = self._number(1)
        self.found.terms += 1
        if tag in _FIXED:
            self._skip(_FIXED[tag])
        elif tag in _SIZED:
            self._sized(tag)
        elif tag in _COUNTED:
            self._counted(tag)
        elif tag in _NODED:
            self._node()
            self._skip(_NODED[tag])
        elif tag in _REFERENCES:
            words = self._number(2)
            self._node()
            self._skip(_REFERENCES[tag] + 4 * words)
        else:
            raise Undecodable(f"{_OTHERS.get(tag, f'the tag {tag}')} at byte {start + 1}")

    def _sized(self, tag: int) -> None:
        width, more = _SIZED[tag]
        size = self._number(width)
        if tag == _LARGE_INTEGER:
            self.found.integer_bytes += size
        if tag == _BIT_STRING and not (size and 1 <= self._peek() <= 8):
            raise Undecodable(f"a bit string without a last byte of 1 to 8 bits at byte {self._at + 1}")
        self._skip(size + more)

    def _counted(self, tag: int) -> None:
        width, each, more = _COUNTED[tag]
        count = self._number(width)
        if tag == _MAP:
            self.found.pairs += count
        self._missing += each * count + more

    def _node(self) -> None:
        tag = self._number(1)
        if tag not in _ATOMS:
            raise Undecodable(f"the name of a node is no atom at byte {self._at}")
        self._sized(tag)

    def _number(self, width: int) -> int:
        start = self._at
        self._skip(width)
        return int.from_bytes(self._data[start : self._at], "big")

    def _peek(self) -> int:
        return self._data[self._at] if self._at < len(self._data) else 0

    def _skip(self, size: int) -> None:
        if not 0 <= size <= len(self._data) - self._at:
            raise Undecodable("it ends within a term")
        self._at += size
