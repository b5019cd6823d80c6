"""A world of five interactions, and the types of what writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

WriteCsv = Callable[[str | bytes], Path]
WriteSqlite = Callable[..., Path]

SCHEMA = """
CREATE TABLE users (id, username, display_name);
CREATE TABLE items (id, kind, name, is_public);
CREATE TABLE interactions (user_id, item_id, kind, weight, time);
"""
USERS = [("u1", "ada", "Ada Bell"), ("u2", "bao", "Bao Ito")]
ITEMS = [("m1", "map", "Mossy Grove", 1), ("a1", "avatar", "Frosty Fox", 1), ("p1", "prop", "Secret Drum", 0)]
INTERACTIONS = [
    ("u1", "m1", "visit", 1.0, 100),
    ("u1", "a1", "visit", 1.0, 200),
    ("u1", "a1", "favourite", 3.0, 200),
    ("u1", "p1", "visit", 1.0, 300),
    ("u2", "m1", "visit", 1.0, 400),
]
