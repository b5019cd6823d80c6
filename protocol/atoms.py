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
OPS = (
    *("ping", "status", "recommend", "recommend_many", "similar", "score", "explain", "feedback", "hide_items"),
    *("show_items", "retrain", "models", "activate", "rollback", "drain"),
)
EVENTS = ("model_activated", "model_damaged", "draining")
STATES = ("starting", "ready", "draining", "closed")
PHASES = ("extract", "prepare", "fit", "evaluate", "final_fit", "export", "load")
VALUES = (
    *("nil", "true", "false", "infinity", "pong", "model", "fold_in", "features", "popular", "pairs", "columns"),
    *("cosine", "dot", "exact", "similarity", "full", "incremental", "warm", "gated", "force", "never"),
    *("holdout", "newer", "recorded"),
)
COLUMNS = ("int64", "float32", "uuid", "int32", "uint8")
ARGUMENTS = (
    *("user", "n", "exclude", "form", "kinds", "filter_consumed", "diversity", "recent", "features", "users", "item"),
    *("metric", "items", "weight", "time", "weights", "times", "algorithm", "params", "retriever", "ranker"),
    *("retriever_params", "candidates", "source", "mode", "epochs", "seed", "budget_s", "activate", "version"),
)
KEYS = (
    *("protocol", "worker", "name", "version", "python", "os_pid", "ops", "limits"),
    *("max_frame_bytes", "max_in_flight", "max_batch", "max_bulk", "max_items", "max_exclude", "max_users"),
    *("max_feedback", "max_recent", "max_kinds", "max_features", "max_id_bytes"),
    *("max_terms", "max_depth", "max_map_pairs", "max_bignum_bytes", "max_atom_bytes"),
    *("users", "items", "rows", "bytes", "created_at", "active", "damaged", "versions", "algorithm", "kind", "options"),
    *("facts", "source", "exhausted", "ignored", "scored", "ids", "scores", "sources", "source_names", "n", "metric"),
    *("score", "method", "accepted", "unknown_users", "unknown_items", "stored", "changed", "hidden", "unknown"),
    *("state", "uptime_ms", "rss_bytes", "heavy_modules", "in_flight", "queued", "bulk_queued", "answered", "errors"),
    *("batches", "batch_mean", "batch_max", "queue_ms_mean", "queue_ms_max", "service_ms_mean", "service_ms_max"),
    *("feedback_rows", "hidden_items", "training", "code", "message", "retryable", "details"),
    *("phase", "share", "epoch", "epochs", "loss", "duration_ms", "completed", "seconds_left", "activated", "reason"),
    *("evaluation", "cutoff", "recall", "ndcg", "map", "coverage", "novelty", "candidate", "popularity", "basis"),
    *("compared_users", "standard_error", "mode", "previous", "skipped"),
)

CLOSED_SET = frozenset((*MESSAGE_TAGS, *OPS, *EVENTS, *STATES, *PHASES, *VALUES, *COLUMNS, *ARGUMENTS, *KEYS, *CODES))
"""Every atom that a worker sends, and every atom that it understands."""
