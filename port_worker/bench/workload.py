"""What a load asks for: a mix of operations, about users and items, with arguments of several sizes."""

from __future__ import annotations

import random
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from port_worker.bench.users import Id, Users
from port_worker.bench.wire import CallWriter, Prepared
from protocol.etf import Laid, write

BATCH_USERS = 100
"""Users of one call of `batch`, the worker's `recommend_many`."""

_TEXT_BYTES = 41  # a UUID as a text, with its tag and length

_CACHED = 50_000
_CACHED_BYTES = 1024


class Workload:
    """Calls without end; the same seed gives the same ones.

    Args:
        writer: makes bytes of them.
        users: chooses whom they are about.
        items: known items, which `similar` and `score` are about.
        mix: the share of recommend, similar, score and batch, as far as they occur, of any sum.
        n: how many items to ask for, or to score.
        payload_bytes: each call carries an `exclude` of about one of these sizes, 0 for none; `score`, which has no
            such argument, carries none.
        seed: of the choices.
    """

    def __init__(
        self,
        writer: CallWriter,
        users: Users,
        items: Sequence[Id],
        *,
        mix: Mapping[str, float],
        n: int,
        payload_bytes: Sequence[int],
        seed: int,
    ) -> None:
        self._writer = writer
        self._users = users
        self._items = items
        self._n = n
        self._choices = random.Random(seed)  # noqa: S311 (a load, not a secret)
        self._names = tuple(mix)
        self._shares = list(accumulate(mix.values()))
        self._excluded = [_excluded(size, seed) for size in payload_bytes]
        self._prepared: dict[tuple[str, Id, int], Prepared] = {}
        self._makers: dict[str, Callable[[int], Prepared]] = {
            "recommend": self._recommend,
            "similar": self._similar,
            "score": self._score,
            "batch": self._batch,
        }

    def __iter__(self) -> Iterator[tuple[str, Prepared]]:
        """The name in the mix, and the call."""
        while True:
            name = self._names[0] if len(self._names) == 1 else self._drawn()
            size = 0 if len(self._excluded) == 1 else self._choices.randrange(len(self._excluded))
            yield name, self._makers[name](size)

    def _drawn(self) -> str:
        return self._names[bisect_left(self._shares, self._choices.random() * self._shares[-1])]

    def _recommend(self, size: int) -> Prepared:
        user, known = self._users.next()
        args = {"user": user, "n": self._n}
        return self._once("recommend", user, size, args) if known else self._encoded("recommend", args, size)

    def _similar(self, size: int) -> Prepared:
        item = self._choices.choice(self._items)
        return self._once("similar", item, size, {"item": item, "n": self._n})

    def _score(self, _size: int) -> Prepared:
        user, _known = self._users.next()
        return self._writer.prepare("score", {"user": user, "items": self._choices.choices(self._items, k=self._n)})

    def _batch(self, size: int) -> Prepared:
        users = [self._users.next()[0] for _ in range(BATCH_USERS)]
        return self._encoded("recommend_many", {"users": users, "n": self._n}, size)

    def _once(self, op: str, about: Id, size: int, args: dict[str, Any]) -> Prepared:
        """Encoded when it is asked for the first time, and kept unless that takes much memory."""
        key = (op, about, size)
        found = self._prepared.get(key)
        if found is None:
            found = self._encoded(op, args, size)
            if len(found.tail) <= _CACHED_BYTES and len(self._prepared) < _CACHED:
                self._prepared[key] = found
        return found

    def _encoded(self, op: str, args: dict[str, Any], size: int) -> Prepared:
        excluded = self._excluded[size]
        return self._writer.prepare(op, args if excluded is None else {**args, "exclude": excluded})


class _Encoded(Laid):
    """A list that is encoded once: a driver that did it for each call would be the limit."""

    __slots__ = ("_bytes", "_term")

    def __init__(self, term: list[str]) -> None:
        pieces: list[bytes] = []
        write(pieces.append, (term,))
        self._term = term
        self._bytes = b"".join(pieces)

    def write(self, out: Callable[[bytes], object]) -> None:
        """As `Laid`."""
        out(self._bytes)

    def term(self) -> list[str]:
        """As `Laid`."""
        return self._term


def _excluded(size: int, seed: int) -> _Encoded | None:
    """Ids that no model knows, so that what is recommended does not depend on the size; None for none."""
    choices = random.Random(seed)  # noqa: S311 (a load, not a secret)
    count = round(size / _TEXT_BYTES)
    return _Encoded([str(uuid.UUID(int=choices.getrandbits(128))) for _ in range(count)]) if count else None
