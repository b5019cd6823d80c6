"""A session that talks to a fake worker about a small world of two users and three items."""

from __future__ import annotations

import sqlite3
import struct
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from port_worker.host import WorkerError, WorkerGone
from port_worker.repl.session import Session
from port_worker.repl.world import World, choose_world

ADA, BO = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
FOX, CAVE, LAMP = (f"1111111{digit}-0000-4000-8000-00000000000{digit}" for digit in "123")


class FakeHost:
    """Answers as a worker does; `answers` overrides the answer to an op, with a value or an exception."""

    def __init__(self, model: str | None = "ALS") -> None:
        self.hello: dict[str, Any] = {}
        self.algorithm = model
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.is_dead = False
        self.is_closed = False

    @property
    def ops_called(self) -> list[str]:
        return [op for op, _args in self.calls if op != "status"]

    def call(
        self,
        op: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> Any:
        self.calls.append((op, dict(args or {})))
        answer = self.answers.get(op, getattr(self, f"_{op}", None))
        if isinstance(answer, BaseException):
            raise answer
        return answer(dict(args or {}), on_progress) if callable(answer) else answer

    def poll(self, timeout: float = 0.0) -> list[Any]:
        if self.is_dead:
            raise WorkerGone("the worker ended with status -9", -9)
        return []

    def raw_exchange(self, payload: bytes, timeout: float = 5.0) -> list[bytes]:
        return [payload]

    def close(self, grace: float = 5.0) -> int:
        self.is_closed = True
        return 0

    def _ping(self, _args: dict[str, Any], _progress: object) -> str:
        return "pong"

    def _status(self, _args: dict[str, Any], _progress: object) -> dict[str, Any]:
        model = self.algorithm and {"algorithm": self.algorithm, "version": "v1", "users": 2, "items": 3}
        return {"state": "ready", "os_pid": 12345, "rss_bytes": 61_000_000, "heavy_modules": [], "model": model}

    def _recommend(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        if self.algorithm is None:
            raise WorkerError("no_model", "no model has been trained yet", retryable=True, details={})
        source = "model" if args["user"] in (ADA, BO) else "popular"
        items = [(FOX, 0.75), (CAVE, 0.5)]
        exhausted = args.get("n", 10) > len(items)
        facts = {"source": source, "model": "v1", "exhausted": exhausted, "scored": len(items), "ignored": []}
        return {"items": items, **facts}

    def _recommend_many(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        """Two places each, of which those after the first user's have one left."""
        users = len(args["users"])
        places, scores = [1, 0] + [0, -1] * (users - 1), [0.75, 0.5] + [0.25, 0.0] * (users - 1)
        return {
            "ids": ("uuid", uuid.UUID(FOX).bytes + uuid.UUID(CAVE).bytes),
            "items": ("int32", struct.pack(f"<{len(places)}i", *places)),
            "scores": ("float32", struct.pack(f"<{len(scores)}f", *scores)),
            "sources": ("uint8", bytes([0] + [1] * (users - 1))),
            "source_names": ["model", "popular"],
            "n": 2,
            "model": "v1",
        }

    def _similar(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        metric = args.get("metric", "cosine")
        return {"items": [(CAVE, 0.5)], "model": "v1", "metric": metric, "exhausted": True}

    def _score(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        known = {FOX: 0.75, CAVE: 0.5}
        return {"scores": [known.get(item) for item in args["items"]], "source": "model", "model": "v1"}

    def _explain(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        items = [(CAVE, 0.25)] if args["user"] == ADA else []
        return {"items": items, "score": 0.75, "source": "model", "model": "v1", "method": "exact"}

    def _feedback(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        strange = int(args["user"] not in (ADA, BO))
        return {"accepted": 1, "unknown_users": strange, "unknown_items": 0, "stored": 7}

    def _hide_items(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        return {"changed": len(args["items"]), "hidden": 4, "unknown": 1}

    def _show_items(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        return {"changed": len(args["items"]), "hidden": 3, "unknown": 0}

    def _models(self, _args: dict[str, Any], _progress: object) -> dict[str, Any]:
        version: dict[str, Any] = dict.fromkeys(("created_at", "rows", "users", "items", "bytes"), 1)
        version |= {"algorithm": "ALS", "kind": "embedding", "facts": {}, "damaged": None}
        return {
            "active": "v2",
            "versions": [{**version, "version": name, "active": name == "v2"} for name in ("v2", "v1")],
        }

    def _activate(self, args: dict[str, Any], _progress: object) -> dict[str, Any]:
        return {"version": args["version"], "algorithm": "ALS", "previous": "v2"}

    def _rollback(self, _args: dict[str, Any], _progress: object) -> dict[str, Any]:
        return {"version": "v1", "algorithm": "ALS", "previous": None}

    def _retrain(self, args: dict[str, Any], progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        self.algorithm = args.get("algorithm") or f"{args['retriever']}+{args['ranker']}"
        progress({"phase": "fit", "share": 0.5, "epoch": 1, "epochs": 2, "loss": 0.25, "rows": None})
        counts = {"rows": 4, "users": 2, "items": 3, "duration_ms": 1500, "skipped": 0}
        figures = {"recall": 0.5, "ndcg": 0.25, "map": 0.125, "coverage": 1.0, "novelty": 3.5}
        measured = {"candidate": figures, "popularity": {**figures, "ndcg": 0.0625}, "active": None}
        about = {"users": 200, "cutoff": 10, "basis": None, "compared_users": None}
        return {
            "version": "v2",
            "algorithm": self.algorithm,
            "mode": str(args.get("mode", "full")),
            **counts,
            "activated": args.get("activate") != "never",
            "reason": "better than popularity",
            "evaluation": {**about, **measured},
        }


class Notes:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.progress: list[Mapping[str, Any]] = []

    def note(self, text: str) -> None:
        self.said.append(text)

    def training(self, algorithm: str) -> Any:
        self.said.append(f"training {algorithm}")
        return nullcontext(self.progress.append)


class Bench:
    """A session with what it talks to; `hosts` are spawned from left to right."""

    def __init__(self, world: World, *hosts: FakeHost, algorithm: str | None = None) -> None:
        self.notes = Notes()
        self.spawned: list[FakeHost] = []
        self._hosts = list(hosts)
        self.session = Session(world, self.notes, algorithm, self._spawn)

    def _spawn(self) -> FakeHost:
        self.spawned.append(self._hosts.pop(0))
        return self.spawned[-1]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with names, in SQLite. `Ada Reyes` visited the map and liked it."""
    monkeypatch.delenv("PORT_WORKER_SOURCE", raising=False)
    monkeypatch.delenv("PORT_WORKER_ALGORITHM", raising=False)
    with closing(sqlite3.connect(tmp_path / "world.sqlite")) as connection:
        connection.executescript(
            f"""
            CREATE TABLE users (id TEXT, username TEXT, display_name TEXT);
            CREATE TABLE items (id TEXT, kind TEXT, name TEXT, is_public INTEGER);
            CREATE TABLE interactions (user_id TEXT, item_id TEXT, kind TEXT, weight REAL, time INTEGER);
            INSERT INTO users VALUES ('{ADA}', 'ada_reyes', 'Ada Reyes'), ('{BO}', 'bo', 'Bo [red]Lind');
            INSERT INTO items VALUES ('{FOX}', 'avatar', 'Neon Fox', 1), ('{CAVE}', 'map', 'Wet Cave', 1),
                                     ('{LAMP}', 'prop', 'Old Lamp', 1);
            INSERT INTO interactions VALUES ('{ADA}', '{CAVE}', 'visit', 1.0, 1767225600),
                                            ('{ADA}', '{CAVE}', 'favourite', 3.0, 1767225660),
                                            ('{BO}', '{LAMP}', 'visit', 1.0, 1767225700);
            """
        )
    return choose_world(tmp_path, None)
