"""What is fuzzed, and what has to hold: bytes are read or refused by the one error, and the refusal can be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from protocol.arguments import parse_arguments
from protocol.codec import CODECS, ETF, Codec, codec
from protocol.errors import ProtocolError
from protocol.framing import HEADER_BYTES, FrameReader
from protocol.inbound import read_inbound
from protocol.limits import FLOORS, TermLimits
from protocol.messages import Call, ErrorReply, parse_inbound, parse_outbound, to_payload
from tests.protocol import vectors

Read = Callable[[bytes], object]

MAX_REPLY_BYTES = FLOORS["max_frame_bytes"]
"""The longest that the answer to a malformed frame may be, since a worker may be limited to frames of that size."""

_READ_BYTES = 64 * 1024
"""What a worker reads at a time."""

_MOST_FRAMES = 200

_LIMITS = TermLimits()


@dataclass(frozen=True)
class Target:
    """A function that takes any bytes and raises nothing but ProtocolError, and bytes to begin with."""

    name: str
    codec: str
    read: Read
    seeds: tuple[bytes, ...]


def try_target(target: Target, data: bytes) -> str:
    """Give the bytes to the target; the code of its refusal, or `read`. Exceptions of other kinds pass through."""
    try:
        target.read(data)
    except ProtocolError as error:
        check_answer(error)
        return error.code
    return "read"


def check_answer(error: ProtocolError) -> None:
    """A refusal has to be one that a worker can send: terms of the closed set, and not long whatever came."""
    assert error.code != "internal", error.message
    answer = ErrorReply.of(error.call_id, error)
    for name in CODECS:
        assert len(to_payload(answer, codec(name))) <= MAX_REPLY_BYTES, f"{error.code}: an answer that is too long"


def _read_term(codec: Codec) -> Read:
    def read(data: bytes) -> object:
        term = codec.decode(data)
        # What was read can be written, and is then as long as any codec makes it.
        return codec.encode(term, any_atom=True) if len(data) <= _READ_BYTES else term

    return read


def _read_message(codec: Codec) -> Read:
    def read(data: bytes) -> object:
        message = read_inbound(data, codec, _LIMITS)
        assert message == parse_inbound(data, codec), "the short way and the long way differ"
        return parse_arguments(message) if isinstance(message, Call) else message

    return read


def _read_stream(data: bytes) -> object:
    """As a worker does: 64 KiB at a time, each frame answered for itself. Only so many: it is timed as one frame."""
    reader, message = FrameReader(), Target("a frame of the stream", "etf", _read_message(ETF), ())
    frames = 0
    for start in range(0, len(data), _READ_BYTES):
        reader.feed(data[start : start + _READ_BYTES])
        for payload in reader.frames():
            try_target(message, payload)
            frames += 1
            if frames == _MOST_FRAMES:
                return frames
    return frames


def _seeds(name: str, payloads: Iterable[bytes]) -> tuple[bytes, ...]:
    """Payloads of External Term Format as those of a codec; what it has no bytes for is left out."""
    if name == "etf":
        return tuple(payloads)
    return tuple(data for payload in payloads if (data := _rewritten(payload, codec(name))) is not None)


def _rewritten(payload: bytes, into: Codec) -> bytes | None:
    try:
        return into.encode(ETF.decode(payload), any_atom=True)
    except ProtocolError:
        return None


def _frames() -> tuple[bytes, ...]:
    frames = [vector.data for vector in vectors.MESSAGES]
    return (*frames, b"".join(frames), *(b"".join(frames[at : at + 3]) for at in range(0, len(frames), 3)))


def _targets() -> list[Target]:
    refused = [refused.data for refused in vectors.REFUSED]
    terms = [vector.data for vector in vectors.TERMS]
    calls = [vector.data[HEADER_BYTES:] for vector in vectors.MESSAGES if vector.name.startswith("host")]
    answers = [vector.data[HEADER_BYTES:] for vector in vectors.MESSAGES if vector.name.startswith("worker")]
    everything = (*terms, *calls, *answers)
    msgpack = codec("msgpack")
    return [
        Target("etf term", "etf", _read_term(ETF), _seeds("etf", (*everything, *refused))),
        Target("etf message", "etf", _read_message(ETF), _seeds("etf", calls)),
        Target("etf answer", "etf", parse_outbound, _seeds("etf", answers)),
        Target("stream", "etf", _read_stream, _frames()),
        Target("msgpack term", "msgpack", _read_term(msgpack), _seeds("msgpack", everything)),
        Target("msgpack message", "msgpack", _read_message(msgpack), _seeds("msgpack", calls)),
    ]


TARGETS: Mapping[str, Target] = {target.name: target for target in _targets()}
