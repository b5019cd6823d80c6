"""What commands find out, as data: tables and JSON are made of the same objects."""

from __future__ import annotations

from dataclasses import dataclass
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
    """Items for a user.

    source: what they are ranked by: `model`, `fold_in`, `features`, or `popular` where nothing is known of the user.
    exhausted: there were no more. scored: how many, from the first on, the model ranked itself.
    ignored: what of the call the model did not know, and went on without: `recent[3]`, `features.language`.
    """

    user: Id
    name: str | None
    source: str
    model: str
    exhausted: bool
    scored: int
    ignored: list[str]
    items: list[RankedItem]


@dataclass(frozen=True)
class UserRecommendations:
    """Items for one user of many; `items` are as many as there were."""

    user: Id
    name: str | None
    source: str
    items: list[RankedItem]


@dataclass(frozen=True)
class ManyRecommendations:
    """Up to `n` items for each of many users, in the order they were named in."""

    model: str
    n: int
    users: list[UserRecommendations]


@dataclass(frozen=True)
class SimilarItems:
    """The items nearest to one item; `exhausted`: there were no more."""

    item: Id
    name: str | None
    model: str
    metric: str
    exhausted: bool
    items: list[RankedItem]


@dataclass(frozen=True)
class ScoredItem:
    """An item and what a user's model gives it: None for an item that the model does not know."""

    id: Id
    score: float | None
    name: str | None
    kind: str | None


@dataclass(frozen=True)
class ItemScores:
    """The scores of some items for a user, in the order they were named in; `source` as in Recommendations."""

    user: Id
    name: str | None
    source: str
    model: str
    items: list[ScoredItem]


@dataclass(frozen=True)
class Reason:
    """One of the user's own items, and how much it speaks for another."""

    id: Id
    contribution: float
    name: str | None
    kind: str | None


@dataclass(frozen=True)
class Explanation:
    """Why an item has its score for a user: those of the user's own items that speak most for it.

    method: `exact` where contributions add up to the score, `similarity` where they are likenesses to the item.
    """

    user: Id
    name: str | None
    item: Id
    item_name: str | None
    score: float
    source: str
    model: str
    method: str
    items: list[Reason]


@dataclass(frozen=True)
class Fed:
    """An interaction that the worker keeps. `unknown_*`: 1 where the model does not know the user, or the item.

    stored: interactions that are kept now, this one among them.
    """

    user: Id
    name: str | None
    item: Id
    item_name: str | None
    weight: float
    accepted: int
    unknown_users: int
    unknown_items: int
    stored: int


@dataclass(frozen=True)
class NamedItem:
    """An item; `name` and `kind` are None where the source has none."""

    id: Id
    name: str | None
    kind: str | None


@dataclass(frozen=True)
class Visibility:
    """Items that were hidden, or shown again (`shown`).

    changed: how many were not so before. hidden: how many items are hidden now. unknown: how many of these the model
    does not know.
    """

    shown: bool
    changed: int
    hidden: int
    unknown: int
    items: list[NamedItem]


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
    """What `retrain` answered.

    activated: whether it answers now, or why not, says `reason`. evaluation: as SPEC.md has it; None where nothing was
    held out to measure by. skipped: malformed rows that were left out.
    """

    version: str
    algorithm: str
    mode: str
    rows: int
    users: int
    items: int
    duration_ms: int
    activated: bool
    reason: str
    evaluation: dict[str, Any] | None
    skipped: int


@dataclass(frozen=True)
class Switched:
    """The version that answers from now on, and the one that did before."""

    version: str
    algorithm: str
    previous: str | None


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
    """An algorithm and the names of its hyper-parameters.

    kind: `embedding`, `neighbourhood` or `network`. features: whose it learns from, of `user` and `item`.
    modes: from what a training of it may start: `full`, `incremental`, `warm`. extra: the installation extra that it
    needs.
    """

    name: str
    kind: str
    features: list[str]
    modes: list[str]
    extra: str
    parameters: list[str]


@dataclass(frozen=True)
class Algorithms:
    """Every algorithm that can be trained, and the one that `retrain` takes when none is named.

    Any of `retrievers` and any of `rankers` make two stages, written `RETRIEVER+RANKER`.
    """

    default: str
    retrievers: list[str]
    rankers: list[str]
    algorithms: list[AlgorithmLine]


@dataclass(frozen=True)
class ParameterLine:
    """A hyper-parameter: its default and what it may be."""

    name: str
    default: Any
    expected: str


@dataclass(frozen=True)
class AlgorithmParameters:
    """The hyper-parameters of one algorithm; `kind` and `features` as in AlgorithmLine."""

    algorithm: str
    kind: str
    features: list[str]
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
class OptionHelp:
    """How an option of a command is written and what it does."""

    usage: str
    summary: str


@dataclass(frozen=True)
class Help:
    """The commands; of one alone, its options too."""

    commands: list[CommandHelp]
    options: list[OptionHelp]


@dataclass(frozen=True)
class Farewell:
    """The last result: the user is done."""


Result: TypeAlias = (
    Recommendations | ManyRecommendations | SimilarItems | ItemScores | Explanation | Fed | Visibility | Profile | Users
    | Trained | Switched | Models | Status | Pong | Algorithms | AlgorithmParameters | Exchange | Help | Farewell
)  # fmt: skip
