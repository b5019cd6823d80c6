"""Exact ranking of many items at a fraction of the arithmetic: bounds say who cannot be among the best.

Items lie there in 8 bits too (see `quantised`). A pass over those gives every item a score and how far off it may be;
the n-th highest of what items score at least is a floor, and only those that may reach it, some dozens, are scored by
their own vectors. So the answer is `ExactRanking`'s, to the bit. Beside it, at 100,000 x 64 on one thread with AVX2: a
fifth of the time for one user, half of it for 64.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from port_worker.serving.exact import ExactRanking
from port_worker.serving.int8_product import available
from port_worker.serving.masks import Allowed, Masks
from port_worker.serving.products import best_of_each, product, products
from port_worker.serving.quantised import GROUP, LENGTHS, Block, PlainBlock, Quantised, QuantisedBlock, quantised
from port_worker.serving.ranking import Ranked
from port_worker.serving.steps import Steps
from port_worker.serving.topk import block_width, descending, lower_bound

LEAST_NUMBERS = 3 << 19
"""Of all vectors together. With fewer there is nothing to gain, and the runtime's 20 MB to lose."""

_PRIVATE_BYTES = 1 << 25
"""Of codes, which each worker holds for itself. Items beyond them are read where they are, in 32 bits."""

_BLOCK_ITEMS = 1 << 17
_SCORES_AT_ONCE = 1 << 21
_USERS_AT_ONCE = 64
_PASSES = 2
"""Whose findings are scored and ordered together: half as many steps, a twentieth of the time. What they answer comes
in two halves of a batch, so that a host asks anew while the second is worked on."""
_NARROW = 16
"""Groups that are taken as one for the floor: of fewer, longer lines numpy is the quicker."""
_SHARE_WANTED = 16
"""One part in so many of the groups: who wants more items than that is ranked in full."""
_SHARE_REACHED = 2
"""One part in so many of a block's groups: where more of them may hold one of the best, bounds are of no use."""


def exact_ranking(item_vectors: NDArray[np.float32], threads: int = 1) -> ExactRanking | ScreenedRanking:
    """Whichever is quicker for `item_vectors` (items, d); the second once it is prepared."""
    ranking = ExactRanking(item_vectors)
    if item_vectors.size < LEAST_NUMBERS or not available() or not LENGTHS[0] < ranking.longest < LENGTHS[1]:
        return ranking
    return ScreenedRanking(ranking, threads)


class ScreenedRanking:
    """Ranks the items of `exact`, which it turns to for what bounds are no good for. For one thread, as that is.

    Until it is prepared that is everything.
    """

    def __init__(self, exact: ExactRanking, threads: int = 1) -> None:
        """threads: of the products."""
        self._exact = exact
        self._items = exact.items
        self._threads = threads
        self._blocks: list[tuple[int, Block]] = []
        self._most = 0
        self._at_once = 1

    def prepare(self) -> Steps[None]:
        """Make the codes, in slices."""
        buffer = _aligned(_SCORES_AT_ONCE)
        blocks: list[tuple[int, Block]] = []
        for first in range(0, len(self._items), _BLOCK_ITEMS):
            part = self._items[first : first + _BLOCK_ITEMS]
            if (first + len(part)) * part.shape[1] <= _PRIVATE_BYTES:
                made = yield from QuantisedBlock.made(part, self._exact.longest, buffer, self._threads)
                blocks.append((first, made))
            else:
                blocks.append((first, PlainBlock(part, self._exact.longest, buffer)))
            yield
        groups = [len(block.scales) for _, block in blocks]
        self._most = sum(groups) // _SHARE_WANTED
        self._at_once = min(_USERS_AT_ONCE, _SCORES_AT_ONCE // (GROUP * max(groups)))
        self._blocks = blocks

    def rank_vectors(
        self,
        vectors: NDArray[np.float32],
        banned: Sequence[NDArray[np.intp]],
        allowed: Sequence[Allowed],
        ns: Sequence[int],
    ) -> Iterator[Ranked | None]:
        """As `ExactRanking.rank_vectors`, which its answers equal."""
        if len(vectors) == 0:
            return
        coded = quantised(vectors.astype(np.float64)) if max(ns) <= self._most else None
        if coded is None:
            yield from self._exact.rank_vectors(vectors, banned, allowed, ns)
            return
        _, block = self._blocks[0]
        if len(vectors) == len(self._blocks) == 1 and isinstance(block, QuantisedBlock):
            alone = self._rank_alone(block, coded, banned[0], allowed[0], ns[0])
            if alone is not None:
                yield alone
                return
        turns = -(-len(vectors) // self._at_once)
        step = -(-len(vectors) // turns)
        for start in range(0, len(vectors), _PASSES * step):
            part = slice(start, start + _PASSES * step)
            if start:
                yield None
            yield from self._rank_part(coded.part(part), banned[part], allowed[part], ns[part], step)

    def _rank_part(
        self,
        coded: Quantised,
        banned: Sequence[NDArray[np.intp]],
        allowed: Sequence[Allowed],
        ns: Sequence[int],
        step: int,
    ) -> Iterator[Ranked | None]:
        """Of several passes of `step` users each, whose findings are scored together."""
        rows, users, lost = yield from self._contenders(coded, banned, allowed, ns, step)
        for scores in products(self._items, rows, coded.wide, users):
            if scores is None:
                yield None
            else:
                ranked = best_of_each(rows, users, scores, ns)
        for place, one in enumerate(ranked):
            if lost[place]:
                some = slice(place, place + 1)
                vector = coded.wide[some].astype(np.float32)
                yield from self._exact.rank_vectors(vector, banned[some], allowed[some], ns[some])
            else:
                yield one

    def _contenders(
        self,
        coded: Quantised,
        banned: Sequence[NDArray[np.intp]],
        allowed: Sequence[Allowed],
        ns: Sequence[int],
        step: int,
    ) -> Generator[None, None, tuple[NDArray[np.intp], NDArray[np.intp], list[bool]]]:
        """(rows, users) of what may be among the best, and for whom bounds tell too little."""
        found: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        lost: list[bool] = []
        for start in range(0, len(ns), step):
            part = slice(start, start + step)
            if start:
                yield None
            kept = Contenders(ns[part], len(self._blocks))
            yield from self._screen(coded.part(part), Masks(banned[part], allowed[part]), kept)
            rows, users = kept.take()
            found.append((rows, users + start))
            lost += kept.lost.tolist()
        rows, users = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return rows, users, lost

    def _rank_alone(
        self, block: QuantisedBlock, coded: Quantised, banned: NDArray[np.intp], allowed: Allowed, n: int
    ) -> Ranked | None:
        """One user and one block: the same as for many, by the fewest steps. None where bounds tell too little."""
        found = block.products(coded)[0]
        block.mask_alone(found, banned, allowed)
        table = found.reshape(GROUP, -1)
        highest = _scores(np.maximum.reduce(table, axis=0), block.scales)
        rests, length = block.rests(coded.rest), coded.lengths[0]
        slack = rests.max() * length
        floor = lower_bound(highest, n) - slack
        groups = (highest >= floor - slack).nonzero()[0]
        if len(groups) * _SHARE_REACHED > len(highest):
            return None
        least = block.least((floor - rests[groups] * length) / block.scales[groups])
        rank, place = (table.take(groups, axis=1) >= least).nonzero()
        rows = rank * len(highest) + groups[place]
        scores = product(self._items, rows, coded.wide)
        best = descending(scores)[:n]
        return Ranked(rows[best], scores[best])

    def _screen(self, vectors: Quantised, masks: Masks, kept: Contenders) -> Iterator[None]:
        for first, block in self._blocks:
            if first:
                yield None
            found = block.products(vectors)
            block.mask(found, masks, first, whole=len(self._blocks) == 1)
            kept.add(found, first, block, block.rests(vectors.rest), vectors.lengths)


class Contenders:
    """What may be among the `ns` best of each of b users, by bounds that come block by block, of so many `blocks`.

    Attributes:
        lost: (b,) bool, for whom bounds tell too little; nothing of theirs is kept.
    """

    def __init__(self, ns: Sequence[int], blocks: int) -> None:
        self._blocks = blocks
        self._most = max(ns)
        self._nth = (np.arange(len(ns)), self._most - np.array(ns))
        self._highest = np.full((len(ns), self._most), -np.inf, dtype=np.float32)
        self._floor = self._highest[:, 0]
        self._kept: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
        self._upper: list[NDArray[np.float32]] = []
        self.lost = np.zeros(len(ns), dtype=np.bool_)

    def add(
        self,
        found: NDArray[np.int32] | NDArray[np.float32],
        first: int,
        block: Block,
        rests: NDArray[np.float32],
        lengths: NDArray[np.float32],
    ) -> None:
        """Look through a block's products (b, GROUP * groups), whose first item is row `first`.

        A score, which is a product times the scale of its group, is off by at most the `rests` (groups,) times the
        user's `lengths` (b,).
        """
        scales = block.scales
        groups = len(scales)
        table = found.reshape(len(found), GROUP, groups)
        highest = _scores(np.maximum.reduce(table, axis=1), scales)
        slack = (lengths * rests.max())[:, None]
        self._raise_floor(highest, slack)
        users, reached = np.divmod((highest >= self._floor[:, None] - slack).ravel().nonzero()[0], groups)
        if len(reached) * _SHARE_REACHED > groups:
            users, reached = self._without_lost(users, reached, groups // _SHARE_REACHED)
        scale, rest = scales[reached], rests[reached] * lengths[users]
        members = table[users, :, reached]
        least = block.least(np.divide(self._floor[users] - rest, scale, dtype=np.float32))
        hit = (members >= least[:, None]).ravel().nonzero()[0]
        which, rank = hit // GROUP, hit % GROUP
        rank *= groups
        rank += reached[which]
        rank += first
        self._kept.append((rank, users[which]))
        if self._blocks > 1:
            self._upper.append(_scores(members.ravel()[hit], scale[which]) + rest[which])

    def take(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(rows, users) of what may still be among the best."""
        if self._blocks == 1:
            return self._kept[0]  # by the floor that still holds
        rows, users = (np.concatenate(parts) for parts in zip(*self._kept, strict=True))
        left = ((np.concatenate(self._upper) >= self._floor[users]) & ~self.lost[users]).nonzero()[0]
        return rows[left], users[left]

    def _raise_floor(self, highest: NDArray[np.float32], slack: NDArray[np.float32]) -> None:
        """By what the best item of each group scores at least."""
        users, groups = highest.shape
        width = block_width(groups, self._most, _NARROW)
        lower = np.maximum.reduce(highest[:, : groups // width * width].reshape(users, width, -1), axis=1) - slack
        best = np.concatenate([self._highest, lower], axis=1)
        best.partition(best.shape[1] - self._most, axis=1)
        self._highest = best[:, -self._most :]
        self._highest.sort(axis=1)
        self._floor = self._highest[self._nth]

    def _without_lost(
        self, users: NDArray[np.intp], reached: NDArray[np.intp], most: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        self.lost |= np.bincount(users, minlength=len(self.lost)) > most
        left = ~self.lost[users]
        return users[left], reached[left]


def _scores(products: NDArray[np.int32] | NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    # Else numpy would make float64 of whole numbers; what float32 rounds away is in the bounds.
    found: NDArray[np.float32] = np.multiply(products, scales, dtype=np.float32, casting="same_kind")
    return found


def _aligned(size: int) -> NDArray[np.int32]:
    """(size,) that begins with a line of the cache."""
    whole = np.empty(size + _LINE_BYTES // 4, dtype=np.int32)
    first = -whole.ctypes.data % _LINE_BYTES // 4
    return whole[first : first + size]


_LINE_BYTES = 64
