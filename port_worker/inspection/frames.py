"""One recorded frame as it is shown: who said it, to which call it belongs, and its term as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from port_worker.inspection.decode import decode
from port_worker.inspection.erlang_text import pieces
from port_worker.inspection.survey import Undecodable
from port_worker.recording import Direction, Record
from protocol.codec import Codec, codec
from protocol.erlang_syntax import pieces as protocol_pieces
from protocol.errors import ProtocolError

_DIRECTIONS: dict[str, Direction] = {
    **dict.fromkeys(("call", "cancel"), "in"),
    **dict.fromkeys(("hello", "ok", "error", "progress", "event"), "out"),
}
_OF_A_CALL = {"call", "cancel", "ok", "error", "progress"}
_MSGPACK_MESSAGES = range(0x92, 0x96)
"""The first byte of a message in msgpack, an array of two to five; in External Term Format it is always 131."""


@dataclass(frozen=True)
class Frame:
    """A frame to show.

    Attributes:
        payload: its bytes.
        direction: `in` is host to worker; None when nothing tells.
        time_us: microseconds since the recording began; None in a stream that is no recording.
        tag: the atom that the message starts with; None when it is no message.
        id: the call that it belongs to, if any.
        error: why it cannot be shown as a term; None when it can.
        notes: what is to be known besides the term, such as that it was compressed.
    """

    payload: bytes
    direction: Direction | None
    time_us: int | None
    tag: str | None = None
    id: int | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    term: Iterable[str] = ()
    """The term's text in pieces, once."""

    @property
    def text(self) -> Iterator[str]:
        """What is to be printed of it, in pieces: the term with its notes, or its bytes and why there is no term."""
        if self.error is not None:
            yield f"undecodable ({self.error}): {self.payload.hex()}"
            return
        if self.notes:
            yield f"({'; '.join(self.notes)}) "
        yield from self.term


class Frames:
    """Makes frames of records.

    Args:
        codec_name: what the payloads are encoded in; None to tell it from each one's first byte.
    """

    def __init__(self, codec_name: str | None) -> None:
        self._codec_name = codec_name

    def frame(self, record: Record) -> Frame:
        """The frame in a record. Never raises: what cannot be decoded says so."""
        try:
            term, notes, text = self._read(record.payload)
        except Undecodable as error:
            return Frame(record.payload, record.direction, record.time_us, error=str(error))
        tag = _name(term[0]) if isinstance(term, tuple) and term else None
        direction = record.direction or _DIRECTIONS.get(tag or "")
        call_id = _call_id(term) if tag in _OF_A_CALL else None
        return Frame(record.payload, direction, record.time_us, tag, call_id, None, notes, text)

    def _read(self, payload: bytes) -> tuple[Any, tuple[str, ...], Iterator[str]]:
        looks_like_msgpack = bool(payload) and payload[0] in _MSGPACK_MESSAGES
        if self._codec_name == "msgpack" or (self._codec_name is None and looks_like_msgpack):
            return _read_strictly(payload, codec("msgpack"))
        decoded = decode(payload)
        return decoded.term, decoded.notes, pieces(decoded.term)


def _read_strictly(payload: bytes, by: Codec) -> tuple[Any, tuple[str, ...], Iterator[str]]:
    try:
        term = by.decode(payload)
    except ProtocolError as error:
        raise Undecodable(error.message) from None
    return term, (), protocol_pieces(term)


def _name(term: Any) -> str | None:
    """The name of an atom of erlang-py's or of the protocol's; None for any other term."""
    import erlang

    if isinstance(term, str):
        return str(term)
    if not isinstance(term, erlang.OtpErlangAtom):
        return None
    return term.value.decode("latin-1") if isinstance(term.value, bytes) else str(term.value)


def _call_id(message: tuple[Any, ...]) -> int | None:
    given = message[1] if len(message) > 1 else None
    return given if type(given) is int else None
