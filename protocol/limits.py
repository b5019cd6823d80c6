"""Every bound of the wire, with its reason. `hello` shows those that a host has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class TermLimits:
    """What one decoded term may hold. Counted before anything is allocated for it."""

    max_terms: int = 32_768
    """Terms in one frame; 30,000 ids to exclude fit. The costliest take 100 bytes of Python and a microsecond
    each, for two or three bytes on the wire: so no frame takes a tenth of a second, or 64 MiB with its buffers."""

    max_depth: int = 64
    """Nesting; a call needs 5, and 100,000 nested lists end CPython's or a C decoder's stack."""

    max_map_pairs: int = 1_024
    """Pairs of one map; arguments and hyper-parameters are tens. What has more is a column's business."""

    max_bignum_bytes: int = 64
    """Magnitude of a bignum; conversion is quadratic, and a 1 MB one takes 20 s."""

    max_atom_bytes: int = 1_020
    """255 characters of at most four UTF-8 bytes, which is the BEAM's own bound."""


@dataclass(frozen=True)
class Limits(TermLimits):
    """All that `hello` shows under `limits`. A worker may be given lower ones, never higher."""

    max_frame_bytes: int = 16 * 1024 * 1024
    """Payload of one frame either way. A million int64 ids in a column fit; a stray 'print' read as a length does
    not."""

    max_in_flight: int = 4_096
    """Calls accepted and not yet answered; past it `overloaded`. At 10,000 calls a second this is 0.4 s of waiting."""

    max_batch: int = 64
    """Calls of one model call: measured, larger batches add latency and no throughput."""

    max_bulk: int = 8
    """Bulk calls that wait, behind the one that is done; past it `overloaded`. Each takes seconds: more would only wait
    for longer than anybody does."""

    max_items: int = 10_000
    """Items that one call may ask for: a reply of 450 kB."""

    max_exclude: int = 30_000
    """Ids that one call may exclude."""

    max_users: int = 100_000
    """Users of one `recommend_many`: a column of them takes 1.6 MB as UUIDs, and two seconds of slices."""

    max_feedback: int = 100_000
    """Interactions of one `feedback`: four columns of 4.4 MB in all."""

    max_recent: int = 1_000
    """Ids of a sequence given in a call; models look at the last tens."""

    max_kinds: int = 256
    """Kinds that one call may name; a model tells no more apart."""

    max_features: int = 64
    """Features that one call may give; a data set has tens of columns."""

    max_id_bytes: int = 255
    """UTF-8 bytes of a user's or item's id; a UUID string has 36."""

    def lowered(self, changes: Mapping[str, int]) -> Limits:
        """These limits with some of them lowered. Raises ValueError that names the limit and its range."""
        for name, value in changes.items():
            if name not in FLOORS:
                raise ValueError(f"limits: expected one of {', '.join(FLOORS)}, got {name!r}")
            least, most = FLOORS[name], getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"limits: expected {name} from {least} to {most}, got {value}")
        return replace(self, **changes)


FLOORS: Mapping[str, int] = {
    "max_frame_bytes": 16 * 1024,
    "max_in_flight": 1,
    "max_batch": 1,
    "max_bulk": 1,
    "max_items": 1,
    "max_exclude": 0,
    "max_users": 1,
    "max_feedback": 1,
    "max_recent": 1,
    "max_kinds": 1,
    "max_features": 1,
    "max_id_bytes": 36,
    "max_terms": 64,
    "max_depth": 8,
    "max_map_pairs": 16,
    "max_bignum_bytes": 8,
    "max_atom_bytes": 64,
}
"""How low each may be set, so that every message of the protocol itself still passes."""

assert FLOORS.keys() == asdict(Limits()).keys()

MAX_CALL_ID = 2**63 - 1
"""Call ids are non-negative 64-bit integers, the host's to choose."""

MAX_DEADLINE_MS = 7 * 24 * 3600 * 1000
"""A week; longer than any training, and small enough for every clock."""

MAX_WEIGHT = 1_000_000_000
"""Of an interaction, either way: seconds of dwelling fit, and a sum of 100,000 of them is a finite float32."""

MAX_TIME = 2**53
"""Unix seconds: what a float64 holds exactly."""

MAX_BUDGET_S = 604_800
"""Seconds of one training: a week."""

MAX_FRAME_BYTES = Limits.max_frame_bytes
"""What a frame may hold where no worker has said less."""
