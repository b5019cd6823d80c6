"""Which bytes stand for a term: External Term Format, or msgpack for hosts that are not on the BEAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from protocol import etf
from protocol.limits import TermLimits


class Encode(Protocol):
    """Term to payload. Raises ProtocolError(`internal`) for what is no term of this protocol."""

    def __call__(self, term: object, *, any_atom: bool = False) -> bytes:
        """`any_atom` permits atoms outside the closed set, for hosts, whose mistakes are the worker's to judge."""


class Decode(Protocol):
    """Payload to term. Raises ProtocolError(`malformed_term`) with the byte offset, and nothing else."""

    def __call__(self, data: bytes, limits: TermLimits | None = None, /) -> Any:
        """Decode exactly one term."""


@dataclass(frozen=True)
class Codec:
    """One way to write terms as bytes. Frames, messages and limits are the same with each."""

    name: str
    encode: Encode
    decode: Decode


ETF = Codec("etf", etf.encode, etf.decode)
CODECS = ("etf", "msgpack")
"""The names that `codec` takes."""


def codec(name: str) -> Codec:
    """The codec of that name; msgpack is imported only when it is asked for. Raises ValueError naming the choices."""
    if name == ETF.name:
        return ETF
    if name != "msgpack":
        raise ValueError(f"codec: expected one of {', '.join(CODECS)}, got {name!r}")
    from protocol import msgpack_codec

    return Codec(name, msgpack_codec.encode, msgpack_codec.decode)
