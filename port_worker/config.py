"""Every setting, its default and its environment variable. An option of a program wins over the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WORLD_FILE = "world.sqlite"
DEFAULT_ALGORITHM = "ALS"


def default_home() -> Path:
    """Where data, models and history live when nobody says: PORT_WORKER_HOME, else the system's place for user data."""
    given = os.environ.get("PORT_WORKER_HOME")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("port_worker")


@dataclass(frozen=True)
class Settings:
    """What a worker is told at its start."""

    home: Path
    """Folder of this worker's data: `world.sqlite`, `models/`, `logs/`. Variable: PORT_WORKER_HOME."""

    source: str
    """Where `retrain` reads interactions: `sqlite:PATH`, `csv:PATH`, `parquet:PATH` or a path. PORT_WORKER_SOURCE."""

    algorithm: str
    """What `retrain` trains when the call names none. PORT_WORKER_ALGORITHM."""

    write_stall_seconds: float = 60.0
    """How long a host may leave replies unread before it is taken for dead. PORT_WORKER_WRITE_STALL_SECONDS."""

    @property
    def models(self) -> Path:
        """The model store."""
        return self.home / "models"

    @property
    def training_log(self) -> Path:
        """What the trainer and its libraries print."""
        return self.home / "logs" / "training.log"


def settings(
    home: Path | None = None,
    source: str | None = None,
    algorithm: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from options, then the environment, then the defaults. Raises ValueError naming the variable."""
    chosen = (home or default_home()).expanduser().absolute()
    return Settings(
        home=chosen,
        source=source or environ.get("PORT_WORKER_SOURCE") or f"sqlite:{chosen / WORLD_FILE}",
        algorithm=algorithm or environ.get("PORT_WORKER_ALGORITHM") or DEFAULT_ALGORITHM,
        write_stall_seconds=_positive(environ, "PORT_WORKER_WRITE_STALL_SECONDS", 60.0),
    )


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{name}: expected a number above 0, got {text!r}")
    return value
