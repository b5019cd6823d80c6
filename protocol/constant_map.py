"""A map of which one value differs from message to message: the bytes of all others are made once.

Of what a worker sends, most are answers to `recommend`, and most of those differ in their items alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from protocol.atoms import Atom
from protocol.etf import Laid, map_head, write

Constants: TypeAlias = tuple[tuple[Atom, Any], ...]
"""Pairs of a map. Values can be hashed, so a list is given as a tuple; of those that are equal, as 1 and True are, only
ever one type comes under a key."""

_KEPT = 64
"""Of the answers of a moment; each may name what it ignored, which is up to the caller."""


class ConstantMap(Laid):
    """The map `{key: value, **constants}`."""

    __slots__ = ("_constants", "_key", "_value")

    def __init__(self, key: Atom, value: Any, constants: Constants) -> None:
        self._key = key
        self._value = value
        self._constants = constants

    def write(self, out: Callable[[bytes], object]) -> None:
        """As External Term Format."""
        before, after = _around(self._key, self._constants)
        out(before)
        write(out, (self._value,))
        out(after)

    def term(self) -> dict[Atom, Any]:
        """As an ordinary map, whose value may still be `Laid`."""
        return {self._key: self._value, **{key: _listed(value) for key, value in self._constants}}


@lru_cache(maxsize=_KEPT)
def _around(key: Atom, constants: Constants) -> tuple[bytes, bytes]:
    """The bytes before the value, and those behind it."""
    before = [map_head(1 + len(constants))]
    after: list[bytes] = []
    write(before.append, (key,))
    for name, value in constants:
        write(after.append, (name, _listed(value)))
    return b"".join(before), b"".join(after)


def _listed(value: Any) -> Any:
    return list(value) if type(value) is tuple else value
