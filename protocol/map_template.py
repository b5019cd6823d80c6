"""A map of which one value differs from message to message: the bytes of all others are made once.

Of what a worker sends, most are answers to `recommend`, and most of those differ in their items alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from protocol.atoms import Atom
from protocol.etf import Laid, map_head, write

Constants: TypeAlias = tuple[tuple[Atom, Any], ...]
"""Pairs of a map."""


class MapTemplate:
    """The map `{key: value, **constants}`, ready for any number of values.

    Raises ProtocolError(`internal`) for constants that External Term Format does not hold.
    """

    __slots__ = ("after", "before", "constants", "key")

    def __init__(self, key: Atom, constants: Constants) -> None:
        before = [map_head(1 + len(constants))]
        after: list[bytes] = []
        write(before.append, (key,))
        for pair in constants:
            write(after.append, pair)
        self.key = key
        self.constants = constants
        self.before, self.after = b"".join(before), b"".join(after)


class FilledMap(Laid):
    """The map of a template with its value."""

    __slots__ = ("_template", "_value")

    def __init__(self, template: MapTemplate, value: Any) -> None:
        self._template = template
        self._value = value

    def write(self, out: Callable[[bytes], object]) -> None:
        """As External Term Format."""
        out(self._template.before)
        write(out, (self._value,))
        out(self._template.after)

    def term(self) -> dict[Atom, Any]:
        """As an ordinary map, whose value may still be `Laid`."""
        return {self._template.key: self._value, **dict(self._template.constants)}
