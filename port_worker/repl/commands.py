"""One function per command: words in, result out. Failures are the exceptions of `errors.EXPECTED`, or UsageError.

Those about items are in `asking` and `telling`.
"""

from __future__ import annotations

import time

from port_worker.repl import arguments
from port_worker.repl.algorithms import every_algorithm, parameters_of
from port_worker.repl.cards import item_cards
from port_worker.repl.errors import CommandError
from port_worker.repl.results import (
    AlgorithmParameters,
    Algorithms,
    Exchange,
    Farewell,
    Frame,
    Models,
    Person,
    Pong,
    Profile,
    SeenItem,
    Status,
    Users,
)
from port_worker.repl.session import Session
from protocol.codec import Decode
from protocol.errors import ProtocolError

_VISITS_SHOWN = 20
_USERS_SHOWN = 10
_HEX_BYTES = 24


def user(session: Session, words: list[str]) -> Profile:
    """Who a user is and what they met last."""
    words = arguments.required(words, "USER", 2)
    shown = arguments.count(words, 1, _VISITS_SHOWN, arguments.MOST_SHOWN)
    source = session.world.source
    who = source.resolve_user(words[0])
    visits = source.history(who, shown)
    card = source.users([who]).get(who)
    if card is None or (card.name is None and not visits):
        raise CommandError("unknown_user", f"{source.name} has no user {words[0]!r}", {"user": words[0]})
    cards = item_cards(session, [visit.item for visit in visits])
    seen = []
    for visit in visits:
        item = cards[visit.item]
        seen.append(SeenItem(item.id, item.name, item.kind, visit.kind, visit.weight, visit.time))
    return Profile(who, card.name, seen)


def users(session: Session, words: list[str]) -> Users:
    """Some users to try things with."""
    shown = arguments.count(arguments.limited(words, 1), 0, _USERS_SHOWN, arguments.MOST_SHOWN)
    return Users([Person(card.id, card.name) for card in session.world.source.sample_users(shown)])


def models(session: Session, words: list[str]) -> Models:
    """The model versions."""
    arguments.limited(words, 0)
    reply = session.call("models")
    session.seen_versions = [each["version"] for each in reply["versions"]]
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
    return parameters_of(words[0]) if arguments.limited(words, 1) else every_algorithm(session.algorithm)


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


def _frame(direction: str, payload: bytes, decode: Decode) -> Frame:
    from protocol.erlang_syntax import to_text

    framed = len(payload).to_bytes(4, "big") + payload
    head = framed[:_HEX_BYTES].hex(" ") + (" ..." if len(framed) > _HEX_BYTES else "")
    return Frame(direction, len(framed), head, to_text(decode(payload)))
