"""What is timed: the operations of a worker and of its host, each by every codec.

It is fair to the peers in this way. Every decoder of External Term Format gets the same bytes. erlang-py is given its
own classes, made beforehand; the library msgpack is given `str` for atoms and texts, and returns them. Where a worker
has arrays, ours starts from the arrays, and the peers from tuples: making those of the arrays is not counted against
them. Where ids are wanted as an array, each ends with that array.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from port_worker.bench.codec.peers import (
    ERLANG_PY,
    MSGPACK,
    OUR_MSGPACK,
    OURS,
    from_erlang_py,
    to_erlang_py,
    to_msgpack,
    to_our_msgpack,
)
from port_worker.bench.codec.timing import Operation
from protocol.atoms import Atom

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 7
REQUEST, FLAT = "decode request", "decode flat request"
REPLY, REPLY_OF_TUPLES = "encode 10 pairs", "encode 10 pairs, tuples"
MANY, MANY_TEXTS = "encode 1,000 x 10", "encode 1,000 x 10, UUIDs"
IDS, COLUMN = "decode 1,000 ids", "decode 1,000 ids, column"
SEND, RECEIVE = "encode request, host", "decode 10 pairs, host"


@dataclass(frozen=True)
class Case:
    """One row: an operation of each peer, by name."""

    name: str
    operations: Mapping[str, Operation]


def cases() -> list[Case]:
    """Every row, from seeded data."""
    choices = random.Random(SEED)  # noqa: S311 (data to time, no secret)
    user = str(uuid.UUID(int=choices.getrandbits(128))).encode()
    request = (Atom("call"), 7, Atom("recommend"), {Atom("user"): user, Atom("n"): 10}, 250)
    ids = [choices.randrange(256, 2**31) for _ in range(1000)]
    return [
        Case(REQUEST, _decoding(request)),
        Case(FLAT, _decoding((Atom("call"), 7, Atom("recommend"), user, 250))),
        Case(REPLY, _encoding(_reply_term(), _reply_laid())),
        Case(REPLY_OF_TUPLES, _encoding(_reply_term())),
        Case(MANY, _encoding(*_many(*_pair_arrays(1000, 10, texts=False)))),
        Case(MANY_TEXTS, _encoding(*_many(*_pair_arrays(1000, 10, texts=True)))),
        Case(IDS, _decoding(ids)),
        Case(COLUMN, _reading_column(ids)),
        Case(SEND, _encoding(request)),
        Case(RECEIVE, _decoding(_reply_term())),
    ]


def check(rows: list[Case]) -> None:
    """Raise ValueError naming the row and the peer whose operation does not do what is timed."""
    for row in rows:
        for peer, operation in row.operations.items():
            if not operation.is_right():
                raise ValueError(f"{row.name}: expected of {peer} the same term as of the others, got another")


def _pair_arrays(lists: int, pairs: int, *, texts: bool) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """(lists, pairs) ids, int64 or 'S36', and as many scores."""
    import numpy as np

    numbers = np.random.default_rng(SEED)
    scores = numbers.random((lists, pairs), dtype=np.float32)
    if not texts:
        return numbers.integers(256, 2**31, (lists, pairs)), scores
    ids = [str(uuid.UUID(bytes=numbers.bytes(16))) for _ in range(scores.size)]
    return np.array(ids, dtype="S36").reshape(lists, pairs), scores


def _pairs(ids: NDArray[Any], scores: NDArray[np.float32]) -> list[Any]:
    return list(zip(ids.tolist(), scores.tolist(), strict=True))


def _reply(items: Any) -> Any:
    facts = {
        Atom("items"): items,
        Atom("model"): b"20261123T113122Z-als-7a8693",
        Atom("source"): Atom("model"),
        Atom("exhausted"): False,
    }
    return Atom("ok"), 7, facts


def _reply_term() -> Any:
    ids, scores = _pair_arrays(1, 10, texts=True)
    return _reply(_pairs(ids[0], scores[0]))


def _reply_laid() -> Any:
    from protocol.columns import Pairs

    ids, scores = _pair_arrays(1, 10, texts=True)
    return _reply(Pairs(ids[0], scores[0]))


def _many(ids: NDArray[Any], scores: NDArray[np.float32]) -> tuple[Any, Any]:
    from protocol.columns import PairLists

    return [_pairs(*one) for one in zip(ids, scores, strict=True)], PairLists(ids, scores)


def _decoding(term: Any) -> Mapping[str, Operation]:
    import erlang
    import msgpack

    from protocol import etf, msgpack_codec

    payload, packed = etf.encode(term, any_atom=True), msgpack.packb(to_msgpack(term))
    return {
        OURS: Operation(etf.decode, payload, _same, term),
        ERLANG_PY: Operation(erlang.binary_to_term, payload, from_erlang_py, term),
        MSGPACK: Operation(msgpack.unpackb, packed, _same, to_msgpack(term)),
        OUR_MSGPACK: Operation(
            msgpack_codec.decode, msgpack_codec.encode(term, any_atom=True), _same, to_our_msgpack(term)
        ),
    }


def _encoding(term: Any, laid: Any = None) -> Mapping[str, Operation]:
    """`laid` is the same term as arrays, which is what ours encodes where it is given."""
    import erlang
    import msgpack

    from protocol import etf, msgpack_codec

    ours = term if laid is None else laid
    return {
        OURS: Operation(partial(etf.encode, any_atom=True) if laid is None else etf.encode, ours, etf.decode, term),
        ERLANG_PY: Operation(erlang.term_to_binary, to_erlang_py(term), etf.decode, term),
        MSGPACK: Operation(msgpack.packb, to_msgpack(term), msgpack.unpackb, to_msgpack(term)),
        OUR_MSGPACK: Operation(msgpack_codec.encode, ours, msgpack_codec.decode, to_our_msgpack(term)),
    }


def _reading_column(ids: list[int]) -> Mapping[str, Operation]:
    """Decode `{int64, Binary}`, and make an array of it."""
    import erlang
    import msgpack
    import numpy as np

    from protocol import etf, msgpack_codec
    from protocol.columns import read_ids

    term = Atom("int64"), np.array(ids, dtype="<i8").tobytes()
    payload, packed = etf.encode(term), msgpack.packb(to_msgpack(term))

    def reading(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        return lambda payload: read_ids(*decode(payload))

    def erlang_py(payload: bytes) -> Any:
        return np.frombuffer(erlang.binary_to_term(payload)[1].value, "<i8")

    def library(packed: bytes) -> Any:
        return np.frombuffer(msgpack.unpackb(packed)[1], "<i8")

    return {
        OURS: Operation(reading(etf.decode), payload, list, ids),
        ERLANG_PY: Operation(erlang_py, payload, list, ids),
        MSGPACK: Operation(library, packed, list, ids),
        OUR_MSGPACK: Operation(reading(msgpack_codec.decode), msgpack_codec.encode(term), list, ids),
    }


def _same(term: Any) -> Any:
    return term


def operations(rows: list[Case]) -> Mapping[str, Mapping[str, Operation]]:
    """The operations of the rows, as `timing.measure` takes them."""
    return {row.name: row.operations for row in rows}


def payloads_of_echo() -> Iterator[tuple[str, bytes]]:
    """By peer, the request that is sent to and fro through a Port: 59 bytes of External Term Format."""
    import msgpack

    from protocol import etf, msgpack_codec

    request = (Atom("call"), 7, Atom("recommend"), {Atom("user"): b"avatar-0012345", Atom("n"): 10}, 250)
    payload = etf.encode(request)
    yield OURS, payload
    yield ERLANG_PY, payload
    yield MSGPACK, msgpack.packb(to_msgpack(request))
    yield OUR_MSGPACK, msgpack_codec.encode(request)
