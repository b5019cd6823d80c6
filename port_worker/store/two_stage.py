"""A version with the files of an embedding model and of a ranking network, which orders what the first retrieves."""

from __future__ import annotations

KIND = "two_stage"
"""What a manifest calls a version that holds both."""
