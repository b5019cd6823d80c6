"""A worker when it is needed, another when it has died, and a model when there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from port_worker.host import WorkerGone, WorkerHost, worker_command
from port_worker.repl.errors import CommandError
from port_worker.repl.progress import OnProgress, Report
from port_worker.repl.training import retrain_arguments
from port_worker.repl.world import World
from port_worker.sources.base import ItemCard
from port_worker.sources.columns import Id
from protocol.codec import ETF, Codec

_LOG_BYTES = 1 << 20
_LAST_WORDS_BYTES = 4096
_CALL_SECONDS = 60.0


class Host(Protocol):
    """What a session needs of a `WorkerHost`."""

    hello: dict[str, Any]

    def call(
        self,
        op: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Any:
        """The result of a call."""

    def poll(self, timeout: float = 0.0) -> list[Any]:
        """Messages that nobody waits for; raises WorkerGone when the worker has ended."""

    def raw_exchange(self, payload: bytes, timeout: float = 5.0) -> list[bytes]:
        """Payloads that answer a payload."""

    def close(self, grace: float = 5.0) -> int:
        """End the worker."""


class Session:
    """The state between commands. `spawn` makes a host of a new worker; tests pass a fake.

    `algorithm` is what the user asked for with `--algorithm`: then a model of another one does not do. `codec` is the
    worker's and its host's.
    """

    def __init__(
        self,
        world: World,
        report: Report,
        algorithm: str | None = None,
        spawn: Callable[[], Host] | None = None,
        codec: Codec = ETF,
    ) -> None:
        self.world = world
        self.report = report
        self.codec = codec
        self.algorithm = algorithm or world.algorithm
        self.seen_items: dict[Id, ItemCard] = {}  # what was shown, for completion
        self.seen_versions: list[str] = []
        self._wanted = algorithm
        self._spawn = spawn or (lambda: spawn_worker(world, codec))
        self._host: Host | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, if there is one."""
        if self._host is not None:
            self._host.close()
            self._host = None

    def remember(self, cards: Iterable[ItemCard]) -> None:
        """Items that were shown; the prompt offers them."""
        self.seen_items.update({card.id: card for card in cards})

    def worker(self) -> Host:
        """A worker that runs; a new one if there is none, or if the last one has died, which is then said."""
        if self._host is not None:
            try:
                while self._host.poll():
                    pass  # events and late replies: nobody waits for them
            except WorkerGone as gone:
                self.report.note(f"note: {gone}; starting another")
                self.close()
        if self._host is None:
            self._host = self._spawn()
        return self._host

    def call(
        self,
        op: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = _CALL_SECONDS,
        on_progress: OnProgress | None = None,
    ) -> Any:
        """Call the worker. Raises WorkerError, CallTimeout, or WorkerGone: then the next call gets a new worker."""
        host = self.worker()
        try:
            return host.call(op, args, timeout=timeout, on_progress=on_progress)
        except WorkerGone:
            self.close()
            raise

    def exchange(self, payload: bytes) -> list[bytes]:
        """Send one frame as it is, and return the payloads that come back. Raises WorkerGone."""
        host = self.worker()
        try:
            return host.raw_exchange(payload)
        except WorkerGone:
            self.close()
            raise

    def model(self) -> dict[str, Any] | None:
        """The active model as the worker describes it now, or None."""
        described: dict[str, Any] | None = self.call("status")["model"]
        return described

    def need_model(self) -> None:
        """Train the session's algorithm if no model is there, or none of the algorithm that the user asked for."""
        model = self.model()
        if model is None:
            self.report.note(f"no model yet: training {self.algorithm} on {self.world.source.name}")
        elif self._wanted in (None, model["algorithm"]):
            return
        else:
            self.report.note(f"the model is {model['algorithm']}: training {self.algorithm}")
        self.retrain(self.algorithm, {"activate": "force"})  # whoever tries it wants an answer, however good it is

    def retrain(self, algorithm: str, params: Mapping[str, object]) -> dict[str, Any]:
        """Train, showing how far it is. Raises what `call` and `retrain_arguments` do."""
        args = retrain_arguments(algorithm, params)
        with self.report.training(algorithm) as show:
            result: dict[str, Any] = self.call("retrain", args, timeout=None, on_progress=show)
        self._wanted = None  # whatever is trained by now is what the user asked for last
        return result


def spawn_worker(world: World, codec: Codec) -> WorkerHost:
    """A real worker of this world; it prints to its home's log. Raises WorkerGone with the log's last line."""
    log = world.home / "logs" / "worker.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".old.log"))
        with log.open("ab") as stderr:
            began = stderr.tell()
            try:
                command = worker_command(world.home, world.brought, codec=codec.name)
                return WorkerHost.start(command, stderr=stderr, codec=codec)
            except WorkerGone as gone:
                raise WorkerGone(f"{gone}; {_last_words(log, began)}", gone.returncode) from gone
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CommandError("home_unusable", f"{log}: {why}", {"home": str(world.home)}) from None


def _last_words(log: Path, began: int) -> str:
    """The last line that was written since `began`, and where to read more."""
    with log.open("rb") as file:
        file.seek(max(began, log.stat().st_size - _LAST_WORDS_BYTES))
        lines = file.read().decode(errors="replace").split("\n")
    words = [line.strip() for line in lines if line.strip()]
    return f"it said: {words[-1]} (log: {log})" if words else f"its log: {log}"
