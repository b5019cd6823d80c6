"""Frames that a worker has to refuse by name: what is no term, no message, or no call that it takes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from port_worker.bench.wire import CallWriter
from protocol.atoms import Atom
from protocol.codec import ETF, Codec
from protocol.limits import MAX_CALL_ID
from protocol.messages import Call, to_payload

TERM, MESSAGE = "malformed_term", "malformed_message"
_DEEP = 10_000


@dataclass(frozen=True)
class Malformed:
    """One kind of frame.

    `make` gets an id and something random and returns the payload; `code` is what it is refused with; `named` whether
    the refusal has the id, for which it must be possible to read.
    """

    name: str
    make: Callable[[int, random.Random], bytes]
    code: str
    named: bool = False


def kinds(codec: Codec) -> list[Malformed]:
    """Those of a codec."""
    raw = _etf_terms() if codec.name == ETF.name else _msgpack_terms()
    return [*raw, *_any_terms(codec), *_messages(codec), *_calls(codec)]


def _good(codec: Codec) -> Callable[[int], bytes]:
    prepared = CallWriter(codec).prepare("recommend", {"user": "ada", "n": 10})
    return prepared.payload


def _any_terms(codec: Codec) -> list[Malformed]:
    good = _good(codec)
    return [
        Malformed("no byte", lambda _id, _random: b"", TERM),
        Malformed("a call cut short", lambda id_, random_: good(id_)[: random_.randrange(12, len(good(id_)))], TERM),
        Malformed("a byte behind a call", lambda id_, random_: good(id_) + random_.randbytes(1), TERM),
    ]


def _etf_terms() -> list[Malformed]:
    terms = {
        "another version": b"\x82a\x01",
        "a tag that there is not": b"\x83\x01",
        "a compressed term": b"\x83P\0\0\0\x01x\x9c\x03\0\0\0\0\x01",
        "a list longer than the frame": b"\x83l\xff\xff\xff\xffa\x01",
        "an improper list": b"\x83l\0\0\0\x01a\x01a\x02",
        "a key twice": b"\x83t\0\0\0\x02a\x01a\x01a\x01a\x02",
        "an atom that is no UTF-8": b"\x83w\x02\xff\xfe",
        "a float that is no number": b"\x83F\x7f\xf8" + bytes(6),
        "many nested lists": b"\x83" + b"l\0\0\0\x01" * _DEEP + b"j" * (_DEEP + 1),
    }
    fixed = [Malformed(name, _always(payload), TERM) for name, payload in terms.items()]
    noise = Malformed("noise", lambda _id, random_: b"\x83\0" + random_.randbytes(random_.randrange(1, 200)), TERM)
    return [*fixed, noise]


def _msgpack_terms() -> list[Malformed]:
    terms = {
        "the reserved byte": b"\xc1",
        "a timestamp": b"\xd6\xff\0\0\0\0",
        "an array longer than the frame": b"\xdd\xff\xff\xff\xff\x01",
        "a key twice": b"\x82\x01\x01\x01\x02",
        "a float that is no number": b"\xcb\x7f\xf8" + bytes(6),
        "many nested arrays": b"\x91" * _DEEP + b"\x90",
    }
    fixed = [Malformed(name, _always(payload), TERM) for name, payload in terms.items()]
    noise = Malformed("noise", lambda _id, random_: b"\xc1" + random_.randbytes(random_.randrange(1, 200)), TERM)
    return [*fixed, noise]


def _messages(codec: Codec) -> list[Malformed]:
    terms = {
        "a number": 42,
        "another message": (Atom("shout"), 1),
        "a call whose id is too large": (Atom("call"), MAX_CALL_ID + 1, Atom("ping"), {}, Atom("infinity")),
        "a cancel without an id": (Atom("cancel"),),
    }
    nameless = [Malformed(name, _always(codec.encode(term, any_atom=True)), MESSAGE) for name, term in terms.items()]
    return [
        *nameless,
        Malformed(
            "a call without a deadline",
            lambda id_, _random: codec.encode((Atom("call"), id_, Atom("ping"), {}), any_atom=True),
            MESSAGE,
            named=True,
        ),
        Malformed(
            "a deadline below 0", lambda id_, _random: to_payload(Call(id_, "ping", {}, -1), codec), MESSAGE, True
        ),
    ]


def _calls(codec: Codec) -> list[Malformed]:
    calls: dict[str, tuple[str, dict[str, Any], str]] = {
        "an op that there is not": ("shout", {}, "unknown_op"),
        "no user": ("recommend", {"n": 10}, "missing_argument"),
        "an argument that there is not": ("recommend", {"user": "ada", "colour": 1}, "unknown_argument"),
        "0 items": ("recommend", {"user": "ada", "n": 0}, "invalid_argument"),
        "a list as a user": ("recommend", {"user": [1, 2], "n": 10}, "invalid_argument"),
        "a text that is no UTF-8": ("recommend", {"user": b"\xff\xfe", "n": 10}, "invalid_argument"),
    }

    def kind(name: str) -> Malformed:
        op, args, code = calls[name]
        prepared = CallWriter(codec).prepare(op, args)
        return Malformed(name, lambda id_, _random: prepared.payload(id_), code, named=True)

    return [kind(name) for name in calls]


def _always(payload: bytes) -> Callable[[int, random.Random], bytes]:
    return lambda _id, _random: payload
