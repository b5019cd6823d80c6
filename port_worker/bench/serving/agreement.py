"""How much of what one ranking finds another finds too."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from port_worker.bench.serving.pipe import NoAnswerError


def share_found(best: Sequence[Sequence[Hashable]], found: Sequence[Sequence[Hashable]]) -> float:
    """The share, 0..1, of the items of `best` that are among those of `found`, over all users.

    Raises NoAnswerError where a user gets fewer items than there are in `best`: nothing to compare.
    """
    if any(len(other) < len(one) for one, other in zip(best, found, strict=True)):
        raise NoAnswerError("one ranking gives fewer items than the other")
    both = sum(len(set(one) & set(other)) for one, other in zip(best, found, strict=True))
    return both / sum(map(len, best))
