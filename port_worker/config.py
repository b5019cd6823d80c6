"""Every setting, its default and its environment variable. An option of a program wins over the environment, and that
over the configuration file, which has what is too long for either: the sources by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from port_worker.configured_sources import definitions
from port_worker.evaluation.policy import GatePolicy
from port_worker.sources.definition import DEFAULT_NAME, SourceDefinition
from port_worker.sources.errors import SourceError
from port_worker.toml_table import TomlTable, read_toml
from port_worker.training import memory
from protocol.codec import CODECS
from protocol.limits import Limits

WORLD_FILE = "world.sqlite"
CONFIG_FILE = "port_worker.toml"
DEFAULT_ALGORITHM = "ALS"
INDEXES = ("auto", "exact", "approximate")
MAX_THREADS = 256
MAX_KEPT_VERSIONS = 10_000
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

    sources: Mapping[str, SourceDefinition]
    """Where `retrain` reads interactions, by name: the tables `[sources.NAME]` of the configuration file, and `default`
    for a location that an option or PORT_WORKER_SOURCE gives. The file is `port_worker.toml` of the home, or that of
    PORT_WORKER_CONFIG."""

    default_source: str
    """The name of the source that `retrain` reads when a call names none. `default_source` in the file; an option or
    PORT_WORKER_SOURCE wins, which is a location or a name."""

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

    trainer_memory: int | None = None
    """Bytes that a training may have resident, None for no limit. PORT_WORKER_TRAINER_MEMORY: `4GiB`, bytes, a share of
    the memory that there is (75% where nobody says), or `none`."""

    store: str = ""
    """Where model versions are kept: a folder, or a URL such as `s3://bucket/prefix` that fsspec reads, of which the
    home's `models/` is the cache then. Empty: that folder alone. PORT_WORKER_STORE."""

    keep_versions: int = 5
    """How many of the newest model versions an activation leaves in the store. PORT_WORKER_KEEP_VERSIONS."""

    watch_seconds: float = 5.0
    """How often to look for a version that another process has activated; 0 is never. PORT_WORKER_WATCH_SECONDS."""

    keep_variables: bool = True
    """Whether a version keeps what `retrain` with mode incremental or warm starts from: about as many bytes again as
    its model. PORT_WORKER_KEEP_VARIABLES, `yes` or `no`."""

    write_stall_seconds: float = 60.0
    """How long a host may leave replies unread before it is taken for dead. PORT_WORKER_WRITE_STALL_SECONDS."""

    @property
    def source(self) -> SourceDefinition:
        """The source that `retrain` reads when a call names none."""
        return self.sources[self.default_source]

    def source_named(self, name: str) -> SourceDefinition:
        """The source of that name. Raises SourceError `invalid_argument`, which lists the names there are."""
        if name not in self.sources:
            known = sorted(self.sources)
            message = f"source: expected one of {', '.join(known)}, got {name!r}"
            raise SourceError("invalid_argument", message, {"field": "source", "known": known, "got": name})
        return self.sources[name]

    @property
    def models(self) -> Path:
        """The model store's folder, or the cache of the remote one."""
        return Path(self.store) if self.store and self.remote is None else self.home / "models"

    @property
    def remote(self) -> str | None:
        """The model store's URL, where it has one."""
        return self.store if "://" in self.store else None

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
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings from options, then the environment, then the configuration file, then the defaults.

    Raises ValueError naming what cannot be used; of the file ConfigError, which is one.

    `limits` are texts such as `max_terms=1000`; each wins over the environment's.
    """
    chosen = (home or default_home()).expanduser().absolute()
    default, sources = _sources(_file(chosen, config, environ), source or environ.get("PORT_WORKER_SOURCE"), chosen)
    return Settings(
        home=chosen,
        sources=sources,
        default_source=default,
        algorithm=algorithm or environ.get("PORT_WORKER_ALGORITHM") or DEFAULT_ALGORITHM,
        codec=_codec(codec or environ.get("PORT_WORKER_CODEC") or "etf"),
        limits=_limits([*filter(None, environ.get("PORT_WORKER_LIMITS", "").split(",")), *limits]),
        record=_path(record or environ.get("PORT_WORKER_RECORD")),
        index=_index(environ.get("PORT_WORKER_INDEX") or "auto"),
        threads=_whole(environ, "PORT_WORKER_THREADS", 1, MAX_THREADS),
        gate=_gate(environ),
        trainer_memory=memory.parse_limit(
            "PORT_WORKER_TRAINER_MEMORY", environ.get("PORT_WORKER_TRAINER_MEMORY") or memory.SHARE
        ),
        store=_store(environ.get("PORT_WORKER_STORE") or ""),
        keep_versions=_whole(environ, "PORT_WORKER_KEEP_VERSIONS", 5, MAX_KEPT_VERSIONS),
        watch_seconds=_seconds(environ, "PORT_WORKER_WATCH_SECONDS", 5.0),
        keep_variables=_yes(environ, "PORT_WORKER_KEEP_VARIABLES"),
        write_stall_seconds=_positive(environ, "PORT_WORKER_WRITE_STALL_SECONDS", 60.0),
    )


def _file(home: Path, config: Path | None, environ: Mapping[str, str]) -> tuple[TomlTable, Path]:
    """The configuration file's content, and the folder that its paths start from. It may be absent where unnamed."""
    named = _path(config or environ.get("PORT_WORKER_CONFIG"))
    if named is None and not (home / CONFIG_FILE).exists():
        return TomlTable(home / CONFIG_FILE, "", {}), home
    file = named or home / CONFIG_FILE
    return read_toml(file), file.parent


def _sources(
    file: tuple[TomlTable, Path], chosen: str | None, home: Path
) -> tuple[str, Mapping[str, SourceDefinition]]:
    """The name of the default source, and all sources by name; `chosen` is a name or a location."""
    top, folder = file
    named, found = top.text("default_source"), definitions(top.table("sources"), folder)
    top.finish()
    if chosen in found:
        return chosen, found
    if chosen is not None or (named is None and DEFAULT_NAME not in found):
        return DEFAULT_NAME, {**found, DEFAULT_NAME: SourceDefinition(chosen or f"sqlite:{home / WORLD_FILE}")}
    if named is not None and named not in found:
        known = ", ".join(found) or "no source, because it has none"
        raise top.refusal("default_source", f"one of [sources]: {known}", named)
    return named or DEFAULT_NAME, found


def _codec(name: str) -> str:
    if name not in CODECS:
        raise ValueError(f"codec: expected one of {', '.join(CODECS)}, got {name!r}")
    return name


def _store(place: str) -> str:
    if "://" not in place:
        return str(Path(place).expanduser().absolute()) if place else ""
    protocol, _, path = place.partition("://")
    if not protocol.isascii() or not protocol.replace("+", "").isalnum() or not path.strip("/"):
        raise ValueError(f"PORT_WORKER_STORE: expected a folder or a URL such as s3://bucket/prefix, got {place!r}")
    return place


def _index(name: str) -> str:
    if name not in INDEXES:
        raise ValueError(f"PORT_WORKER_INDEX: expected one of {', '.join(INDEXES)}, got {name!r}")
    return name


def _gate(environ: Mapping[str, str]) -> GatePolicy:
    tolerance = environ.get("PORT_WORKER_GATE_TOLERANCE")
    return GatePolicy(
        tolerance=_share("PORT_WORKER_GATE_TOLERANCE", tolerance) if tolerance else GatePolicy.tolerance,
        minimum_users=_whole(environ, "PORT_WORKER_GATE_MINIMUM_USERS", GatePolicy.minimum_users, 10**9),
        final_fit=_yes(environ, "PORT_WORKER_FINAL_FIT"),
    )


def _yes(environ: Mapping[str, str], name: str) -> bool:
    """The default is yes."""
    text = environ.get(name) or "yes"
    if text not in ("yes", "no"):
        raise ValueError(f"{name}: expected yes or no, got {text!r}")
    return text == "yes"


def _whole(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or not 1 <= int(text) <= most:
        raise ValueError(f"{name}: expected a whole number from 1 to {most}, got {text!r}")
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
    value = _number(environ.get(name) or str(default))
    if not 0 < value < float("inf"):
        raise ValueError(f"{name}: expected a number above 0, got {environ[name]!r}")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    value = _number(environ.get(name) or str(default))
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name}: expected seconds, 0 or above, got {environ[name]!r}")
    return value


def _number(text: str) -> float:
    """What a text says; NaN where it is no number."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
