"""Whether a worker answers as it did when it was recorded, call by call."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from port_worker.recording import Direction
from protocol.codec import Codec
from protocol.errors import ProtocolError
from protocol.messages import ErrorReply, Ok, parse_outbound


@dataclass(frozen=True)
class Difference:
    """An answer that is not as recorded. An `id` of None is an answer to a frame whose id could not be read."""

    id: int | None
    got: str
    recorded: str


@dataclass
class Summary:
    """What came of a replay.

    Attributes:
        calls: calls that were fed to the worker.
        other: frames that were fed and are no calls: cancels, and what cannot be read.
        ok, errors: answers to calls, by kind.
        unanswered: ids of calls without an answer, once for each.
        equal: answers that are as recorded.
        different: those that are not.
        unrecorded: answers to calls that had none in the recording.
        recurring: ids of more than one call; their answers are compared in order.
        unfed: frames that the worker was not fed because it had ended or fallen silent.
        skipped: frames that were not fed because nothing tells whether the host or the worker said them.
        worker: how the worker ended, for people, if that was not as it should.
        silent_s: the seconds of silence that were enough, if the worker fell silent.
    """

    calls: int = 0
    other: int = 0
    ok: int = 0
    errors: int = 0
    unanswered: list[int] = field(default_factory=list)
    equal: int = 0
    different: list[Difference] = field(default_factory=list)
    unrecorded: int = 0
    recurring: list[int] = field(default_factory=list)
    unfed: int = 0
    skipped: int = 0
    worker: str | None = None
    silent_s: float | None = None


class Comparison:
    """Takes what was fed, what was answered when it was recorded, and what is answered now, in any order of these."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._summary = Summary()
        self._calls: Counter[int] = Counter()
        self._answers: Counter[int | None] = Counter()
        # Payloads and not terms, and only until the other side's has come: a recording may be long.
        self._recorded: defaultdict[int | None, deque[bytes]] = defaultdict(deque)
        self._unmatched: defaultdict[int | None, deque[bytes]] = defaultdict(deque)
        self._recorded_ends: Counter[int | None] = Counter()
        self.in_flight = 0
        """Calls that were fed and are not answered."""

    def fed(self, call_id: int | None) -> None:
        """The frame that was offered was fed: a call, or with None another one."""
        self._summary.unfed -= 1
        if call_id is None:
            self._summary.other += 1
        else:
            self._summary.calls += 1
            self._calls[call_id] += 1
            self.in_flight += 1

    def offered(self, direction: Direction | None) -> None:
        """The recording has a frame; what the host said is to be fed next."""
        self._summary.unfed += direction == "in"
        self._summary.skipped += direction is None

    def recorded(self, call_id: int | None, payload: bytes) -> None:
        """The recording has this answer."""
        self._recorded_ends[call_id] += 1
        self._match(call_id, payload, self._recorded, self._unmatched)

    def answered(self, call_id: int | None, payload: bytes, tag: str) -> None:
        """The worker gave this answer. `tag` is `ok` or `error`."""
        self._answers[call_id] += 1
        if call_id is not None and self._answers[call_id] <= self._calls[call_id]:
            self._summary.ok += tag == "ok"
            self._summary.errors += tag == "error"
            self.in_flight -= 1
        self._match(call_id, payload, self._unmatched, self._recorded)

    def is_due(self, call_id: int) -> bool:
        """Whether a call may be fed: as many calls with its id have ended now as had ended when it was recorded."""
        return self._answers[call_id] >= min(self._recorded_ends[call_id], self._calls[call_id])

    def summary(self, worker: str | None = None, silent_s: float | None = None) -> Summary:
        """What came of it, with how the worker ended and how long it was silent, if that was not as it should."""
        found = self._summary
        found.unanswered = sorted(one for one, count in self._calls.items() if self._answers[one] < count)
        found.recurring = sorted(one for one, count in self._calls.items() if count > 1)
        found.unrecorded = sum(len(left) for left in self._unmatched.values())
        found.worker, found.silent_s = worker, silent_s
        return found

    def _match(
        self,
        call_id: int | None,
        payload: bytes,
        mine: defaultdict[int | None, deque[bytes]],
        others: defaultdict[int | None, deque[bytes]],
    ) -> None:
        if not others[call_id]:
            mine[call_id].append(payload)
            return
        other = others.pop(call_id) if len(others[call_id]) == 1 else others[call_id]
        pair = (payload, other.popleft())
        recorded, now = pair if mine is self._recorded else reversed(pair)
        self._compare(call_id, recorded, now)

    def _compare(self, call_id: int | None, recorded: bytes, now: bytes) -> None:
        if recorded == now or self._essence(recorded) == self._essence(now):
            self._summary.equal += 1
            return
        was, got = self._told(recorded), self._told(now)
        self._summary.different.append(Difference(call_id, got, "another result" if was == got else was))

    def _essence(self, payload: bytes) -> Any:
        """What makes two answers equal: the result, or the code of an error, whose words may change."""
        try:
            answer = parse_outbound(payload, self._codec)
        except ProtocolError:
            return payload
        match answer:
            case Ok():
                return ("ok", answer.result)
            case ErrorReply():
                return ("error", answer.code)
        return payload

    def _told(self, payload: bytes) -> str:
        match self._essence(payload):
            case ("ok", _):
                return "ok"
            case ("error", code):
                return f"error {code}"
        return "no answer of the protocol"
