"""Calls as bytes and answers as a few facts, at the least cost: at 10,000 a second every microsecond is 1% of a core.

Of a call only its id changes from sending to sending, so its bytes before and behind the id are made once. Of an answer
a load wants its id, whether it is good, and what it was made from; whatever does not look as usual is read in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any, NamedTuple

from protocol.atoms import Atom
from protocol.codec import ETF, Codec
from protocol.messages import Call, ErrorReply, Ok, Outbound, parse_outbound, to_payload

_MARK = 0x7FFF_FFFE
_ID = Struct(">i")  # of ETF's tag 98 and of msgpack's int 32: any integer may be written so
_MARKED = _ID.pack(_MARK)

_OK_HEAD = b"\x83h\x03w\x02ok"
_BYTE, _INT32 = 97, 98
_SOURCE = b"w\x06sourcew"
_SOURCE_KEY = Atom("source")


class Prepared(NamedTuple):
    """A call but for its id: what it asks for, and the bytes before and behind the id."""

    op: str
    head: bytes
    tail: bytes

    def payload(self, call_id: int) -> bytes:
        """With an id below 2^31."""
        return b"".join((self.head, _ID.pack(call_id), self.tail))


class CallWriter:
    """Prepares calls in one codec, all with one deadline in milliseconds, or none."""

    def __init__(self, codec: Codec = ETF, deadline_ms: int | None = None) -> None:
        self._codec = codec
        self._deadline_ms = deadline_ms

    def prepare(self, op: str, args: Mapping[str, Any]) -> Prepared:
        """Encode it; `op` is the worker's name of it."""
        payload = to_payload(Call(_MARK, op, dict(args), self._deadline_ms), self._codec)
        head, _mark, tail = payload.partition(_MARKED)  # the first: nothing before the id could look like it
        return Prepared(op, head, tail)


class Answer(NamedTuple):
    """The end of a call: `code` None for a good one; `source` as SPEC.md's Models has it, None where it says none."""

    id: int | None
    code: str | None
    source: str | None


class AnswerReader:
    """Reads what a worker says, in one codec."""

    def __init__(self, codec: Codec = ETF) -> None:
        self._codec = codec
        self._sources: dict[bytes, str] = {}

    def read(self, payload: bytes) -> Answer | Outbound:
        """The facts of an answer; any other message as it is. Raises ProtocolError for what is no message."""
        if payload.startswith(_OK_HEAD) and (call_id := _id_behind_ok(payload)) is not None:
            source = self._source(payload)
            if source is not None:
                return Answer(call_id, None, source)
        message = parse_outbound(payload, self._codec)
        if isinstance(message, Ok):
            source = message.result.get(_SOURCE_KEY) if isinstance(message.result, dict) else None
            return Answer(message.id, None, None if source is None else str(source))
        return Answer(message.id, message.code, None) if isinstance(message, ErrorReply) else message

    def result(self, payload: bytes) -> Outbound:
        """The whole message, for the few whose contents matter."""
        return parse_outbound(payload, self._codec)

    def _source(self, payload: bytes) -> str | None:
        """The key is looked for from the end, where it stands behind the items; ids hold no control characters."""
        found = payload.rfind(_SOURCE)
        if found < 0:
            return None
        begin = found + len(_SOURCE) + 1
        name = payload[begin : begin + payload[begin - 1]]
        known = self._sources.get(name)
        if known is None:
            known = self._sources[name] = name.decode(errors="replace")
        return known


def _id_behind_ok(payload: bytes) -> int | None:
    tag = payload[7] if len(payload) > 12 else 0
    if tag == _INT32:
        call_id: int = _ID.unpack_from(payload, 8)[0]
        return call_id
    return payload[8] if tag == _BYTE else None
