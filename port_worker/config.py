"""Every setting, its default and its environment variable. An option of a program wins over the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from port_worker.evaluation.policy import GatePolicy
from protocol.codec import CODECS
from protocol.limits import Limits

WORLD_FILE = "world.sqlite"
DEFAULT_ALGORITHM = "ALS"
INDEXES = ("auto", "exact", "approximate")
MAX_THREADS = 256
_MOST_DIGITS = 12


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

    codec: str = "etf"
    """How terms are written as bytes: `etf`, or `msgpack` for hosts that are not on the BEAM. PORT_WORKER_CODEC."""

    limits: Limits = field(default_factory=Limits)
    """What one host may ask of it, as `hello` says. PORT_WORKER_LIMITS lowers some: `max_terms=1000,max_depth=8`."""

    record: Path | None = None
    """Where every frame of the session is written down, for `port-worker inspect`. PORT_WORKER_RECORD."""

    index: str = "auto"
    """How an embedding model finds the best items: `exact`; `approximate`, by an index that is built at training; or
    `auto`: that above a size where it pays. PORT_WORKER_INDEX."""

    threads: int = 1
    """Threads of one model call: the trainer and the host want the other cores. PORT_WORKER_THREADS."""

    gate: GatePolicy = field(default_factory=GatePolicy)
    """What a trained model has to prove before it answers. PORT_WORKER_GATE_TOLERANCE: by what share its NDCG may be
    below the active model's. PORT_WORKER_GATE_MINIMUM_USERS: with fewer nothing is judged. PORT_WORKER_FINAL_FIT:
    whether a model that was good enough is fitted once more with what was held out, `yes` or `no`."""

    keep_variables: bool = True
    """Whether a version keeps what `retrain` with mode incremental or warm starts from: about as many bytes again as
    its model. PORT_WORKER_KEEP_VARIABLES, `yes` or `no`."""

    write_stall_seconds: float = 60.0
    """How long a host may leave replies unread before it is taken for dead. PORT_WORKER_WRITE_STALL_SECONDS."""

    @property
    def models(self) -> Path:
        """The model store."""
        return self.home / "models"

    @property
    def live(self) -> Path:
        """What was fed and hidden since the models were trained."""
        return self.home / "live.sqlite"

    @property
    def training_log(self) -> Path:
        """What the trainer and its libraries print."""
        return self.home / "logs" / "training.log"


def settings(
    home: Path | None = None,
    source: str | None = None,
    algorithm: str | None = None,
    *,
    codec: str | None = None,
    limits: Sequence[str] = (),
    record: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from options, then the environment, then the defaults. Raises ValueError naming what cannot be used.

    `limits` are texts such as `max_terms=1000`; each wins over the environment's.
    """
    chosen = (home or default_home()).expanduser().absolute()
    return Settings(
        home=chosen,
        source=source or environ.get("PORT_WORKER_SOURCE") or f"sqlite:{chosen / WORLD_FILE}",
        algorithm=algorithm or environ.get("PORT_WORKER_ALGORITHM") or DEFAULT_ALGORITHM,
        codec=_codec(codec or environ.get("PORT_WORKER_CODEC") or "etf"),
        limits=_limits([*filter(None, environ.get("PORT_WORKER_LIMITS", "").split(",")), *limits]),
        record=_path(record or environ.get("PORT_WORKER_RECORD")),
        index=_index(environ.get("PORT_WORKER_INDEX") or "auto"),
        threads=_threads(environ.get("PORT_WORKER_THREADS") or "1"),
        gate=_gate(environ),
        keep_variables=_yes(environ, "PORT_WORKER_KEEP_VARIABLES"),
        write_stall_seconds=_positive(environ, "PORT_WORKER_WRITE_STALL_SECONDS", 60.0),
    )


def _codec(name: str) -> str:
    if name not in CODECS:
        raise ValueError(f"codec: expected one of {', '.join(CODECS)}, got {name!r}")
    return name


def _index(name: str) -> str:
    if name not in INDEXES:
        raise ValueError(f"PORT_WORKER_INDEX: expected one of {', '.join(INDEXES)}, got {name!r}")
    return name


def _threads(text: str) -> int:
    return _whole("PORT_WORKER_THREADS", text, 1, MAX_THREADS)


def _gate(environ: Mapping[str, str]) -> GatePolicy:
    tolerance = environ.get("PORT_WORKER_GATE_TOLERANCE")
    users = environ.get("PORT_WORKER_GATE_MINIMUM_USERS")
    return GatePolicy(
        tolerance=_share("PORT_WORKER_GATE_TOLERANCE", tolerance) if tolerance else GatePolicy.tolerance,
        minimum_users=(
            _whole("PORT_WORKER_GATE_MINIMUM_USERS", users, 1, 10**9) if users else GatePolicy.minimum_users
        ),
        final_fit=_yes(environ, "PORT_WORKER_FINAL_FIT"),
    )


def _yes(environ: Mapping[str, str], name: str) -> bool:
    """The default is yes."""
    text = environ.get(name) or "yes"
    if text not in ("yes", "no"):
        raise ValueError(f"{name}: expected yes or no, got {text!r}")
    return text == "yes"


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or not least <= int(text) <= most:
        raise ValueError(f"{name}: expected a whole number from {least} to {most}, got {text!r}")
    return int(text)


def _share(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected a number from 0 to 1, got {text!r}")
    return value


def _limits(texts: Sequence[str]) -> Limits:
    lowered: dict[str, int] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not value.isascii() or not value.isdigit() or len(value) > _MOST_DIGITS:
            raise ValueError(f"limits: expected NAME=NUMBER, got {text!r}")
        lowered[name] = int(value)
    return Limits().lowered(lowered)


def _path(text: Path | str | None) -> Path | None:
    return Path(text).expanduser().absolute() if text else None


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
