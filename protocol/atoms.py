"""Atoms: one type, equal whichever tag they came with, and the closed set that this protocol ever sends.

A host decodes with `binary_to_term(Bin, [safe])`, which refuses an atom that it does not know; so the worker sends only
these, and a client names them all in one place.
"""

from __future__ import annotations

from protocol.errors import CODES


class Atom(str):
    """An Erlang atom. Decoded binaries are `bytes` and never `str`, so the two cannot be taken for each other."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Atom({str.__repr__(self)})"


MESSAGE_TAGS = ("call", "cancel", "hello", "ok", "error", "progress", "event")
OPS = ("ping", "status", "recommend", "retrain", "models", "drain")
EVENTS = ("model_activated", "model_damaged", "draining")
STATES = ("starting", "ready", "draining", "closed")
PHASES = ("extract", "prepare", "fit", "export", "load")
VALUES = ("nil", "true", "false", "infinity", "pong", "model", "popular", "pairs", "columns")
COLUMNS = ("int64", "float32", "uuid")
ARGUMENTS = ("user", "n", "exclude", "form", "algorithm", "params")
KEYS = (
    *("protocol", "worker", "name", "version", "python", "os_pid", "ops", "limits"),
    *("max_frame_bytes", "max_in_flight", "max_batch", "max_items", "max_exclude", "max_id_bytes"),
    *("max_terms", "max_depth", "max_map_pairs", "max_bignum_bytes", "max_atom_bytes"),
    *("users", "items", "rows", "bytes", "created_at", "active", "damaged", "versions", "algorithm", "source"),
    *("exhausted", "state", "uptime_ms", "rss_bytes", "heavy_modules", "in_flight", "queued", "answered", "errors"),
    *("batches", "training", "code", "message", "retryable", "details", "phase", "share", "epoch", "epochs", "loss"),
    *("duration_ms", "completed", "ids", "scores"),
)

CLOSED_SET = frozenset((*MESSAGE_TAGS, *OPS, *EVENTS, *STATES, *PHASES, *VALUES, *COLUMNS, *ARGUMENTS, *KEYS, *CODES))
"""Every atom that a worker sends, and every atom that it understands."""
