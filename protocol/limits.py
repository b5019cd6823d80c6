"""Every bound of the wire, with its reason. `hello` shows those that a host has to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TermLimits:
    """What one decoded term may hold. Counted before anything is allocated for it."""

    max_terms: int = 1_000_000
    """Terms in one frame; 16 MiB of one-byte NILs would otherwise become 1.2 GB of Python objects."""

    max_depth: int = 64
    """Nesting; a call needs 4, and 100,000 nested lists end CPython's or a C decoder's stack."""

    max_map_pairs: int = 1_024
    """Pairs of one map; arguments and hyper-parameters are tens, and keys that collide cost the square of it."""

    max_bignum_bytes: int = 64
    """Magnitude of a bignum; conversion is quadratic, and a 1 MB one takes 20 s."""

    max_atom_bytes: int = 1_020
    """255 characters of at most four UTF-8 bytes, which is the BEAM's own bound."""


MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Payload of one frame either way: a million int64 ids in a column fit; a stray 'print' read as a length does not."""

MAX_IN_FLIGHT = 4_096
"""Calls accepted and not yet answered; past it `overloaded`. At 10,000 calls a second this is 0.4 s of waiting."""

MAX_BATCH = 64
"""Calls of one model call: measured, larger batches add latency and no throughput."""

MAX_ITEMS = 10_000
"""Items that one call may ask for: a reply of 450 kB."""

MAX_EXCLUDE = 100_000
"""Ids that one call may exclude."""

MAX_ID_BYTES = 255
"""UTF-8 bytes of a user's or item's id; a UUID string has 36."""

MAX_CALL_ID = 2**63 - 1
"""Call ids are non-negative 64-bit integers, the host's to choose."""

MAX_DEADLINE_MS = 7 * 24 * 3600 * 1000
"""A week; longer than any training, and small enough for every clock."""
