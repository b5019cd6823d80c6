"""Limits that were lowered: said in hello, kept to by name, and never raised."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from port_worker.config import settings
from port_worker.host import WorkerError, WorkerHost, worker_command
from port_worker.sources.registry import open_source
from protocol.limits import FLOORS, Limits

LOWERED = {"max_frame_bytes": 16_384, "max_items": 500, "max_terms": 64, "max_exclude": 3}


def command(home: Path) -> list[str]:
    options = [word for name, value in LOWERED.items() for word in ("--limit", f"{name}={value}")]
    return [*worker_command(home), *options]


@pytest.fixture(scope="module")
def narrow(trained_home: Path) -> Iterator[WorkerHost]:
    with WorkerHost.start(command(trained_home)) as worker:
        yield worker


def failing(worker: WorkerHost, args: dict[str, object]) -> WorkerError:
    with pytest.raises(WorkerError) as caught:
        worker.call("recommend", args, timeout=20)
    assert worker.call("ping", timeout=20) == "pong"
    return caught.value


def test_hello_shows_the_limits_that_hold(narrow: WorkerHost) -> None:
    whole = {name: getattr(Limits(), name) for name in FLOORS}
    assert narrow.hello["limits"] == whole | LOWERED


def test_arguments_are_held_to_them(narrow: WorkerHost) -> None:
    assert (
        str(failing(narrow, {"user": 1, "n": 501})) == "invalid_argument: n: expected an integer from 1 to 500, got 501"
    )
    assert "exclude: expected at most 3 elements, got 4" in str(failing(narrow, {"user": 1, "exclude": [1, 2, 3, 4]}))


def test_terms_are_counted_to_them(narrow: WorkerHost) -> None:
    call_id = narrow.send_call("recommend", {"user": 1, "exclude": list(range(80))})
    error = narrow.poll(20.0)[0]
    assert getattr(error, "id", call_id) is None
    assert getattr(error, "code", "") == "malformed_term"
    assert "at most 64 terms" in getattr(error, "message", "")


def test_a_reply_that_is_too_large_is_refused_by_name(world_home: Path, tmp_path: Path) -> None:
    """Long ids make a reply of few items large."""
    source = tmp_path / "long.csv"
    rows = [f"{user},{'i' * 200}{item:03},1,{item}" for user in range(12) for item in range(90) if (user + item) % 4]
    source.write_text("user,item,label,time\n" + "\n".join(rows), encoding="utf-8")
    argv = [*worker_command(tmp_path / "home", str(source)), "--limit", "max_frame_bytes=16384"]
    with WorkerHost.start(argv) as worker:
        worker.call("retrain", {"algorithm": "ALS", "params": {"n_epochs": 1}}, timeout=120)
        error = failing(worker, {"user": "nobody", "n": 90})
        assert error.code == "reply_too_large"
        assert error.details["expected"] == "at most 16384 bytes"
        assert not error.retryable
        assert len(worker.call("recommend", {"user": "nobody", "n": 40}, timeout=20)["items"]) == 40


def test_a_frame_above_the_lowered_limit_ends_the_worker(trained_home: Path) -> None:
    ran = subprocess.run(command(trained_home), input=b"\0\0\x40\x01", capture_output=True, timeout=60, check=False)
    assert ran.returncode == 65
    assert b"expected at most 16384 bytes" in ran.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("max_terms=32769", "limits: expected max_terms from 64 to 32768, got 32769"),
        ("max_terms=63", "limits: expected max_terms from 64 to 32768, got 63"),
        ("max_terms", "limits: expected NAME=NUMBER, got 'max_terms'"),
        ("max_terms=-1", "limits: expected NAME=NUMBER, got 'max_terms=-1'"),
        ("max_terms=99999999999999999999", "limits: expected NAME=NUMBER"),
        ("max_friends=5", "limits: expected one of max_frame_bytes, "),
    ],
)
def test_a_limit_that_cannot_be_set_stops_the_start(text: str, why: str, tmp_path: Path) -> None:
    argv = [*worker_command(tmp_path), "--limit", text]
    ran = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert why in ran.stderr


def test_an_option_wins_over_the_environment(tmp_path: Path) -> None:
    environ = {"PORT_WORKER_LIMITS": "max_terms=100, max_depth=9", "PORT_WORKER_CODEC": "msgpack"}
    chosen = settings(tmp_path, limits=["max_terms=200"], environ=environ)
    assert (chosen.limits.max_terms, chosen.limits.max_depth, chosen.codec) == (200, 9, "msgpack")
    with pytest.raises(ValueError, match="codec: expected one of etf, msgpack, got 'json'"):
        settings(tmp_path, codec="json", environ={})


def test_every_floor_lets_the_protocol_itself_pass(trained_home: Path) -> None:
    argv = [*worker_command(trained_home)]
    for name, least in FLOORS.items():
        argv += ["--limit", f"{name}={least}"]
    user = open_source(str(trained_home / "world.sqlite")).sample_users(1)[0].id
    with WorkerHost.start(argv) as worker:
        assert len(worker.call("recommend", {"user": user, "n": 1}, timeout=20)["items"]) == 1
        assert worker.call("status", timeout=20)["state"] == "ready"
        assert worker.call("models", timeout=20)["active"]
