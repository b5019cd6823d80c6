"""The echo program behind a Port: every frame decoded, encoded again and sent back, by one codec.

Reads 64 KiB at a time and answers each read with one write, whatever the codec, so that only the codec differs; the
peer `raw` sends payloads back as they are. Ends when its stdin does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeAlias

from port_worker.bench.codec.peers import ERLANG_PY, MSGPACK, OUR_MSGPACK, OURS
from protocol.framing import FrameReader, frame

READ_BYTES = 64 * 1024
RAW = "raw"

Echo: TypeAlias = Callable[[bytes], bytes]
"""Payload to payload."""


def echo_of(name: str) -> Echo:
    """The codec of that name; imports no other. Raises KeyError."""
    return {RAW: _raw, OURS: _ours, ERLANG_PY: _erlang_py, MSGPACK: _msgpack, OUR_MSGPACK: _our_msgpack}[name]()


def _raw() -> Echo:
    return lambda payload: payload


def _ours() -> Echo:
    from protocol.etf import decode, encode

    return lambda payload: encode(decode(payload))


def _erlang_py() -> Echo:
    from erlang import binary_to_term, term_to_binary

    return lambda payload: term_to_binary(binary_to_term(payload))


def _msgpack() -> Echo:
    from msgpack import packb, unpackb

    return lambda payload: packb(unpackb(payload))


def _our_msgpack() -> Echo:
    from protocol.msgpack_codec import decode, encode

    return lambda payload: encode(decode(payload))


def answer(reader: FrameReader, data: bytes, echo: Echo) -> bytes:
    """The frames that answer those which are complete with `data`."""
    reader.feed(data)
    return b"".join([frame(echo(payload)) for payload in reader.frames()])


def main(name: str) -> int:
    """Serve until the end of stdin."""
    echo, reader = echo_of(name), FrameReader()
    while data := os.read(0, READ_BYTES):
        out = answer(reader, data, echo)
        while out:
            out = out[os.write(1, out) :]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
