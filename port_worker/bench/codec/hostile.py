"""Frames that would stall, crash or bloat a careless worker, and what each costs this one.

A case goes through a fresh process, cut into what a pipe gives at a time: the frame reader with its buffers, the
decoder, the checks of message and arguments, and the text of the refusal. Each has to stay within LIMIT_MS of a
worker's one thread, or PERMITTED_MS where the whole of a permitted term has to be built before it can be judged, and
within LIMIT_BYTES of memory above what there was before.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from port_worker.bench.codec.intake import ACCEPTED, INCOMPLETE
from protocol.limits import Limits

LIMIT_MS = 50.0
PERMITTED_MS = 100.0
LIMIT_BYTES = 64 * 2**20
PASSES = 5
"""Times that each case is run, the last of which only traces memory; the fastest of the others counts."""

_CHILD_LIMIT_S = 120.0
_LIMITS = Limits()
_MOST = 2**32 - 1
_MODULUS = 2**61 - 1
"""Of Python's hashes of numbers: what is equal modulo this collides in every dict, whatever its size."""


@dataclass(frozen=True)
class Hostile:
    """One case: what to write to a worker's stdin, and the code that it is refused with (or ACCEPTED)."""

    name: str
    make: Callable[[], bytes]
    outcome: str
    limit_ms: float = LIMIT_MS


@dataclass(frozen=True)
class Cost:
    """What one case cost.

    Times are of the worker's thread, without waiting for the pipe; `rss_bytes` and `traced_bytes` are the highest above
    the base, as the system and as Python's allocators count it.
    """

    name: str
    outcome: str
    expected: str
    limit_ms: float
    wall_ms: float
    cpu_ms: float
    rss_bytes: int
    traced_bytes: int

    @property
    def peak_bytes(self) -> int:
        """The higher of the two peaks."""
        return max(self.rss_bytes, self.traced_bytes)

    @property
    def busy_ms(self) -> float:
        """The lower of the two times: what other processes took of the machine is not the frame's."""
        return min(self.wall_ms, self.cpu_ms)

    @property
    def breaches(self) -> list[str]:
        """What is not as it has to be: any of `outcome`, `time`, `memory`."""
        found = {
            "outcome": self.outcome != self.expected,
            "time": self.busy_ms > self.limit_ms,
            "memory": self.peak_bytes > LIMIT_BYTES,
        }
        return [what for what, breached in found.items() if breached]


def measure(case: Hostile, passes: int = PASSES) -> Cost:
    """Run one case in a process of its own. Raises RuntimeError when that fails, or takes too long."""
    data = case.make()
    given = b"".join([_number(passes), *([_number(len(data)), data] * passes)])
    command = [sys.executable, "-m", "port_worker.bench.codec.intake"]
    try:
        ran = subprocess.run(command, input=given, capture_output=True, timeout=_CHILD_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{case.name}: not done after {_CHILD_LIMIT_S:.0f} s") from None
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip()[-300:]
        raise RuntimeError(f"{case.name}: the process that took it ended with status {ran.returncode}: {said}")
    return _cost(case, json.loads(ran.stdout))


def _cost(case: Hostile, passes: Sequence[dict[str, Any]]) -> Cost:
    timed, traced = passes[:-1], passes[-1]
    return Cost(
        case.name,
        traced["outcome"],
        case.outcome,
        case.limit_ms,
        min(one["wall_ms"] for one in timed),
        min(one["cpu_ms"] for one in timed),
        timed[0]["rss_bytes"],
        traced["traced_bytes"],
    )


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def hostile_cases() -> Iterator[Hostile]:
    """Every case. Those with as many terms as the limits permit follow the limits."""
    yield from _nested()
    yield from _nils()
    yield from _lengths()
    yield from _single_terms()
    yield from _colliding()
    yield from _as_many_terms_as_permitted()
    yield from _as_large_as_permitted()


def _malformed(name: str, make: Callable[[], bytes]) -> Hostile:
    """What is no permitted term, behind its version byte."""
    return Hostile(name, lambda: _framed(b"\x83", make()), "malformed_term")


def _no_message(name: str, make: Callable[[], bytes]) -> Hostile:
    """A term within every limit, and no message."""
    return Hostile(name, lambda: _framed(b"\x83", make()), "malformed_message", PERMITTED_MS)


def _framed(*parts: bytes) -> bytes:
    payload = b"".join(parts)
    return _u32(len(payload)) + payload


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _list(count: int, element: bytes) -> bytes:
    return b"\x6c" + _u32(count) + element * count + b"\x6a"


def _map(pairs: Sequence[bytes]) -> bytes:
    return b"\x74" + _u32(len(pairs)) + b"".join(pairs)


def _nested() -> Iterator[Hostile]:
    deep = 100_000
    yield _malformed("100,000 nested lists", lambda: b"\x6c\0\0\0\x01" * deep + b"\x6a" * (deep + 1))
    yield _malformed("100,000 nested tuples", lambda: b"\x68\x01" * deep + b"\x6a")
    yield _malformed("100,000 nested maps", lambda: b"\x74\0\0\0\x01\x61\x01" * deep + b"\x6a")


def _nils() -> Iterator[Hostile]:
    room = _LIMITS.max_frame_bytes - 64
    thousand = _list(1000, b"\x6a")
    string = b"\x6b\xff\xff" + bytes(65_535)
    yield _malformed("16 MiB of NIL in one list", partial(_list, room, b"\x6a"))
    yield _malformed("16 MiB of NIL in lists of 1,000", partial(_list, room // len(thousand), thousand))
    yield _malformed("16 MiB of lists of no element", partial(_list, room // 6, b"\x6c\0\0\0\0\x6a"))
    yield _malformed("16 MiB of strings of bytes", partial(_list, room // len(string), string))


def _lengths() -> Iterator[Hostile]:
    most = _u32(_MOST)
    for what, tag in {"list": 108, "tuple": 105, "map": 116, "binary": 109, "bignum": 111}.items():
        yield _malformed(f"length 2^32-1 of a {what}", partial(b"".join, (bytes((tag,)), most, bytes(1000))))
    yield Hostile("length 2^32-1 of a frame", lambda: most + bytes(2**20), "frame_too_large")
    room = _LIMITS.max_frame_bytes
    yield Hostile("the largest frame, unfinished", lambda: _u32(room) + bytes(room - 1), INCOMPLETE)


def _single_terms() -> Iterator[Hostile]:
    yield _malformed("a bignum of 1 MB", lambda: b"\x6f" + _u32(2**20) + b"\0" + b"\xff" * 2**20)
    yield _malformed("a bomb of zlib, 1 GiB", lambda: b"\x50" + _u32(2**30) + bomb(2**30))
    yield _malformed("an atom of invalid UTF-8", lambda: b"\x76\x03\xe8" + b"\xff" * 1000)
    yield _malformed("an atom of 65,535 bytes", lambda: b"\x76\xff\xff" + b"a" * 65_535)
    yield _malformed("a float that is no number", lambda: b"\x46\x7f\xf8" + bytes(6))
    yield _malformed("16 MiB behind the term", lambda: b"\x6a" + bytes(_LIMITS.max_frame_bytes - 64))


def bomb(size: int) -> bytes:
    """`size` zeros in zlib's format, for whole MiB; a piece of them is compressed, and repeated."""
    deflate = zlib.compressobj(9)
    head = deflate.flush(zlib.Z_FULL_FLUSH)
    piece = deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    checksum = (size % 65_521) << 16 | 1  # Adler-32 of zeros
    return head + piece * (size // 2**20) + b"\x03\0" + _u32(checksum)


def _colliding() -> Iterator[Hostile]:
    """Bignums collide at will; of integers of 64 bits and floats a few dozen do, in as many maps as there is room."""
    for name, count in {
        "20,000 colliding keys": 20_000,
        "1,024 colliding bignums as keys": _LIMITS.max_map_pairs,
    }.items():
        yield _malformed(name, partial(_map, [_bignum(k * _MODULUS) + b"\x6a" for k in range(1, count + 1)]))
    floats = [b"\x46" + struct.pack(">d", value) + b"\x61\x01" for value in colliding_floats()]
    close = [_bignum(k << 53) + b"\x61\x01" for k in range(1, _LIMITS.max_map_pairs)]
    for what, pairs in {"colliding floats": floats, "close integers": close}.items():
        maps = _terms() // (1 + 2 * len(pairs))
        yield _no_message(f"many maps of {what}", partial(_list, maps, _map(pairs)))


def colliding_floats() -> list[float]:
    """Powers of two whose exponents differ by 61: all have the hash of 1, whatever the process."""
    return [2.0**power for power in range(-1074, 1024) if power % 61 == 0]


def _bignum(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return b"\x6e" + bytes((size, value < 0)) + abs(value).to_bytes(size, "little")


def _terms() -> int:
    """How many elements a list may have that is the whole term."""
    return _LIMITS.max_terms - 1


def _as_many_terms_as_permitted() -> Iterator[Hostile]:
    for name, terms, element in (
        ("NIL", 1, b"\x6a"),
        ("small integers", 1, b"\x61\x07"),
        ("integers", 1, b"\x62\x12\x34\x56\x78"),
        ("small bignums", 1, b"\x6e\x08\0" + b"\x7f" * 8),
        ("bignums of 40 bytes", 1, b"\x6f\0\0\0\x28\0" + b"\x7f" * 40),
        ("floats", 1, b"\x46\x3f\xf8" + bytes(6)),
        ("known atoms", 1, b"\x77\x02ok"),
        ("unknown atoms", 1, b"\x77\x02zz"),
        ("unknown old atoms", 1, b"\x64\0\x02\xe9\xe9"),
        ("binaries of 2 bytes", 1, b"\x6d\0\0\0\x02ab"),
        ("binaries of 50 bytes", 1, b"\x6d\0\0\0\x32" + b"b" * 50),
        ("strings of no byte", 1, b"\x6b\0\0"),
        ("strings of a byte", 2, b"\x6b\0\x01a"),
        ("empty tuples", 1, b"\x68\0"),
        ("empty maps", 1, b"\x74\0\0\0\0"),
        ("empty lists", 1, b"\x6c\0\0\0\0\x6a"),
        ("tuples of one", 2, b"\x68\x01\x61\x07"),
        ("lists of one", 2, b"\x6c\0\0\0\x01\x61\x07\x6a"),
        ("maps of one pair", 3, b"\x74\0\0\0\x01\x6d\0\0\0\x01k\x61\x07"),
        ("tuples 60 deep", 61, b"\x68\x01" * 60 + b"\x6a"),
    ):
        yield _no_message(f"most terms: {name}", partial(_list, _terms() // terms, element))


def _as_large_as_permitted() -> Iterator[Hostile]:
    room = _LIMITS.max_frame_bytes - 64
    wide = "\U0001f600".encode()  # with one such letter, Python takes four bytes for each of a text
    for what, first, piece in (
        ("", b"", b"b"),
        (", lines", b"", b"b\n"),
        (", wide", wide, b"b"),
        (", binary", b"\xff", b"b"),
    ):
        yield _no_message(f"the largest binary{what}", partial(_binary_of, first, piece, room))
    each = room // (_terms() // 2) - 5
    yield _no_message("the largest frame, binaries", lambda: _list(_terms() // 2, b"\x6d" + _u32(each) + b"b" * each))
    atoms = room // (_LIMITS.max_atom_bytes + 3)
    atom = b"\x76" + (_LIMITS.max_atom_bytes).to_bytes(2, "big") + "\U0001f600".encode() * (_LIMITS.max_atom_bytes // 4)
    yield _no_message("the largest frame, atoms", lambda: _list(atoms, atom))
    yield Hostile("exclude: most ids", _exclude, ACCEPTED, PERMITTED_MS)
    yield Hostile("params: most terms", _params, ACCEPTED, PERMITTED_MS)


def _binary_of(first: bytes, piece: bytes, room: int) -> bytes:
    raw = first + piece * ((room - len(first)) // len(piece))
    return b"\x6d" + _u32(len(raw)) + raw


def _exclude() -> bytes:
    ids = b"".join(b"\x6d\0\0\0\x24" + b"%036d" % number for number in range(_LIMITS.max_exclude))
    listed = b"\x6c" + _u32(_LIMITS.max_exclude) + ids + b"\x6a"
    return _call(b"\x77\x09recommend", _map([b"\x77\x04user\x61\x07", b"\x77\x07exclude" + listed]))


def _params() -> bytes:
    """As many hyper-parameters as a map may have, each with as many values as there is room for terms."""
    values = (_terms() - 100) // _LIMITS.max_map_pairs - 2
    pairs = [b"\x6d\0\0\0\x08%08d" % number + _list(values, b"\x61\x07") for number in range(_LIMITS.max_map_pairs)]
    return _call(b"\x77\x07retrain", _map([b"\x77\x06params" + _map(pairs)]))


def _call(op: bytes, args: bytes) -> bytes:
    return _framed(b"\x83\x68\x05\x77\x04call\x61\x01", op, args, b"\x77\x08infinity")
