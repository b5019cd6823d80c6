"""What commands find out, as data: tables and JSON are made of the same objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from port_worker.sources.columns import Id


@dataclass(frozen=True)
class RankedItem:
    """One place of a ranking; `name` and `kind` are None where the source has none."""

    id: Id
    score: float
    name: str | None
    kind: str | None


@dataclass(frozen=True)
class Recommendations:
    """`source` is `model`, or `popular` for a user whom the model does not know; `exhausted`: there were no more."""

    user: Id
    name: str | None
    source: str
    model: str
    exhausted: bool
    items: list[RankedItem]


@dataclass(frozen=True)
class SimilarItems:
    """The items nearest to one item."""

    item: Id
    name: str | None
    model: str
    items: list[RankedItem]


@dataclass(frozen=True)
class SeenItem:
    """An item that a user met: `how` is visit or favourite where the source tells; `time` in unix seconds."""

    id: Id
    name: str | None
    kind: str | None
    how: str | None
    weight: float
    time: int


@dataclass(frozen=True)
class Profile:
    """A user and what they met last, newest first."""

    user: Id
    name: str | None
    visits: list[SeenItem]


@dataclass(frozen=True)
class Person:
    """A user of the source."""

    id: Id
    name: str | None


@dataclass(frozen=True)
class Users:
    """Some users, the most active first."""

    users: list[Person]


@dataclass(frozen=True)
class Trained:
    """What `retrain` answered."""

    version: str
    algorithm: str
    rows: int
    users: int
    items: int
    duration_ms: int


@dataclass(frozen=True)
class Models:
    """The model versions, newest first, as the worker describes them."""

    active: str | None
    versions: list[dict[str, Any]]


@dataclass(frozen=True)
class Status:
    """What the worker says of itself."""

    status: dict[str, Any]


@dataclass(frozen=True)
class Pong:
    """The worker answered after so many milliseconds."""

    milliseconds: float


@dataclass(frozen=True)
class AlgorithmLine:
    """An algorithm and the names of its hyper-parameters; `extra` is the installation extra that it needs."""

    name: str
    extra: str
    parameters: list[str]


@dataclass(frozen=True)
class Algorithms:
    """Every algorithm that can be trained, and the one that `retrain` takes when none is named."""

    default: str
    algorithms: list[AlgorithmLine]


@dataclass(frozen=True)
class ParameterLine:
    """A hyper-parameter: its default and what it may be."""

    name: str
    default: Any
    expected: str


@dataclass(frozen=True)
class AlgorithmParameters:
    """The hyper-parameters of one algorithm."""

    algorithm: str
    parameters: list[ParameterLine]


@dataclass(frozen=True)
class Frame:
    """A frame on the pipe: `bytes` with its 4-byte length, `hex` its first bytes, `term` in Erlang syntax."""

    direction: str
    bytes: int
    hex: str
    term: str


@dataclass(frozen=True)
class Exchange:
    """The frame that was sent and those that came back."""

    frames: list[Frame]


@dataclass(frozen=True)
class CommandHelp:
    """How a command is written and what it does."""

    usage: str
    summary: str


@dataclass(frozen=True)
class Help:
    """The commands."""

    commands: list[CommandHelp] = field(default_factory=list)


@dataclass(frozen=True)
class Farewell:
    """The last result: the user is done."""


Result: TypeAlias = (
    Recommendations | SimilarItems | Profile | Users | Trained | Models | Status | Pong | Algorithms
    | AlgorithmParameters | Exchange | Help | Farewell
)  # fmt: skip
