"""Some 700 terms to try with a real Erlang: each type at the sizes where its tag changes, and seeded nested ones."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

from protocol.atoms import CLOSED_SET, Atom
from protocol.limits import TermLimits

LIMITS = TermLimits()
_CONSTANTS = (None, True, False)
_LETTERS = "ab zÅéß€אあ中\U0001f600\U0010ffff'\"\\\n\t\r\0\x7f\x85\u2028"


def systematic() -> list[Any]:
    """Integers, floats, atoms, binaries, lists, tuples and maps, at every boundary."""
    return [
        *_integers(),
        *_floats(),
        *_atoms(),
        *_binaries(),
        *_lists(),
        *_tuples(),
        *_maps(),
        *_deep(),
    ]


def nested(seed: int, count: int) -> list[Any]:
    """Random terms of every type within one another; the same ones for the same seed."""
    generator = _Generator(random.Random(seed))
    return [generator.term(depth=5) for _ in range(count)]


def _integers() -> Iterator[int]:
    edges = {0, 1, *(2**bits for bits in (7, 8, 16, 24, 27, 28, 31, 32, 53, 59, 60, 63, 64, 127, 128, 255, 256, 504))}
    near = {sign * (edge + step) for edge in edges for sign in (1, -1) for step in (-1, 0, 1)}
    yield from sorted(near | {2**512 - 1, 1 - 2**512, 10**100, -(10**100)})


def _floats() -> Iterator[float]:
    positive = [0.0, 1.0, 1.5, 0.1, 1 / 3, 1e-5, 1e5, 1e15, 1e16, 1e17, 1e21, 1e22, 1e23, 2.0**53, 1e300, 123456.789]
    edges = [5e-324, 2.225073858507201e-308, 2.2250738585072014e-308, 1.7976931348623157e308, 1 + 2**-52]
    for value in (*positive, *edges):
        yield value
        yield -value


def _atoms() -> Iterator[Any]:
    yield from _CONSTANTS
    yield from map(
        Atom, ["", "undefined", "Elixir.Enum", "A b", "it's", "end", "maybe", "else", "1", "_", "@", "a@b", "é"]
    )
    yield from map(Atom, ["\0", "\n", "\t", "\\", '"', "\x7f", "\x80", "\xff", "Ā", "€", "\U0001f600", "e\u0301"])
    for letter in ("a", "é", "Ā", "€", "\U0001f600"):
        size = len(letter.encode())
        yield from (Atom(letter * count) for count in sorted({255, 255 // size, 255 // size + 1}) if count <= 255)
    yield from (Atom(name) for name in sorted(CLOSED_SET) if name not in {"nil", "true", "false"})


def _binaries() -> Iterator[bytes]:
    yield from (bytes(size) for size in (0, 1, 2, 255, 256))
    yield from (b"a" * size for size in (65_535, 65_536))
    yield from (
        bytes(range(256)),
        b"nil",
        b"true",
        b"abc",
        b'a"b\\c',
        b"a\nb\tc\rd",
        b"\xff\xfe",
        b"~s~n~p",
        b"%% no comment",
    )
    yield from (
        text.encode() for text in ("é", "Å ß", "日本語", "\U0001f600" * 70, "שלום", "\ufeff", "\ufffe", "\u2028")
    )
    yield struct.pack("<4q", 0, -1, 2**63 - 1, -(2**63))
    yield bytes.fromhex("f47ac10b58cc4372a5670e02b2c3d479")


def _lists() -> Iterator[list[Any]]:
    yield from ([], [0], [255], [256], [-1], [0, 255], [1, 2, 3], [[]], [[], [[]]], [b""], [()], [{}], [None], [1.0])
    yield from (list(b"a charlist"), [ord(letter) for letter in "שלום"], [1, 2, 256], [1, 2.0], [1, True], [[1], [2]])
    for size in (254, 255, 256, 1_000, 32_766, 32_767):
        yield [index % 256 for index in range(size)]
    yield from ([256] * 255, [256] * 256, [Atom("a")] * 1_000, [1] * 1_000 + [256], [[1, 2, 3]] * 1_000)


def _tuples() -> Iterator[tuple[Any, ...]]:
    yield from ((), (1,), (None,), ((),), ([],), (b"m7", 0.5), (Atom("ok"), 1, {}), ((1, (2, (3,))),))
    yield from ((0,) * size for size in (254, 255, 256, 257, 1_000))


def _maps() -> Iterator[dict[Any, Any]]:
    yield from ({}, {None: 1}, {True: 1, False: 2}, {True: 1, 2: 2}, {b"": b""}, {0: 0}, {-1: 1}, {1.5: 1}, {-0.0: 1})
    yield {Atom("a"): 1, b"a": 2, 1: 3, -1: 4, 2.5: 5, None: 6}
    yield {2**63 - 1: 1, -(2**63): 2, 2**31: 3}
    for size in (31, 32, 33, 64, 255, 256, LIMITS.max_map_pairs):
        yield {index: index % 3 for index in range(size)}
    for size in (32, 33, LIMITS.max_map_pairs):
        yield {f"key {index}".encode(): [index] for index in range(size)}
        yield {Atom(f"key_{index}"): None for index in range(size)}
        yield {index + 0.5: {index: index} for index in range(size)}


def _deep() -> Iterator[Any]:
    wraps: list[Callable[[Any], Any]] = [lambda term: [term], lambda term: (term,), lambda term: {Atom("k"): term}]
    for wrap in (*wraps, lambda term: [1, term], lambda term: (term, term) if term == 1 else (0, term)):
        for depth in (2, 16, LIMITS.max_depth - 1, LIMITS.max_depth):
            yield _wrapped(1, wrap, depth)
    term: Any = b"innermost"
    for level in range(LIMITS.max_depth):
        term = wraps[level % len(wraps)](term)
    yield term


def _wrapped(term: Any, wrap: Callable[[Any], Any], depth: int) -> Any:
    for _ in range(depth):
        term = wrap(term)
    return term


class _Generator:
    """Random terms, from numbers alone: the same on every Python."""

    def __init__(self, random: random.Random) -> None:
        self._random = random
        self._scalars: list[Callable[[], Any]] = [
            self._integer, self._float, self._atom, self._binary, self._text, lambda: random.choice(_CONSTANTS)
        ]  # fmt: skip
        self._keys: list[Callable[[], Any]] = [
            self._small_integer, self._float, self._atom, self._binary, self._text, lambda: None
        ]  # fmt: skip

    def term(self, depth: int) -> Any:
        kind = self._random.random()
        if depth == 0 or kind < 0.2:
            return self._random.choice(self._scalars)()
        size = int(self._random.expovariate(0.4))
        if kind < 0.35:
            return [self._random.randrange(256) for _ in range(size * 4)]
        if kind < 0.6:
            return [self.term(depth - 1) for _ in range(size)]
        if kind < 0.8:
            return tuple(self.term(depth - 1) for _ in range(size))
        # A key that is there already would leave its first value under a key of another type.
        pairs: dict[Any, Any] = {}
        for _ in range(size):
            pairs.setdefault(self._random.choice(self._keys)(), self.term(depth - 1))
        return pairs

    def _small_integer(self) -> int:
        return self._random.randrange(-(2**63), 2**63) >> self._random.randrange(64)

    def _integer(self) -> int:
        return self._random.choice((1, -1)) * self._random.getrandbits(self._random.randint(1, 512))

    def _float(self) -> float:
        while True:
            (value,) = struct.unpack(">d", self._random.randbytes(8))
            if value - value == 0.0:
                return float(value)

    def _string(self, most: int) -> str:
        return "".join(self._random.choice(_LETTERS) for _ in range(self._random.randint(0, most)))

    def _atom(self) -> Any:
        return Atom(self._string(40))

    def _binary(self) -> bytes:
        return self._random.randbytes(self._random.randint(0, 40))

    def _text(self) -> bytes:
        return self._string(40).encode()
