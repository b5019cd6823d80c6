"""What the fast path must equal, written as plainly as can be: sort everything, in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from port_worker.serving.embedding import Recommendation, RecommendRequest

Id = int | str
Seen = tuple[list[tuple[Id, float]], str, bool]


def seen(answer: Recommendation) -> Seen:
    """What there is to compare of an answer."""
    return answer.items, answer.source, answer.exhausted


def ranked(scores: Sequence[float], k: int) -> list[int]:
    """Positions by descending score, then ascending position; minus infinity left out."""
    positions = [position for position, score in enumerate(scores) if score != float("-inf")]
    return sorted(positions, key=lambda position: (-scores[position], position))[:k]


def recommended(
    users: Mapping[Id, Sequence[int]],
    items: Mapping[Id, Sequence[int]],
    consumed: Mapping[Id, set[Id]],
    popularity: Mapping[Id, int],
    request: RecommendRequest,
) -> Seen:
    """The answer by definition; `items` in the order of the rows."""
    vector = users.get(request.user)
    assert isinstance(request.exclude, tuple)
    banned = {*request.exclude, *(consumed[request.user] if vector is not None else ())}
    left = [item for item in items if item not in banned]
    if vector is None:
        scores = [float(popularity[item]) for item in left]
    else:
        scores = [float(sum(a * b for a, b in zip(vector, items[item], strict=True))) for item in left]
    pairs = [(left[position], scores[position]) for position in ranked(scores, request.n)]
    return pairs, "popular" if vector is None else "model", len(pairs) < request.n
