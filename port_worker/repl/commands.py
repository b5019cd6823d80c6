"""One function per command: words in, result out. Failures are the exceptions of `errors.EXPECTED`, or UsageError."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from port_worker.repl import arguments
from port_worker.repl.errors import CommandError
from port_worker.repl.results import (
    AlgorithmLine,
    AlgorithmParameters,
    Algorithms,
    Exchange,
    Farewell,
    Frame,
    Models,
    ParameterLine,
    Person,
    Pong,
    Profile,
    RankedItem,
    Recommendations,
    SeenItem,
    SimilarItems,
    Status,
    Trained,
    Users,
)
from port_worker.repl.session import Session
from port_worker.sources.base import ItemCard, UserCard
from port_worker.sources.columns import Id
from port_worker.training.catalogue import ALGORITHMS
from protocol.codec import Decode
from protocol.errors import ProtocolError

_VISITS_SHOWN = 20
_USERS_SHOWN = 10
_MOST_SHOWN = 10_000
_HEX_BYTES = 24


def recommend(session: Session, words: list[str]) -> Recommendations:
    """Items for a user. The worker judges N, so that its own error is seen."""
    words = arguments.required(words, "USER", 2)
    args: dict[str, object] = {"n": arguments.integer(words[1], "n")} if len(words) > 1 else {}
    source = session.world.source
    user = source.resolve_user(words[0])
    session.need_model()
    reply = session.call("recommend", {"user": user, **args})
    card = source.users([user]).get(user, UserCard(user))
    ranking = _ranking(session, reply["items"])
    return Recommendations(user, card.name, reply["source"], reply["model"], reply["exhausted"], ranking)


def similar(session: Session, words: list[str]) -> SimilarItems:
    """Items near an item, if this worker serves that."""
    words = arguments.required(words, "ITEM", 2)
    args: dict[str, object] = {"n": arguments.integer(words[1], "n")} if len(words) > 1 else {}
    ops = session.worker().hello["ops"]
    if "similar" not in ops:
        message = f"this worker does not serve `similar`; it serves {', '.join(ops)}"
        raise CommandError("unknown_op", message, {"op": "similar", "known": list(ops)})
    item = session.world.source.resolve_item(words[0])
    session.need_model()
    reply = session.call("similar", {"item": item, **args})
    card = session.world.source.items([item]).get(item, ItemCard(item))
    return SimilarItems(item, card.name, reply["model"], _ranking(session, reply["items"]))


def user(session: Session, words: list[str]) -> Profile:
    """Who a user is and what they met last."""
    words = arguments.required(words, "USER", 2)
    shown = arguments.count(words, 1, _VISITS_SHOWN, _MOST_SHOWN)
    source = session.world.source
    who = source.resolve_user(words[0])
    visits = source.history(who, shown)
    card = source.users([who]).get(who)
    if card is None or (card.name is None and not visits):
        raise CommandError("unknown_user", f"{source.name} has no user {words[0]!r}", {"user": words[0]})
    cards = source.items({visit.item for visit in visits})
    seen = []
    for visit in visits:
        item = cards.get(visit.item, ItemCard(visit.item))
        seen.append(SeenItem(item.id, item.name, item.kind, visit.kind, visit.weight, visit.time))
    _remember(session, seen)
    return Profile(who, card.name, seen)


def users(session: Session, words: list[str]) -> Users:
    """Some users to try things with."""
    shown = arguments.count(arguments.limited(words, 1), 0, _USERS_SHOWN, _MOST_SHOWN)
    return Users([Person(card.id, card.name) for card in session.world.source.sample_users(shown)])


def retrain(session: Session, words: list[str]) -> Trained:
    """Train a model, which then answers."""
    named = bool(words) and "=" not in words[0]
    algorithm = canonical(words[0]) if named else session.algorithm
    params = arguments.parameters(words[1:] if named else words)
    reply = session.retrain(algorithm, params)
    counts = (reply[key] for key in ("rows", "users", "items", "duration_ms"))
    return Trained(reply["version"], reply["algorithm"], *counts)


def models(session: Session, words: list[str]) -> Models:
    """The model versions."""
    arguments.limited(words, 0)
    reply = session.call("models")
    return Models(reply["active"], reply["versions"])


def status(session: Session, words: list[str]) -> Status:
    """What the worker says of itself."""
    arguments.limited(words, 0)
    return Status(session.call("status"))


def ping(session: Session, words: list[str]) -> Pong:
    """How long one call takes, there and back."""
    arguments.limited(words, 0)
    session.worker()
    began = time.perf_counter()
    session.call("ping")
    return Pong(round((time.perf_counter() - began) * 1000, 3))


def algorithms(session: Session, words: list[str]) -> Algorithms | AlgorithmParameters:
    """The algorithms, or the hyper-parameters of one."""
    if not arguments.limited(words, 1):
        lines = [
            AlgorithmLine(one.name, "graph" if one.needs_graph else "train", [each.name for each in one.parameters])
            for one in ALGORITHMS.values()
        ]
        return Algorithms(session.algorithm, lines)
    chosen = ALGORITHMS[known(words[0])]
    lines_of_one = [ParameterLine(each.name, each.default, each.expected) for each in chosen.parameters]
    return AlgorithmParameters(chosen.name, lines_of_one)


def raw(session: Session, words: list[str]) -> Exchange:
    """Send a term of the user's own, and show both sides of the wire. `words` is the rest of the line, unsplit."""
    if not words:
        raise arguments.UsageError("TERM is missing; for example {call, 1, ping, #{}, infinity}")
    from protocol.erlang_syntax import parse_text

    term = parse_text(words[0])
    try:
        payload = session.codec.encode(term, any_atom=True)  # what is wrong with the term is the worker's to say
    except ProtocolError as error:
        raise CommandError("invalid_argument", error.message) from None
    heard = session.exchange(payload)
    decode = session.codec.decode
    return Exchange([_frame("out", payload, decode), *(_frame("in", each, decode) for each in heard)])


def quit_(_session: Session, words: list[str]) -> Farewell:
    """End the session."""
    arguments.limited(words, 0)
    return Farewell()


def canonical(name: str) -> str:
    """The algorithm's name in its own spelling; as it was typed if there is none, so that the worker refuses it."""
    return {each.lower(): each for each in ALGORITHMS}.get(name.lower(), name)


def known(name: str) -> str:
    """The algorithm's name in its own spelling. Raises CommandError `unknown_algorithm`, which lists the known ones."""
    algorithm = canonical(name)
    if algorithm not in ALGORITHMS:
        message = f"algorithm: expected one of {', '.join(ALGORITHMS)}, got {name[:80]!r}"
        raise CommandError("unknown_algorithm", message, {"algorithm": name[:80], "known": list(ALGORITHMS)})
    return algorithm


def _ranking(session: Session, pairs: Sequence[tuple[Id, float]]) -> list[RankedItem]:
    cards = session.world.source.items([item for item, _score in pairs])
    ranking = []
    for item, score in pairs:
        card = cards.get(item, ItemCard(item))
        ranking.append(RankedItem(item, score, card.name, card.kind))
    _remember(session, ranking)
    return ranking


def _remember(session: Session, items: Iterable[RankedItem | SeenItem]) -> None:
    session.seen_items.update({item.id: item.name for item in items})


def _frame(direction: str, payload: bytes, decode: Decode) -> Frame:
    from protocol.erlang_syntax import to_text

    framed = len(payload).to_bytes(4, "big") + payload
    head = framed[:_HEX_BYTES].hex(" ") + (" ..." if len(framed) > _HEX_BYTES else "")
    return Frame(direction, len(framed), head, to_text(decode(payload)))
