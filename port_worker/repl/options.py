"""What may follow a command as `name=value`, and what it means in the call. Ranges are for the worker to judge."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeAlias

from port_worker.repl import arguments
from port_worker.repl.arguments import UsageError
from port_worker.repl.errors import CommandError
from port_worker.repl.training import OF_THE_CALL
from port_worker.sources.base import Source
from port_worker.sources.columns import Id
from protocol.atoms import Atom

Reader: TypeAlias = Callable[[Source, str, str], object]
"""Takes the source, the option's name and its text. Raises CommandError `invalid_argument`."""


def chosen(source: Source, words: Iterable[str], names: Collection[str]) -> dict[str, object]:
    """The options among `names` that the words give, each as the call takes it.

    Raises UsageError for a word that is none of them, CommandError for a value of another type.
    """
    found: dict[str, object] = {}
    for name, text in arguments.pairs(words).items():
        if name not in names:
            raise UsageError(f"there is no option {name[:80]!r}; there are {', '.join(names)}")
        found[name] = _READERS[name](source, name, text)
    return found


def divided(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The words without `=`, and those that are options."""
    plain: list[str] = []
    options: list[str] = []
    for word in words:
        (options if "=" in word else plain).append(word)
    return plain, options


def items(source: Source, _name: str, text: str) -> list[Id]:
    """Items by id or name, between commas."""
    return [source.resolve_item(part) for part in _parts(text)]


def _names(_source: Source, _name: str, text: str) -> list[str]:
    return _parts(text)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _integer(_source: Source, name: str, text: str) -> int:
    return arguments.integer(text, name)


def _number(_source: Source, name: str, text: str) -> float:
    return arguments.number(text, name)


def _boolean(_source: Source, name: str, text: str) -> bool:
    value = arguments.value(text)
    if not isinstance(value, bool):
        raise _refused(name, "true or false", text)
    return value


def _atom(_source: Source, _name: str, text: str) -> Atom:
    return Atom(text)


def _features(_source: Source, name: str, text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for part in _parts(text):
        feature, colon, value = part.partition(":")
        if not colon or not feature:
            raise _refused(name, "name:value, with commas between", part)
        found[feature] = _feature(value)
    return found


def _feature(text: str) -> object:
    """A number, true or false, or else text; what is in quotes is text whatever it looks like."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    value = arguments.value(text)
    return text if value is None else value


def _refused(name: str, expected: str, text: str) -> CommandError:
    got = text[:80]
    message = f"{name}: expected {expected}, got {got!r}"
    return CommandError("invalid_argument", message, {"argument": name, "expected": expected, "got": got})


_READERS: Mapping[str, Reader] = {
    "n": _integer,
    "sample": _integer,
    "kinds": _names,
    "exclude": items,
    "recent": items,
    "filter_consumed": _boolean,
    "diversity": _number,
    "features": _features,
    "metric": _atom,
}

RECOMMEND = ("kinds", "diversity", "recent", "exclude", "features", "filter_consumed")
MANY = ("n", "sample", "kinds", "exclude", "filter_consumed")
SIMILAR = ("metric", "kinds", "exclude")
RETRAIN = OF_THE_CALL

DESCRIBED: Mapping[str, tuple[str, str]] = {
    "n": ("n=N", "how many items each; 10 where it is not said"),
    "sample": ("sample=K", "for the K most active users, instead of users that are named"),
    "kinds": ("kinds=KIND,...", "only items of these kinds"),
    "exclude": ("exclude=ITEM,...", "without these items"),
    "recent": ("recent=ITEM,...", "as if the user had met these items, oldest first, and nothing else"),
    "filter_consumed": ("filter_consumed=false", "also what the user has met"),
    "diversity": ("diversity=D", "from 0, by score alone, to 1, as unlike each other as can be"),
    "features": ("features=NAME:VALUE,...", "what is known of a user who is new, such as platform:mobile"),
    "metric": ("metric=dot", "by the product of the vectors; else by the cosine"),
    "mode": ("mode=full", "from nothing; warm: from the active model; incremental: that, and only what is newer"),
    "activate": ("activate=gated", "to answer if it is good enough; force: in any case; never: it is only stored"),
    "source": ("source=NAME", "which of the sources that the worker's configuration names"),
    "epochs": ("epochs=N", "in place of n_epochs, of each of two stages"),
    "seed": ("seed=N", "the same seed gives the same model, of most algorithms; of each of two stages"),
    "budget_s": ("budget_s=SECONDS", "about how long it may take: as many epochs as fit in, at least one"),
}
"""How each option is written, and what it does."""

OF_ITEMS = frozenset(name for name, read in _READERS.items() if read is items)
"""Options whose values are items."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "metric": ("cosine", "dot"),
    "filter_consumed": ("true", "false"),
    "mode": ("full", "warm", "incremental"),
    "activate": ("gated", "force", "never"),
}
"""What an option may be, where that is a few words."""
