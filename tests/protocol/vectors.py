"""The golden vectors of protocol/vectors, as that folder's README.md describes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "protocol" / "vectors"


@dataclass(frozen=True)
class Vector:
    """A line of terms.txt or messages.txt: `data` is a payload there, a whole frame here."""

    name: str
    kind: str
    data: bytes
    text: str

    @property
    def id(self) -> str:
        """What tells it from every other."""
        return f"{self.name} {self.kind}"


@dataclass(frozen=True)
class Refused:
    """A line of refused.txt. `offset` is None where two answers are right."""

    name: str
    offset: int | None
    data: bytes
    erlang: str


def _rows(name: str) -> list[list[str]]:
    lines = (FOLDER / name).read_text(encoding="ascii").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def _vectors(name: str) -> list[Vector]:
    return [Vector(vector, kind, bytes.fromhex(dump), text) for vector, kind, dump, text in _rows(name)]


TERMS = _vectors("terms.txt")
MESSAGES = _vectors("messages.txt")
REFUSED = [
    Refused(name, None if offset == "-" else int(offset), bytes.fromhex(dump), erlang)
    for name, offset, dump, erlang in _rows("refused.txt")
]
