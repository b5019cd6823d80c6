"""The commands that tell the worker something: what a user met, what not to show, what to learn and to serve."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from port_worker.repl import arguments
from port_worker.repl.cards import item_cards, user_card
from port_worker.repl.results import Fed, NamedItem, Switched, Trained, Visibility
from port_worker.repl.session import Session
from port_worker.repl.training import canonical

_WEIGHT = 1.0
"""The worker's own default."""


def feedback(session: Session, words: list[str]) -> Fed:
    """A user has met an item; what it weighs is 1 unless said, and 0 or below where they did not like it."""
    words = arguments.required(words, "USER ITEM", 3)
    weight = arguments.number(words[2], "weight") if len(words) > 2 else _WEIGHT
    source = session.world.source
    user, item = source.resolve_user(words[0]), source.resolve_item(words[1])
    reply = session.call("feedback", {"user": user, "item": item, "weight": weight})
    counts = (reply[key] for key in ("accepted", "unknown_users", "unknown_items", "stored"))
    named = item_cards(session, [item])[item].name
    return Fed(user, user_card(session, user).name, item, named, weight, *counts)


def hide(session: Session, words: list[str]) -> Visibility:
    """Items that are not to be recommended any more."""
    return _visibility(session, words, "hide_items")


def show(session: Session, words: list[str]) -> Visibility:
    """Items that may be recommended again."""
    return _visibility(session, words, "show_items")


def _visibility(session: Session, words: list[str], op: str) -> Visibility:
    items = [session.world.source.resolve_item(word) for word in arguments.required(words, "ITEM")]
    reply = session.call(op, {"items": items})
    cards = item_cards(session, items).values()
    named = [NamedItem(card.id, card.name, card.kind) for card in cards]
    return Visibility(op == "show_items", reply["changed"], reply["hidden"], reply["unknown"], named)


def retrain(session: Session, words: list[str]) -> Trained:
    """Train a model, which then answers if it is good enough."""
    named = bool(words) and "=" not in words[0]
    algorithm = canonical(words[0]) if named else session.algorithm
    params = arguments.parameters(words[1:] if named else words)
    reply = session.retrain(algorithm, params)
    return Trained(**{field.name: reply[field.name] for field in fields(Trained)})


def activate(session: Session, words: list[str]) -> Switched:
    """Have a stored version answer."""
    [version] = arguments.required(words, "VERSION", 1)
    return _switched(session.call("activate", {"version": version}))


def rollback(session: Session, words: list[str]) -> Switched:
    """Have the version answer that did before."""
    arguments.limited(words, 0)
    return _switched(session.call("rollback"))


def _switched(reply: dict[str, Any]) -> Switched:
    return Switched(reply["version"], reply["algorithm"], reply["previous"])
