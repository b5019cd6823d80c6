"""Any External Term Format, decoded by erlang-py: pids, references, ports, funs and bit strings too."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from port_worker.inspection.survey import Undecodable, survey
from protocol.limits import MAX_FRAME_BYTES

_VERSION, _COMPRESSED, _LARGE_TUPLE = 131, 80, 105


@dataclass(frozen=True)
class Decoded:
    """A term as erlang-py has it, and what is to be known besides."""

    term: Any
    notes: tuple[str, ...] = ()


def decode(payload: bytes) -> Decoded:
    """Decode one term behind its version byte, compressed or not. Raises Undecodable."""
    if not payload or payload[0] != _VERSION:
        raise Undecodable(f"no term: expected the version byte {_VERSION}, got {payload[0] if payload else 'nothing'}")
    body, notes = payload[1:], []
    if body[:1] == bytes((_COMPRESSED,)):
        notes.append("compressed")
        body = _inflated(body[1:])
    expected = survey(body).pairs
    term = _by_erlang_py(body)
    lost = expected - _pairs(term)
    if lost:
        notes.append(f"{lost} {'pair' if lost == 1 else 'pairs'} lost: Python takes the key for another's")
    return Decoded(term, tuple(notes))


def decode_sequence(count: int, body: bytes) -> tuple[Any, ...]:
    """Decode `count` terms that follow each other, as they do inside of a fun. Raises Undecodable."""
    body = bytes((_LARGE_TUPLE,)) + count.to_bytes(4, "big") + body
    survey(body)
    terms: tuple[Any, ...] = _by_erlang_py(body)
    return terms


def _by_erlang_py(body: bytes) -> Any:
    import erlang

    try:
        return erlang.binary_to_term(bytes((_VERSION,)) + body)
    except RecursionError:
        raise Undecodable("terms are nested too deep") from None
    except Exception as error:  # noqa: BLE001 (its decoder leaks whatever the bytes lead it to, AttributeError among it)
        raise Undecodable(" ".join(f"{type(error).__name__} {error}".split())) from None


def _inflated(data: bytes) -> bytes:
    """The term in compressed data, behind its size. The size is checked first, and never exceeded: it may be a lie."""
    size, data = int.from_bytes(data[:4], "big"), data[4:]
    if size > MAX_FRAME_BYTES:
        raise Undecodable(f"compressed, and {size} bytes when it is not: more than {MAX_FRAME_BYTES}")
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise Undecodable(f"compressed, and damaged: {error}") from None
    if len(body) != size or not inflater.eof or inflater.unused_data:
        raise Undecodable(f"compressed, and not {size} bytes when it is not, as it says")
    return body


def _pairs(term: Any) -> int:
    """How many pairs the maps of a term have."""
    found, waiting = 0, [term]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found += len(one)
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple)):
            waiting += one
        elif isinstance(getattr(one, "value", None), list):  # an improper list, or a list that is a key
            waiting += one.value
    return found
