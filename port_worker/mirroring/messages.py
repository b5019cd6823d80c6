"""What the worker and its mirror tell each other: one JSON object a line. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Setup:
    """The first line: which store, its cache, how many versions it keeps, and seconds between two looks (0: never)."""

    url: str
    cache: str
    keep: int
    seconds: float


@dataclass(frozen=True)
class Look:
    """Take over what was activated elsewhere."""

    number: int


@dataclass(frozen=True)
class Pull:
    """Have a version in the cache."""

    number: int
    version: str


@dataclass(frozen=True)
class Publish:
    """Have a history's last version active in the store, now or later."""

    number: int
    history: list[str]


@dataclass(frozen=True)
class Outcome:
    """What became of the request of that number; `code` is None where it was done."""

    number: int
    code: str | None = None
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)


Request: TypeAlias = Look | Pull | Publish

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Setup, Look, Pull, Publish, Outcome)}


def encode(message: Setup | Request | Outcome) -> bytes:
    """The line, its newline included."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}).encode() + b"\n"


def decode(line: bytes) -> Setup | Request | Outcome:
    """The message that `encode` wrote. Raises ValueError for anything else."""
    document = json.loads(line)
    if not isinstance(document, dict) or document.get("kind") not in _KINDS:
        raise ValueError("no message of a mirror")
    try:
        message: Setup | Request | Outcome = _KINDS[document.pop("kind")](**document)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return message
