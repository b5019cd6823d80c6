"""The arguments of each op: a frozen dataclass an op, whose fields are what may come, each with its reader.

`parse_arguments` finds what is unknown, missing and wrong, in this order. An op whose arguments depend on each other
says so in `missing` and `checked`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from protocol import readers
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.limits import Limits
from protocol.messages import Call
from protocol.readers import Id, Reader, disagreeing

if TYPE_CHECKING:
    from protocol.columns import Ids, Numbers

IdList: TypeAlias = "tuple[Id, ...] | Ids"
"""Ids one by one, or the array that a column of them is: (n,) int64, or 'S36' texts of UUIDs."""

_LIMITS = Limits()


def _read_by(read: Reader) -> dict[str, Any]:
    return {"read": read}


@dataclass(frozen=True)
class _OpArguments:
    """What the arguments of every op have in common."""

    @classmethod
    def missing(cls, given: Mapping[str, Any]) -> list[str]:
        """The arguments that `given`, terms by name, lacks."""
        return [name for name in _REQUIRED[cls] if name not in given]

    def checked(self) -> Arguments:
        """These, in their normal form. Raises ProtocolError(`invalid_argument`) when they do not go together."""
        return cast("Arguments", self)


@dataclass(frozen=True)
class NoArguments(_OpArguments):
    """`ping`, `status`, `models`, `rollback` and `drain`."""


FORMS = ("pairs", "columns")
"""How a reply gives ids and scores: a list of tuples, or two columns."""

METRICS = ("cosine", "dot")
"""What makes two items similar: the angle between their vectors, or their product."""

_identifier = _read_by(readers.identifier)
_count = _read_by(readers.count)
_excluded = _read_by(readers.identifiers("max_exclude", least=0))
_kinds = _read_by(readers.optional(readers.kinds))
_boolean = _read_by(readers.boolean)
_form = _read_by(readers.choice(*FORMS))


@dataclass(frozen=True)
class Recommend(_OpArguments):
    """Whom to recommend to, how many items, which items not, and how the reply gives them.

    Args:
        kinds: names of kinds, of which the items are; None is of any.
        filter_consumed: whether what the user had already stays away.
        diversity: 0.0 (by score alone) to 1.0 (as different from each other as can be).
        recent: item ids, oldest first, in place of what is known of the user's history.
        features: of a user whom the model does not know, by name.
    """

    user: Id = field(metadata=_identifier)
    n: int = field(default=10, metadata=_count)
    exclude: IdList = field(default=(), metadata=_excluded)
    form: Atom = field(default=Atom("pairs"), metadata=_form)
    kinds: tuple[str, ...] | None = field(default=None, metadata=_kinds)
    filter_consumed: bool = field(default=True, metadata=_boolean)
    diversity: float = field(default=0.0, metadata=_read_by(readers.fraction))
    recent: IdList | None = field(default=None, metadata=_read_by(readers.optional(readers.identifiers("max_recent"))))
    features: dict[str, str | int | float | bool] | None = field(
        default=None, metadata=_read_by(readers.optional(readers.features))
    )


@dataclass(frozen=True)
class RecommendMany(_OpArguments):
    """As `Recommend`, for many users at a time: `exclude`, `kinds` and `filter_consumed` hold for each of them."""

    users: IdList = field(metadata=_read_by(readers.identifiers("max_users")))
    n: int = field(default=10, metadata=_count)
    exclude: IdList = field(default=(), metadata=_excluded)
    kinds: tuple[str, ...] | None = field(default=None, metadata=_kinds)
    filter_consumed: bool = field(default=True, metadata=_boolean)


@dataclass(frozen=True)
class Similar(_OpArguments):
    """Which item the others are to resemble, and by what measure."""

    item: Id = field(metadata=_identifier)
    n: int = field(default=10, metadata=_count)
    metric: Atom = field(default=Atom("cosine"), metadata=_read_by(readers.choice(*METRICS)))
    kinds: tuple[str, ...] | None = field(default=None, metadata=_kinds)
    exclude: IdList = field(default=(), metadata=_excluded)
    form: Atom = field(default=Atom("pairs"), metadata=_form)


@dataclass(frozen=True)
class Score(_OpArguments):
    """Which items to score for a user; an id may be there twice."""

    user: Id = field(metadata=_identifier)
    items: IdList = field(metadata=_read_by(readers.identifiers("max_items")))
    form: Atom = field(default=Atom("pairs"), metadata=_form)


@dataclass(frozen=True)
class Explain(_OpArguments):
    """Which of the user's items speak for this one; the `n` that do most."""

    user: Id = field(metadata=_identifier)
    item: Id = field(metadata=_identifier)
    n: int = field(default=5, metadata=_count)


@dataclass(frozen=True, eq=False)
class Feedback:
    """Interactions to take in, all columns of one length; a single one is a batch of one.

    Args:
        users: who; at least one.
        items: what they met.
        weights: how much each counts: floats or float32. None: 1.0 each. 0 or below: met, but not liked.
        times: Unix times in seconds: ints or int64. None: now.
    """

    users: IdList
    items: IdList
    weights: tuple[float, ...] | Numbers | None = None
    times: tuple[int, ...] | Numbers | None = None

    def __len__(self) -> int:
        return len(self.users)


_many = _read_by(readers.optional(readers.identifiers("max_feedback")))
_one = _read_by(readers.optional(readers.identifier))


@dataclass(frozen=True)
class FeedbackArguments(_OpArguments):
    """`feedback` as it comes: one interaction, or a batch. `checked` makes it a `Feedback`."""

    user: Id | None = field(default=None, metadata=_one)
    item: Id | None = field(default=None, metadata=_one)
    weight: float | None = field(default=None, metadata=_read_by(readers.optional(readers.weight)))
    time: int | None = field(default=None, metadata=_read_by(readers.optional(readers.unix_time)))
    users: IdList | None = field(default=None, metadata=_many)
    items: IdList | None = field(default=None, metadata=_many)
    weights: tuple[float, ...] | Numbers | None = field(
        default=None, metadata=_read_by(readers.optional(readers.weights))
    )
    times: tuple[int, ...] | Numbers | None = field(
        default=None, metadata=_read_by(readers.optional(readers.unix_times))
    )

    @classmethod
    def missing(cls, given: Mapping[str, Any]) -> list[str]:
        """Both of `user` and `item`, or both of `users` and `items`; of neither it is `user` that is said."""
        batch = given.get("users") is not None or given.get("items") is not None
        return [name for name in (_BATCH if batch else _SINGLE)[:2] if given.get(name) is None]

    def checked(self) -> Feedback:
        """The batch that it is."""
        if self.users is None or self.items is None:
            self._refuse_others(_BATCH, "user and item")
            assert self.user is not None
            assert self.item is not None
            weights = None if self.weight is None else (self.weight,)
            times = None if self.time is None else (self.time,)
            return Feedback((self.user,), (self.item,), weights, times)
        self._refuse_others(_SINGLE, "users and items")
        for name in _BATCH[1:]:
            column = getattr(self, name)
            if column is not None and len(column) != len(self.users):
                raise disagreeing(name, f"{len(self.users)} elements, as many as users", f"{len(column)} elements")
        return Feedback(self.users, self.items, self.weights, self.times)

    def _refuse_others(self, names: tuple[str, ...], beside: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise disagreeing(name, f"none beside {beside}", "one")


_SINGLE = ("user", "item", "weight", "time")
_BATCH = ("users", "items", "weights", "times")


@dataclass(frozen=True)
class HideItems(_OpArguments):
    """Items that must not be recommended any more."""

    items: IdList = field(metadata=_read_by(readers.identifiers("max_exclude")))


@dataclass(frozen=True)
class ShowItems(_OpArguments):
    """Items that may be recommended again."""

    items: IdList = field(metadata=_read_by(readers.identifiers("max_exclude")))


MODES = ("full", "incremental", "warm")
"""From what a model is trained: from nothing, from a model and what is newer than it, or from a model and all data."""

ACTIVATIONS = ("gated", "force", "never")
"""Whether a trained model is to answer: if it is good enough, in any case, or not yet."""

_text = _read_by(readers.optional(readers.text))
_hyperparameters = _read_by(readers.hyperparameters)


@dataclass(frozen=True)
class Retrain(_OpArguments):
    """What to train: one algorithm, or a retriever whose candidates a ranker orders.

    None of the three is the worker's default. Hyper-parameters are checked by the trainer; `params` are the ranker's
    where there is one. `candidates`: how many items the retriever gives to the ranker.

    source: a name of the worker's configuration, None is its default. epochs, seed: in place of the hyper-parameters
    `n_epochs` and `seed` of each algorithm. budget_s: seconds after which no further epoch begins.
    """

    algorithm: str | None = field(default=None, metadata=_text)
    params: dict[str, Any] = field(default_factory=dict, metadata=_hyperparameters)
    retriever: str | None = field(default=None, metadata=_text)
    ranker: str | None = field(default=None, metadata=_text)
    retriever_params: dict[str, Any] = field(default_factory=dict, metadata=_hyperparameters)
    candidates: int = field(default=500, metadata=_count)
    source: str | None = field(default=None, metadata=_text)
    mode: Atom = field(default=Atom("full"), metadata=_read_by(readers.choice(*MODES)))
    epochs: int | None = field(default=None, metadata=_read_by(readers.optional(readers.integer(1, 10_000))))
    seed: int | None = field(default=None, metadata=_read_by(readers.optional(readers.integer(0, 2**31 - 1))))
    budget_s: float | None = field(default=None, metadata=_read_by(readers.optional(readers.seconds)))
    activate: Atom = field(default=Atom("gated"), metadata=_read_by(readers.choice(*ACTIVATIONS)))

    @classmethod
    def missing(cls, given: Mapping[str, Any]) -> list[str]:
        """The other one of `retriever` and `ranker`, where there is one of them."""
        pair = [name for name in ("retriever", "ranker") if given.get(name) is None]
        return pair if len(pair) == 1 else []

    def checked(self) -> Retrain:
        """The same: what is for two models comes with two, and then there is no single one."""
        if self.retriever is not None and self.algorithm is not None:
            raise disagreeing("algorithm", "none beside retriever and ranker", self.algorithm)
        if self.retriever is None and self.retriever_params:
            raise disagreeing("retriever_params", "none without a retriever", "some")
        if self.retriever is None and self.candidates != Retrain.candidates:
            raise disagreeing("candidates", "none without a retriever", str(self.candidates))
        return self


@dataclass(frozen=True)
class Activate(_OpArguments):
    """Which stored version answers from now on."""

    version: str = field(metadata=_read_by(readers.text))


Arguments: TypeAlias = (
    NoArguments | Recommend | RecommendMany | Similar | Score | Explain | Feedback | HideItems | ShowItems | Retrain
    | Activate
)  # fmt: skip

ARGUMENTS: Mapping[str, type[_OpArguments]] = {
    "ping": NoArguments,
    "status": NoArguments,
    "recommend": Recommend,
    "recommend_many": RecommendMany,
    "similar": Similar,
    "score": Score,
    "explain": Explain,
    "feedback": FeedbackArguments,
    "hide_items": HideItems,
    "show_items": ShowItems,
    "retrain": Retrain,
    "models": NoArguments,
    "activate": Activate,
    "rollback": NoArguments,
    "drain": NoArguments,
}
"""Op to what may come with it."""


_READERS: Mapping[str, Mapping[str, Reader]] = {
    op: {known.name: known.metadata["read"] for known in dataclasses.fields(kind)} for op, kind in ARGUMENTS.items()
}

_REQUIRED: Mapping[type, tuple[str, ...]] = {
    kind: tuple(
        known.name
        for known in dataclasses.fields(kind)
        if known.default is dataclasses.MISSING and known.default_factory is dataclasses.MISSING
    )
    for kind in ARGUMENTS.values()
}


def parse_arguments(call: Call, limits: Limits = _LIMITS) -> Arguments:
    """Check a call's arguments. Raises ProtocolError: `unknown_argument`, `missing_argument`, `invalid_argument`."""
    known, given = _READERS[call.op], call.args
    if not given.keys() <= known.keys():
        raise _unknown(call.op, next(name for name in given if name not in known), list(known))
    kind = ARGUMENTS[call.op]
    missing = kind.missing(given)
    if missing:
        message = f"{call.op}: expected the argument {missing[0]}, got none of that name"
        raise ProtocolError("missing_argument", message, {"op": call.op, "field": missing[0]})
    return kind(**{name: known[name](name, term, limits) for name, term in given.items()}).checked()


def _unknown(op: str, name: str, known: list[str]) -> ProtocolError:
    return ProtocolError(
        "unknown_argument",
        f"{op}: expected {', '.join(known) or 'no arguments'}, got {name}",
        {"op": op, "field": name, "known": known},
    )
