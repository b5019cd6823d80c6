"""Names and kinds for the ids that a worker answers with, as the source knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from port_worker.repl.results import RankedItem
from port_worker.repl.session import Session
from port_worker.sources.base import ItemCard, UserCard
from port_worker.sources.columns import Id


def user_card(session: Session, user: Id) -> UserCard:
    """The card of a user; one without a name where the source knows nothing of them."""
    return session.world.source.users([user]).get(user, UserCard(user))


def item_cards(session: Session, items: Iterable[Id]) -> dict[Id, ItemCard]:
    """The cards of these items, without a name where the source knows nothing of one. The prompt offers others."""
    wanted = dict.fromkeys(items)
    found = session.world.source.items(wanted)
    session.remember(found.values())
    return {item: found.get(item, ItemCard(item)) for item in wanted}


def ranking(session: Session, pairs: Sequence[tuple[Id, float]]) -> list[RankedItem]:
    """A worker's pairs of item and score."""
    return named(pairs, item_cards(session, [item for item, _ in pairs]))


def named(pairs: Iterable[tuple[Id, float]], cards: Mapping[Id, ItemCard]) -> list[RankedItem]:
    """The same, with cards that are at hand."""
    return [RankedItem(item, score, cards[item].name, cards[item].kind) for item, score in pairs]
