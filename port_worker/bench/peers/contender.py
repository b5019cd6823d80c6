"""Who is compared: each is asked about the same users, and tells how long that took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from port_worker.bench.serving.closed_loop import Flow
from port_worker.bench.serving.peer_process import PeerProcess
from port_worker.bench.serving.peers import N
from port_worker.bench.serving.pipe import TimedWorker, recommend_calls
from port_worker.bench.serving.rounds import Batches
from port_worker.bench.serving.world import World


class Contender(Protocol):
    """Answers `N` items for each user. Raises NoAnswerError where it does not."""

    leaves_out_met: bool
    """What a user has met is not among the items: all do so but the floor."""

    def flow(self, batches: Batches) -> Flow:
        """Ask about users, as many at a time as a batch has."""
        ...

    def ranked(self, rows: Sequence[int]) -> list[list[int]]:
        """The item rows that each user gets, best first."""
        ...


class PipedWorker:
    """This worker through its pipe, a call for each user."""

    leaves_out_met = True

    def __init__(self, worker: TimedWorker, world: World) -> None:
        self._worker = worker
        self._users = world.users(slice(None))
        self._item_rows = item_rows(world)

    def flow(self, batches: Batches) -> Flow:
        """As `Contender`."""
        users = (self._users[row] for batch in batches for row in batch)
        return self._worker.closed_loop(self._worker.encoded("recommend", recommend_calls(users, N)), len(batches[0]))

    def ranked(self, rows: Sequence[int]) -> list[list[int]]:
        """As `Contender`."""
        found = self._worker.recommended([self._users[row] for row in rows], N)
        return [[self._item_rows[item] for item in items] for items in found]


class InProcess:
    """A library in a process of its own, called once for a batch, all of whose users wait for as long as that takes."""

    def __init__(self, peer: PeerProcess, *, leaves_out_met: bool) -> None:
        self.leaves_out_met = leaves_out_met
        self._peer = peer

    def flow(self, batches: Batches) -> Flow:
        """As `Contender`."""
        ms = self._peer.times(batches)
        each = [one for one, batch in zip(ms, batches, strict=True) for _user in batch]
        return Flow(each, sum(ms) / 1e3)

    def ranked(self, rows: Sequence[int]) -> list[list[int]]:
        """As `Contender`: half of them together, the others one by one, as both are timed."""
        half = len(rows) // 2
        together = self._peer.ranked(rows[:half]) if half else []
        return [*together, *(self._peer.ranked([row])[0] for row in rows[half:])]


def item_rows(world: World) -> Mapping[str, int]:
    """By the id of an item its row."""
    return {item.decode(): row for row, item in enumerate(world.item_ids.tolist())}
