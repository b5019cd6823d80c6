"""What sections of the bench of serving may have found, all goals reached."""

from __future__ import annotations

from typing import Any

from port_worker.bench.serving.embedding import WORKER
from port_worker.bench.serving.network_peer import two_stage
from port_worker.bench.serving.peers import APPROXIMATE, ARITHMETIC, FAISS, LIBRECOMMENDER


def world(items: int = 100_000, factors: int = 16, **ratios: float | None) -> dict[str, Any]:
    reached = {"worker_over_librecommender": 5.0, "worker_to_faiss": 1.3, "arithmetic_to_faiss": 1.3}
    ms = {WORKER: 0.2, LIBRECOMMENDER: 1.0, FAISS: 0.1, ARITHMETIC: 0.1}
    rows = [{"in_flight": in_flight, "ms": ms, **reached, **ratios} for in_flight in (1, 64)]
    return {"items": items, "factors": factors, "users": 5000, "rows": rows, "calls_per_s": 6500.0}


def embedding(*worlds: dict[str, Any]) -> dict[str, Any]:
    return {"worlds": list(worlds), "missing": {}}


def approximate(items: int = 1_000_000, recall: float = 0.95, times: float = 10.0) -> dict[str, Any]:
    names = (ARITHMETIC, APPROXIMATE, "worker, exact", "worker, approximate")
    row = {"ms": dict.fromkeys(names, 1.0), "arithmetic_times": times, "worker_times": times}
    rows = [{"in_flight": 1, **row}, {"in_flight": 64, **row, "arithmetic_times": 0.1}]
    return {"items": items, "factors": 64, "recall": recall, "rows": rows}


def network(
    name: str = "DIN", items: int = 100_000, full: float = 1.0, stages: float = 20.0, memory: int | None = 10**9
) -> dict[str, Any]:
    return {
        "network": name,
        "items": items,
        "agreement": 1.0,
        "ms": {LIBRECOMMENDER: 60.0, WORKER: 50.0, two_stage(200): 1.0, two_stage(500): 2.0},
        "librecommender_to_worker": full,
        "two_stage": [
            {"candidates": count, "full_to_two_stage": stages, "librecommender_to_two_stage": 30.0, "recall": 0.5}
            for count in (200, 500)
        ],
        "memory": memory,
    }


def networks(*found: dict[str, Any]) -> dict[str, Any]:
    return {"networks": list(found), "missing": None}


def boot(items: int = 1_000_000, own: int | None = 400_000_000, **changed: float | None) -> dict[str, Any]:
    reached = {
        "spawns": 7,
        "python_s": 0.1,
        "ready_s": 0.5,
        "first_ms": 1.0,
        "later_ms": 0.5,
        "first_to_later": 2.0,
        "own_resident": 120e6,
    }
    held = {"resident": 5, "proportional": 4, "files_resident": 3, "files_proportional": 2}
    shared = {"items": items, "factors": 64, "files": 2 * 10**8, "held": held, "own_proportional": own}
    return {"boot": reached | changed, "shared": shared}


def bulk(users: int = 100_000, times: float = 2.0) -> dict[str, Any]:
    latencies = {"p50": 1.0, "p99": 2.0, "max": 3.0}
    return {
        "items": 100_000,
        "users": users,
        "users_per_s": 9000.0,
        "alone": latencies,
        "beside": latencies,
        "p99_times": times,
    }
