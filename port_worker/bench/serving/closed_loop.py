"""A closed loop: so many requests in flight, each answer lets the next one go, whatever carries them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

Answer = TypeVar("Answer")

Encoded: TypeAlias = tuple[int, bytes]
"""The id of a request, and its bytes as they are sent."""


class Link(Protocol[Answer]):
    """What carries requests to a peer and brings its answers, each time in whatever form costs nothing to keep."""

    def send_encoded(self, requests: Sequence[Encoded]) -> None:
        """Send them at once."""
        ...

    def some_answers(self) -> Sequence[Answer]:
        """Wait for at least one answer. Raises NoAnswerError when none comes."""
        ...

    def id_of(self, answer: Answer) -> int:
        """Of the request that it answers. Raises NoAnswerError for an answer that is an error."""
        ...


@dataclass(frozen=True)
class Flow:
    """What a closed loop found: milliseconds of each call in the order of the answers, and seconds of them all."""

    ms: list[float]
    seconds: float


def closed_loop(link: Link[Answer], requests: Sequence[Encoded], in_flight: int) -> Flow:
    """Send them, `in_flight` at a time. All between a send and the last byte of its answer counts, and no more.

    Raises NoAnswerError, as the link does.
    """
    sent_at: list[float] = []
    answers: list[tuple[float, Answer]] = []
    began = time.perf_counter()
    while len(answers) < len(requests):
        due = requests[len(sent_at) : len(answers) + in_flight]
        sent_at += [time.perf_counter()] * len(due)
        link.send_encoded(due)
        some = link.some_answers()
        now = time.perf_counter()
        answers += [(now, answer) for answer in some]
    seconds = time.perf_counter() - began
    places = {request_id: place for place, (request_id, _bytes) in enumerate(requests)}
    return Flow([(now - sent_at[places[link.id_of(answer)]]) * 1e3 for now, answer in answers], seconds)
