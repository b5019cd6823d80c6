"""Settings of the model store: what is taken, and what is refused by its variable's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from port_worker.config import settings


def test_without_settings_the_home_has_the_store(tmp_path: Path) -> None:
    chosen = settings(home=tmp_path, environ={})
    assert (chosen.models, chosen.remote) == (tmp_path / "models", None)
    assert (chosen.keep_versions, chosen.watch_seconds, chosen.threads) == (5, 5.0, 1)


def test_a_store_is_a_folder_or_a_url_whose_cache_the_home_has(tmp_path: Path) -> None:
    folder = settings(home=tmp_path, environ={"PORT_WORKER_STORE": "/srv/models"})
    assert (folder.models, folder.remote) == (Path("/srv/models"), None)
    remote = settings(home=tmp_path, environ={"PORT_WORKER_STORE": "s3://bucket/prefix"})
    assert (remote.models, remote.remote) == (tmp_path / "models", "s3://bucket/prefix")


def test_the_watch_may_be_off(tmp_path: Path) -> None:
    assert settings(home=tmp_path, environ={"PORT_WORKER_WATCH_SECONDS": "0"}).watch_seconds == 0.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("PORT_WORKER_KEEP_VERSIONS", text) for text in ("0", "-1", "1.5", "many", "10001", "9" * 5000)),
        *(("PORT_WORKER_THREADS", text) for text in ("0", "257", "\u0661")),
        *(("PORT_WORKER_WATCH_SECONDS", text) for text in ("-1", "nan", "inf", "soon")),
        *(("PORT_WORKER_WRITE_STALL_SECONDS", text) for text in ("0", "-1", "nan", "inf", "soon")),
        *(("PORT_WORKER_STORE", text) for text in ("s3://", "://x", "s 3://bucket", "file:///")),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got '"):
        settings(home=tmp_path, environ={name: text})
