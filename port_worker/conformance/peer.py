"""A conversation with one worker process: calls by id, and whatever ends them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from port_worker.conformance.process import NotFramesError, SilenceError, WorkerProcess
from port_worker.conformance.terms import INFINITY, NIL, PLAIN, Atom, Style, payload, show
from port_worker.conformance.verdicts import FailedError, SkippedError, expect, expect_ok
from port_worker.conformance.watch import Watch

Message = tuple[Any, ...]

_STDERR_LINES = 3


def frame(data: bytes) -> bytes:
    """A payload behind its length."""
    return len(data).to_bytes(4, "big") + data


def call(call_id: object, op: object, args: object = None, deadline: object = INFINITY) -> Message:
    """The term of a call; a `str` as op or as key of the arguments becomes an atom."""
    if args is None or isinstance(args, Mapping):
        args = {Atom(key) if type(key) is str else key: value for key, value in (args or {}).items()}
    return (Atom("call"), call_id, Atom(op) if type(op) is str else op, args, deadline)


def cancel(call_id: object) -> Message:
    """The term of a cancel."""
    return (Atom("cancel"), call_id)


class NoHelloError(Exception):
    """The worker cannot be spoken with; the text says what it did instead of its hello."""


class Peer:
    """One worker process. Messages that nobody has asked for yet wait in order."""

    def __init__(self, process: WorkerProcess, watch: Watch) -> None:
        self.process = process
        self._watch = watch
        self._waiting: deque[Message] = deque()
        self._last_id = 0
        self._facts: Any = {}

    def greet(self, timeout: float) -> None:
        """Wait for hello. Raises NoHelloError."""
        try:
            while not self._is_hello(message := self._next(timeout)):
                self._watch.note("hello.first", f"hello as the first frame, got {message[0]} before it")
                self._waiting.append(message)
        except (FailedError, SkippedError) as error:
            raise NoHelloError(str(error)) from None
        self._facts = message[1]

    @property
    def hello(self) -> dict[Any, Any]:
        """The facts of hello; empty when they are no map."""
        return self._facts if isinstance(self._facts, dict) else {}

    def limit(self, name: str) -> int:
        """A limit that hello shows. Raises SkippedError when it does not."""
        limits = self.hello.get("limits")
        value = limits.get(name) if isinstance(limits, dict) else None
        if type(value) is not int:
            raise SkippedError(f"hello shows no {name}")
        return value

    @property
    def has_model(self) -> bool:
        """Whether hello named a model."""
        return isinstance(self.hello.get("model"), dict)

    def new_id(self) -> int:
        """An id that this conversation has not used."""
        self._last_id += 1
        return self._last_id

    def send(self, *messages: object, style: Style = PLAIN) -> None:
        """Send terms, or payloads where they are bytes, in one write."""
        data = (each if isinstance(each, bytes) else payload(each, style) for each in messages)
        self.send_bytes(b"".join(map(frame, data)))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self.process.send(data)
        except (SilenceError, NotFramesError) as error:
            raise self._judged(error) from None

    def ask(self, op: object, args: object = None, deadline: object = INFINITY, style: Style = PLAIN) -> Message:
        """Call and wait for the end of the call."""
        call_id = self.new_id()
        self.send(call(call_id, op, args, deadline), style=style)
        return self.answer_to(call_id)

    def answer_to(self, call_id: object) -> Message:
        """The end of the one call that was sent. Raises FailedError when its id could not be read."""
        message = self.end_of(call_id, NIL)
        expect(message[1] == call_id, f"an answer with the id {show(call_id)}", message)
        return message

    def end_of(self, *call_ids: object) -> Message:
        """The `ok` or `error` with one of these ids; messages about others stay for whoever waits for them."""
        return self._first(lambda message: message[0] in ("ok", "error") and message[1] in call_ids)

    def has_end_of(self, call_id: int) -> bool:
        """Whether the end of a call is here already."""
        return any(message[0] in ("ok", "error") and message[1] == call_id for message in self._waiting)

    def refusal(self) -> Message:
        """The error about a frame whose id could not be read."""
        return self.end_of(NIL)

    def progress_of(self, call_id: int) -> Message:
        """The next progress of a call, or its end."""
        return self._first(lambda message: message[0] in ("ok", "error", "progress") and message[1] == call_id)

    def goes_on(self) -> None:
        """See that the worker still answers. Raises FailedError."""
        expect_ok(self.ask("ping"))

    def forget(self) -> None:
        """Drop what nobody waits for any more."""
        self._waiting.clear()

    def rest(self) -> list[Message]:
        """Close stdin and return all that has not been asked for, up to the end of stdout."""
        self.process.close_stdin()
        return self.remainder()

    def remainder(self) -> list[Message]:
        """What comes up to the end of stdout, with what waits already."""
        while (message := self._next_or_end(None)) is not None:
            self._waiting.append(message)
        messages = list(self._waiting)
        self._waiting.clear()
        return messages

    def status(self) -> int:
        """The exit status, after `rest`. Raises FailedError when it does not exit."""
        try:
            return self.process.status()
        except SilenceError as error:
            raise self._judged(error) from None

    def _first(self, wanted: Callable[[Message], bool]) -> Message:
        for message in self._waiting:
            if wanted(message):
                self._waiting.remove(message)
                return message
        while not wanted(message := self._next(None)):
            self._waiting.append(message)
        return message

    def _next(self, timeout: float | None) -> Message:
        message = self._next_or_end(timeout)
        if message is None:
            raise FailedError(f"expected an answer, got the worker's end{self._epitaph()}")
        return message

    def _next_or_end(self, timeout: float | None) -> Message | None:
        try:
            data = self.process.payload(timeout)
        except (SilenceError, NotFramesError) as error:
            raise self._judged(error) from None
        if data is None:
            return None
        message = self._watch.message(data)
        if message is None:
            raise SkippedError("it sent what cannot be read here: see terms.tags and messages.shapes")
        if self._facts and self._is_hello(message):
            self._watch.note("hello.first", "one hello, got another")
        return message

    def _judged(self, error: SilenceError | NotFramesError) -> Exception:
        """Silence is the clause's failure; what is no frame is that of another, which is judged on its own."""
        if isinstance(error, SilenceError):
            return FailedError(f"expected {error}, got none within the time limit")
        self._watch.note("frames.only-frames", str(error))
        return SkippedError("it wrote what is no frame: see frames.only-frames")

    def _epitaph(self) -> str:
        try:
            ended = f" with status {self.process.status()}"
        except SilenceError:
            ended = "s output, and no exit"
        lines = self.process.stderr.split("\n")
        said = [line.strip() for line in lines if line.strip()][-_STDERR_LINES:]
        return f"{ended}; its stderr: {' | '.join(said)}" if said else f"{ended}; it said nothing on stderr"

    @staticmethod
    def _is_hello(message: Message) -> bool:
        return bool(message[0] == "hello")
