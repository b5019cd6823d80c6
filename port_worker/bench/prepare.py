"""Workers that are ready to be driven: data, a model, and users and items to ask about."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from port_worker.bench.fleet import Fleet, Link
from port_worker.bench.plan import World, is_drawn
from port_worker.bench.progress import say, training
from port_worker.bench.users import Id
from port_worker.config import settings
from port_worker.host import WorkerHost, worker_command
from port_worker.sources.errors import SourceError
from port_worker.sources.registry import open_source
from protocol.atoms import Atom
from protocol.codec import codec as codec_named

_HELLO_TIMEOUT_S = 60.0  # a first start writes the seeded world
_TRAINING_LIMIT_S = 3600.0
_ASKED_S = 30.0
_SHOWN_WORDS = 6
_SHOWN_CHARACTERS = 60
_ASKED_USERS, _ASKED_ITEMS = 20, 100


def command(home: Path, source: str | None, codec: str) -> list[str]:
    """Of a worker that speaks `codec`; without a source it gets the seeded world."""
    return worker_command(home, source, fixture=source is None, codec=codec)


def start_worker(argv: Sequence[str], codec: str = "etf") -> Link:
    """Spawn a worker by its command and wait for its hello. Raises WorkerGone."""
    say(f"starting {' '.join(argv[:_SHOWN_WORDS])}{' ...' if len(argv) > _SHOWN_WORDS else ''}")
    return Link.start(argv, hello_timeout=_HELLO_TIMEOUT_S, codec=codec_named(codec))


def start_fleet(argv: Sequence[str], codec: str, workers: int, *, supervised: bool = False) -> Fleet:
    """Spawn some; `supervised`, one that ends is started again. Raises WorkerGone."""
    with ExitStack() as stack:
        links = [stack.enter_context(start_worker(argv, codec)) for _ in range(workers)]
        fleet = Fleet(links, _spawner(argv, codec) if supervised else None)
        stack.pop_all()  # they are the fleet's to close now
        return fleet


def _spawner(argv: Sequence[str], codec: str) -> Callable[[], Link]:
    return lambda: Link.spawn(argv, codec=codec_named(codec))


def ensure_model(host: WorkerHost, algorithm: str | None) -> None:
    """Train if the worker has no model, or none of the algorithm that was asked for. Raises HostError."""
    model = host.hello.get("model")
    if model is not None and algorithm in (None, model["algorithm"]):
        return
    with training(algorithm) as on_progress:
        args = retrain_args(algorithm, "force")  # there is to be something to measure, however good it is
        host.call("retrain", args, timeout=_TRAINING_LIMIT_S, on_progress=on_progress)


def retrain_args(algorithm: str | None, activate: str | None = None) -> dict[str, Any]:
    """Arguments of the op `retrain`; the worker's own default for None."""
    chosen = {} if algorithm is None else {"algorithm": algorithm}
    return chosen if activate is None else {**chosen, "activate": Atom(activate)}


def known_users(home: Path, source: str | None, count: int) -> list[Id]:
    """The `count` most active users of the source, at least one. Raises SourceError."""
    return [card.id for card in open_source(settings(home, source).source).sample_users(count)]


def listed_users(path: Path, like: Id | None) -> list[Id]:
    """The ids of a file, one a line, of the type that `like` has, or that all lines can have.

    In a file that is called .jsonl a line is an object whose field `id` it is, as in those of `port-worker fixture`.
    Raises ValueError that names the line, OSError.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    texts = [(place, line.strip()) for place, line in enumerate(lines, 1) if line.strip()]
    if path.suffix == ".jsonl":
        texts = [(place, _id_in(text, f"line {place} of {path}")) for place, text in texts]
    if not texts:
        raise ValueError(f"--users: expected one id a line, got nothing in {path}")
    if isinstance(like, str) or (like is None and not all(_is_integer(text) for _place, text in texts)):
        return [text for _place, text in texts]
    for place, text in texts:
        if not _is_integer(text):
            raise ValueError(f"--users: expected an integer in line {place} of {path}, got {text!r}")
    return [int(text) for _place, text in texts]


def _id_in(text: str, where: str) -> str:
    try:
        found = json.loads(text)["id"]
    except (ValueError, TypeError, LookupError):
        found = None
    if not isinstance(found, str | int):
        raise ValueError(f"--users: expected a JSON object with an id in {where}, got {text[:_SHOWN_CHARACTERS]!r}")
    return str(found)


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def known_items(host: WorkerHost, users: Sequence[Id]) -> list[Id]:
    """Items that the worker recommends to some of the users, at least one. Raises HostError, ValueError without any."""
    items: dict[Id, None] = {}
    for user in users[:_ASKED_USERS]:
        answer = host.call("recommend", {"user": user, "n": _ASKED_ITEMS}, timeout=_ASKED_S)
        items |= dict.fromkeys(item for item, _score in answer["items"])
    if not items:
        raise ValueError("--mix: expected a worker that recommends some item, got none")
    return list(items)


def world(
    host: WorkerHost, home: Path, source: str | None, users: str, count: int, *, items: bool, foreign: bool = False
) -> World:
    """Whom and, if `items`, what to ask about. The data of a `foreign` worker need not be at hand.

    Raises SourceError, HostError, OSError, ValueError.
    """
    try:
        known = known_users(home, source, count)
    except SourceError:
        if not foreign:
            raise
        known = []
    if not is_drawn(users):
        known = listed_users(Path(users), known[0] if known else None)
    if not known:
        raise ValueError("argument --command: expected --users FILE, or --home or --source with its users, got none")
    return World(known, known_items(host, known) if items else [])
