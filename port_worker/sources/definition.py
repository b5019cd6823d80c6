"""What the configuration says of a source: where it is, what its tables and columns are called, what to learn of it.

Standard library only. A definition travels to the trainer as JSON; its location may hold a password, which `repr`,
errors, manifests and arguments never show: they have `shown_location`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from port_worker.sources.errors import Origin, SourceError

DEFAULT_NAME = "default"
DAY_S = 86_400
_FILES = ("sqlite", "csv", "parquet")

Isolation = Literal["repeatable read", "serializable"]
ISOLATIONS: tuple[Isolation, ...] = ("repeatable read", "serializable")


@dataclass(frozen=True)
class InteractionTable:
    """Names of a table or view of interactions, or of a file's columns; None is what the kind of source calls it."""

    table: str | None = None
    user: str | None = None
    item: str | None = None
    kind: str | None = None
    weight: str | None = None
    time: str | None = None
    key: tuple[str, ...] = ()
    """Columns that are unique together and never NULL, to read a database by; its primary key where there are none."""


@dataclass(frozen=True)
class ItemTable:
    """Names of a database's table or view of items. Only those whose column `public` is true are read."""

    table: str = "items"
    id: str = "id"
    kind: str = "kind"
    name: str = "name"
    public: str = "is_public"


@dataclass(frozen=True)
class UserTable:
    """Names of a database's table or view of users."""

    table: str = "users"
    id: str = "id"
    username: str = "username"
    name: str = "display_name"


@dataclass(frozen=True)
class SourceDefinition:
    """A source by its name in the configuration. Every value has been checked by whoever made it."""

    location: str = field(default="", repr=False)
    """`sqlite:PATH`, `csv:PATH`, `parquet:PATH`, `postgresql://...`, `cockroachdb://...`, or a path by its suffix."""

    name: str = DEFAULT_NAME

    location_variable: str | None = None
    """An environment variable that holds the location instead; it is read when the source is opened."""

    interactions: InteractionTable = InteractionTable()
    items: ItemTable = ItemTable()
    users: UserTable = UserTable()

    weights: Mapping[str, float] = field(default_factory=dict)
    """The weight of an interaction by its kind, instead of the column of weights. A kind that is not named makes its
    row malformed; one of weight 0 teaches nothing."""

    window_days: float | None = None
    """How old an interaction may be."""

    minimum_user_rows: int = 1
    minimum_item_rows: int = 1
    """How many interactions a user or an item needs, counted once, before any are left out."""

    malformed: float = 0.0
    """The share of rows that may be malformed: they are left out and counted. 0 refuses the first."""

    isolation: Isolation = "repeatable read"
    """Of the transaction that reads PostgreSQL."""

    page_rows: int = 50_000
    """How many rows of a database are asked for at a time."""

    connect_timeout_s: float = 10.0
    statement_timeout_s: float = 600.0

    @property
    def shown_location(self) -> str:
        """The location without what may be secret: of an address the scheme, user, host and path."""
        return f"${self.location_variable}" if self.location_variable else _without_secrets(self.location)

    @property
    def origin(self) -> Origin:
        """What errors call it."""
        return Origin(self.name, self.shown_location)

    def resolved(self, environ: Mapping[str, str] = os.environ) -> str:
        """The location itself. Raises SourceError `invalid_argument` for a variable that is not set."""
        if self.location_variable is None:
            return self.location
        if not environ.get(self.location_variable):
            expected = f"expected its location in the variable {self.location_variable}"
            message = f"source {self.name}: {expected}, found nothing"
            details = {"field": "source", "source": self.name, "variable": self.location_variable}
            raise SourceError("invalid_argument", message, details)
        return environ[self.location_variable]

    def earliest(self, now: float) -> float | None:
        """The time, in unix seconds, after which the window lets interactions be; None without a window."""
        return None if self.window_days is None else now - self.window_days * DAY_S

    def as_json(self) -> dict[str, Any]:
        """What `from_json` takes. The location is in it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> SourceDefinition:
        """The definition that `as_json` gave. Raises ValueError for anything else."""
        if not isinstance(document, dict) or not set(document) <= {each.name for each in fields(cls)}:
            raise ValueError("no definition of a source")
        try:
            interactions = dict(document["interactions"])
            tables = {
                "interactions": InteractionTable(**{**interactions, "key": tuple(interactions["key"])}),
                "items": ItemTable(**document["items"]),
                "users": UserTable(**document["users"]),
            }
            return cls(**{**document, **tables})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no definition of a source: {error}") from error


def _without_secrets(location: str) -> str:
    """A password that was not percent-encoded may have put its parts anywhere: then only the scheme is shown."""
    scheme, separator, _ = location.partition("://")
    if not separator:
        scheme, colon, rest = location.partition(":")
        secret = colon and "@" in rest and scheme.lower() not in _FILES
        return f"{scheme}:..." if secret else location
    try:
        parts = urlsplit(location)
        user, host, port = parts.username, parts.hostname, parts.port
    except ValueError:
        return f"{scheme}://..."
    if parts.netloc.count("@") > 1 or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return f"{scheme}://..."
    return f"{scheme}://{f'{user}@' if user else ''}{host or ''}{f':{port}' if port else ''}{parts.path}"
