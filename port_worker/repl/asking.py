"""The commands that a model answers: whom to recommend what, what is alike, and why."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from port_worker.repl import arguments, options
from port_worker.repl.arguments import UsageError
from port_worker.repl.cards import item_cards, named, ranking, user_card
from port_worker.repl.results import (
    Explanation,
    ItemScores,
    ManyRecommendations,
    Reason,
    Recommendations,
    ScoredItem,
    SimilarItems,
    UserRecommendations,
)
from port_worker.repl.session import Session
from port_worker.sources.columns import Id
from protocol.columns import read_ids

_MANY_SECONDS = 600.0
"""How long `many` may take, which scores every item for each of up to 100,000 users."""


def recommend(session: Session, words: list[str]) -> Recommendations:
    """Items for a user. The worker judges N and the options, so that its own error is seen."""
    who, args = _subject(session, words, "USER", options.RECOMMEND)
    user = session.world.source.resolve_user(who)
    session.need_model()
    reply = session.call("recommend", {"user": user, **args})
    return Recommendations(
        user,
        user_card(session, user).name,
        reply["source"],
        reply["model"],
        reply["exhausted"],
        reply["scored"],
        reply["ignored"],
        ranking(session, reply["items"]),
    )


def similar(session: Session, words: list[str]) -> SimilarItems:
    """Items near an item."""
    which, args = _subject(session, words, "ITEM", options.SIMILAR)
    item = session.world.source.resolve_item(which)
    session.need_model()
    reply = session.call("similar", {"item": item, **args})
    name = item_cards(session, [item])[item].name
    return SimilarItems(
        item, name, reply["model"], reply["metric"], reply["exhausted"], ranking(session, reply["items"])
    )


def _subject(session: Session, words: list[str], name: str, known: tuple[str, ...]) -> tuple[str, dict[str, object]]:
    """The word for whom or what the call is, which may have any characters, and the call's arguments behind it."""
    words = arguments.required(words, name)
    rest, given = options.divided(words[1:])
    arguments.limited(rest, 1)
    counted: dict[str, object] = {"n": arguments.integer(rest[0], "n")} if rest else {}
    return words[0], counted | options.chosen(session.world.source, given, known)


def many(session: Session, words: list[str]) -> ManyRecommendations:
    """Items for many users at a time: those that are named, or `sample` users of the source."""
    who, given = options.divided(words)
    args = options.chosen(session.world.source, given, options.MANY)
    sample = args.pop("sample", None)
    users = _named(session, who) if sample is None else _sampled(session, who, cast("int", sample))
    session.need_model()
    reply = session.call("recommend_many", {"users": users, **args}, timeout=_MANY_SECONDS)
    return ManyRecommendations(reply["model"], reply["n"], _rows(session, users, reply))


def _named(session: Session, who: list[str]) -> list[Id]:
    return [session.world.source.resolve_user(word) for word in arguments.required(who, "USER")]


def _sampled(session: Session, who: list[str], count: int) -> list[Id]:
    if who:
        raise UsageError(f"expected users or sample=K, got {who[0][:80]!r} beside sample={count}")
    arguments.within(count, "sample", arguments.MOST_SHOWN)
    return [card.id for card in session.world.source.sample_users(count)]


def _rows(session: Session, users: list[Id], reply: dict[str, Any]) -> list[UserRecommendations]:
    ids = _ids(reply["ids"])
    cards = item_cards(session, ids)
    people = session.world.source.users(users)
    items = np.frombuffer(reply["items"][1], "<i4").reshape(len(users), reply["n"]).tolist()
    scores = np.frombuffer(reply["scores"][1], "<f4").reshape(len(users), reply["n"]).tolist()
    rows = []
    for user, places, weighed, source in zip(users, items, scores, reply["sources"][1], strict=True):
        pairs = [(ids[place], score) for place, score in zip(places, weighed, strict=True) if place >= 0]
        name = people[user].name if user in people else None
        rows.append(UserRecommendations(user, name, reply["source_names"][source], named(pairs, cards)))
    return rows


def _ids(column: Any) -> list[Id]:
    """The ids of a column, or of a list of texts."""
    if not isinstance(column, tuple):
        return list(column)
    ids = read_ids(*column)
    return [text.decode() for text in ids.tolist()] if ids.dtype.kind == "S" else ids.tolist()


def score(session: Session, words: list[str]) -> ItemScores:
    """What some items are worth to a user."""
    words = arguments.required(words, "USER ITEM")
    source = session.world.source
    user, items = source.resolve_user(words[0]), [source.resolve_item(word) for word in words[1:]]
    session.need_model()
    reply = session.call("score", {"user": user, "items": items})
    cards = item_cards(session, items)
    scored = [
        ScoredItem(item, value, cards[item].name, cards[item].kind)
        for item, value in zip(items, reply["scores"], strict=True)
    ]
    return ItemScores(user, user_card(session, user).name, reply["source"], reply["model"], scored)


def explain(session: Session, words: list[str]) -> Explanation:
    """Which of a user's own items speak most for an item."""
    words = arguments.required(words, "USER ITEM", 3)
    args = {"n": arguments.integer(words[2], "n")} if len(words) > 2 else {}
    source = session.world.source
    user, item = source.resolve_user(words[0]), source.resolve_item(words[1])
    session.need_model()
    reply = session.call("explain", {"user": user, "item": item, **args})
    cards = item_cards(session, [item, *(own for own, _ in reply["items"])])
    reasons = [Reason(own, part, cards[own].name, cards[own].kind) for own, part in reply["items"]]
    facts = {key: reply[key] for key in ("score", "source", "model", "method")}
    name, item_name = user_card(session, user).name, cards[item].name
    return Explanation(user=user, name=name, item=item, item_name=item_name, **facts, items=reasons)
