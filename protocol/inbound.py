"""What a host says, as messages: the usual calls straight on, in under half of the time that the decoder takes.

Usual is `{call, Id, Op, Args, DeadlineMs | infinity}` as External Term Format whose ops and arguments have the names
that there are, and whose values are binaries, small integers or known atoms. Whatever is different, wrong or near a
limit is the decoder's.
"""

from __future__ import annotations

import struct
from typing import Any

from protocol.atoms import ARGUMENTS, OPS
from protocol.codec import ETF, Codec
from protocol.limits import MAX_DEADLINE_MS, TermLimits
from protocol.messages import Call, Inbound, parse_inbound
from protocol.refusal import KNOWN_ATOMS

_HEAD = b"\x83h\x05w\x04call"
_INFINITY = b"w\x08infinity"
_SMALL_INTEGER, _INTEGER, _BINARY, _MAP, _ATOM = 97, 98, 109, 116, 119

_MOST_PAIRS = 8
_MOST_TERMS = 6 + 2 * _MOST_PAIRS
_DEPTH = 2

_OPS = {name.encode(): name for name in OPS}
_NAMES = {name.encode(): name for name in ARGUMENTS}
_u32_at = struct.Struct(">I").unpack_from
_i32_at = struct.Struct(">i").unpack_from


def read_inbound(payload: bytes, codec: Codec, limits: TermLimits) -> Inbound:
    """As `parse_inbound`, which it turns to. Raises as that does."""
    usual = usual_call(payload, limits) if codec is ETF else None
    return parse_inbound(payload, codec, limits) if usual is None else usual


def usual_call(data: bytes, limits: TermLimits) -> Call | None:
    """The call that `data` is; None if the decoder has to look at it."""
    if not data.startswith(_HEAD) or _is_limited(limits):
        return None
    try:
        return _read(data, len(_HEAD))
    except (IndexError, KeyError, struct.error):  # it ends too early, or an atom is nobody's
        return None


def _is_limited(limits: TermLimits) -> bool:
    return limits.max_terms < _MOST_TERMS or limits.max_map_pairs < _MOST_PAIRS or limits.max_depth < _DEPTH


def _read(data: bytes, pos: int) -> Call | None:  # noqa: C901  a call a term would double its time
    if data[pos] == _INTEGER:
        call_id = _i32_at(data, pos + 1)[0]
        pos += 5
    elif data[pos] == _SMALL_INTEGER:
        call_id = data[pos + 1]
        pos += 2
    else:
        return None
    end = pos + 2 + data[pos + 1]
    op = _OPS.get(data[pos + 2 : end])
    if op is None or call_id < 0 or data[pos] != _ATOM or data[end] != _MAP:
        return None
    count = _u32_at(data, end + 1)[0]
    if count > _MOST_PAIRS:
        return None
    pos = end + 5
    args: dict[str, Any] = {}
    for _ in range(count):
        end = pos + 2 + data[pos + 1]
        name = _NAMES.get(data[pos + 2 : end])
        if name is None or data[pos] != _ATOM:
            return None
        tag = data[end]
        if tag == _BINARY:
            start = end + 5
            pos = start + _u32_at(data, end + 1)[0]
            args[name] = data[start:pos]
        elif tag == _SMALL_INTEGER:
            args[name] = data[end + 1]
            pos = end + 2
        elif tag == _ATOM:
            pos = end + 2 + data[end + 1]
            args[name] = KNOWN_ATOMS[data[end + 2 : pos]]
        else:
            return None
    if len(args) != count:
        return None
    rest = data[pos:]
    return Call(call_id, op, args) if rest == _INFINITY else _with_deadline(call_id, op, args, rest)


def _with_deadline(call_id: int, op: str, args: dict[str, Any], rest: bytes) -> Call | None:
    if rest[0] == _INTEGER and len(rest) == 5:
        deadline_ms = _i32_at(rest, 1)[0]
    elif rest[0] == _SMALL_INTEGER and len(rest) == 2:
        deadline_ms = rest[1]
    else:
        return None
    return Call(call_id, op, args, deadline_ms) if 0 <= deadline_ms <= MAX_DEADLINE_MS else None
