"""What every source offers, and the cards it describes users and items with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from port_worker.sources.columns import Id, IdArray, Interactions
from port_worker.sources.features import FeatureTable, Kinds

Progress = Callable[[int], None]  # called with the number of rows read so far


@dataclass(frozen=True)
class ItemCard:
    """An item as a person knows it. A file of interactions has neither names nor kinds: both are None."""

    id: Id
    name: str | None = None
    kind: str | None = None


@dataclass(frozen=True)
class UserCard:
    """A user as a person knows them; `name` is None where the source has none."""

    id: Id
    name: str | None = None


@dataclass(frozen=True)
class Visit:
    """One interaction of a user: `kind` is None where the source does not tell kinds apart; `time` in unix seconds."""

    item: Id
    kind: str | None
    weight: float
    time: int


class Source(Protocol):
    """Interactions to learn from, and names to show. Opening one does no I/O; every method may raise SourceError."""

    @property
    def name(self) -> str:
        """What to call the source in a sentence: its file's or its database's name."""

    @property
    def spec(self) -> str:
        """The specification that opens it again, from any working directory: `sqlite:/home/ada/world.sqlite`.

        Of a database it lacks what may be secret, and is for people only.
        """

    def interactions(self, progress: Progress | None = None, since: float | None = None) -> Interactions:
        """The interactions with public items that the definition selects, at least one, in the source's own order.

        With `since`, in unix seconds, only newer ones; minimum counts are not asked of them then, because what they
        add to is not among them.
        """

    def items(self, ids: Iterable[Id]) -> dict[Id, ItemCard]:
        """The cards of those of `ids` that the source knows; of all, without a name, where it keeps no names."""

    def users(self, ids: Iterable[Id]) -> dict[Id, UserCard]:
        """The cards of those of `ids` that the source knows; of all, without a name, where it keeps no names."""

    def item_kinds(self, ids: IdArray) -> Kinds:
        """The kinds of the items `ids`, in their order."""

    def item_features(self, ids: IdArray) -> FeatureTable | None:
        """What is known of the items `ids`, a row for each in their order; None where the source has no features."""

    def user_features(self, ids: IdArray) -> FeatureTable | None:
        """What is known of the users `ids`, as `item_features` of items."""

    def history(self, user: Id, limit: int) -> list[Visit]:
        """The newest `limit` interactions of a user with public items, newest first; empty for an unknown user."""

    def sample_users(self, count: int) -> list[UserCard]:
        """`count` users, or all if there are fewer: the most active first, ties by id."""

    def find_users(self, prefix: str, limit: int) -> list[UserCard]:
        """Up to `limit` users whose id or name starts with `prefix`, ordered by name, then id."""

    def resolve_user(self, text: str) -> Id:
        """The id that typed text means: of the user with that id or name, else the text in the source's id type."""

    def resolve_item(self, text: str) -> Id:
        """The id that typed text means, as `resolve_user` does."""
