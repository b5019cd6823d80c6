"""A worker process and the calls that are in flight to it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, TypeAlias, TypeVar

from port_worker.host.channel import Channel
from port_worker.host.errors import CallTimeout, WorkerError, WorkerGone
from protocol.codec import ETF, Codec
from protocol.errors import ProtocolError
from protocol.messages import (
    PROTOCOL_VERSION,
    Call,
    Cancel,
    ErrorReply,
    Hello,
    Ok,
    Outbound,
    Progress,
    parse_outbound,
    plain,
    to_payload,
)

OnProgress: TypeAlias = Callable[[dict[str, Any]], None]
_Host = TypeVar("_Host", bound="WorkerHost")

_SLICE_S = 0.25
"""The longest single wait: a worker that died while a grandchild holds its pipe open shows no end of file."""

_ANSWER_GRACE_S = 1.0
"""How much longer than the deadline to wait for the worker's own `deadline_exceeded`."""


class WorkerHost:
    """Spawns a worker and multiplexes calls to it by id.

    Values are plain Python: atoms and UTF-8 binaries are `str`. One thread may use an object at a time. As a context
    manager it ends the worker however the block ends.
    """

    def __init__(self, process: subprocess.Popen[bytes], codec: Codec = ETF) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._codec = codec
        self._channel = Channel(process.stdout.fileno(), process.stdin.fileno())
        self._next_id = 1
        self._abandoned: set[int] = set()
        self._set_aside: list[Outbound] = []
        self.hello: dict[str, Any] = {}

    @classmethod
    def start(
        cls: type[_Host],
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        hello_timeout: float = 30.0,
        stderr: IO[bytes] | int | None = None,
        codec: Codec = ETF,
    ) -> _Host:
        """Spawn `argv` and wait for its hello.

        The worker gets its own session, so that Ctrl-C at a terminal is the host's to handle; when the host dies, its
        stdin ends and so does the worker. `stderr` is as in subprocess; None lets it through. `codec` is the one that
        `argv` asks for.

        Raises WorkerGone when it cannot be spawned, ends, says something else first, or says nothing within
        `hello_timeout` seconds.
        """
        host = cls.spawn(argv, env=env, stderr=stderr, codec=codec)
        try:
            host.hello = host._expect_hello(hello_timeout)
        except BaseException:
            host.close(grace=0.0)
            raise
        return host

    @classmethod
    def spawn(
        cls: type[_Host],
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stderr: IO[bytes] | int | None = None,
        codec: Codec = ETF,
    ) -> _Host:
        """As `start`, without waiting: the hello is the first message that comes. Raises WorkerGone."""
        try:
            process = subprocess.Popen(
                list(argv),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerGone(f"cannot start {argv[0]}: {(error.strerror or str(error)).lower()}", None) from error
        return cls(process, codec)

    def __enter__(self) -> WorkerHost:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def unsent_bytes(self) -> int:
        """Bytes of calls that the worker has not read, beyond what the pipe holds."""
        return self._channel.unsent_bytes

    def take_hello(self, payload: bytes) -> None:
        """The first payload of a worker that was spawned. Raises WorkerGone where it is no hello of this protocol."""
        self.hello = _facts_of_hello(self._parse(payload))

    def send_call(self, op: str, args: Mapping[str, Any] | None = None, deadline_ms: int | None = None) -> int:
        """Send a call and return its id; never blocks. `poll` gives what comes back."""
        call_id = self._next_id
        self._next_id += 1
        self._channel.send(to_payload(Call(call_id, op, dict(args or {}), deadline_ms), self._codec))
        return call_id

    def cancel(self, call_id: int) -> None:
        """Ask the worker to drop a call; it answers with `cancelled`, or with the result if that was faster."""
        self._channel.send(to_payload(Cancel(call_id), self._codec))

    def poll(self, timeout: float = 0.0) -> list[Outbound]:
        """Wait up to `timeout` seconds for messages, and return those that are there.

        Raises WorkerGone when the worker has ended and everything it said has been returned.
        """
        if self._set_aside:
            messages, self._set_aside = self._set_aside, []
            return messages
        return self._fresh(timeout)

    def call(
        self,
        op: str,
        args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Any:
        """Call and wait for the result.

        Args:
            op: the operation.
            args: its arguments.
            timeout: seconds; sent to the worker as the call's deadline. None waits for as long as the worker lives.
            on_progress: gets the map of each progress message.

        Raises WorkerError, WorkerGone, or CallTimeout when the worker does not even say that the deadline has passed.
        A call that is left by an exception, KeyboardInterrupt among them, is cancelled.
        """
        call_id = self.send_call(op, args, None if timeout is None else round(timeout * 1000))
        until = None if timeout is None else time.monotonic() + timeout + _ANSWER_GRACE_S
        try:
            return self._await(call_id, until, on_progress)
        except (WorkerError, WorkerGone):
            raise
        except BaseException:
            self._abandoned.add(call_id)
            self.cancel(call_id)
            raise

    def raw_exchange(self, payload: bytes, timeout: float = 5.0) -> list[bytes]:
        """Send any payload as one frame; return the payloads that come until a reply ends it, or `timeout` seconds.

        For looking at the wire with nothing else in flight. Raises WorkerGone when the worker ended without a word.
        """
        self._channel.send(payload)
        deadline = time.monotonic() + timeout
        heard: list[bytes] = []
        while (left := deadline - time.monotonic()) > 0:
            try:
                heard.extend(self._receive(left))
            except WorkerGone:
                if heard:
                    break
                raise
            if any(self._ends_a_call(one) for one in heard):
                break
        return heard

    def close(self, grace: float = 5.0) -> int:
        """End the worker: its stdin ends, and after `grace` seconds it is killed. Returns its exit status."""
        process = self._process
        self._channel.close()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()
        return process.returncode

    def _expect_hello(self, timeout: float) -> dict[str, Any]:
        messages = self._fresh(timeout)
        if not messages:
            raise WorkerGone(f"the worker said nothing within {timeout:g} s", None)
        first, *self._set_aside = messages
        return _facts_of_hello(first)

    def _await(self, call_id: int, until: float | None, on_progress: OnProgress | None) -> Any:
        while True:
            left = _SLICE_S if until is None else until - time.monotonic()
            if left <= 0:
                raise CallTimeout(f"call {call_id}: no answer in time")
            others: list[Outbound] = []
            answers: list[Ok | ErrorReply] = []
            for message in self._fresh(left):
                if getattr(message, "id", None) != call_id:
                    others.append(message)
                elif isinstance(message, (Ok, ErrorReply)):
                    answers.append(message)
                elif isinstance(message, Progress) and on_progress is not None:
                    on_progress(message.facts)
            self._set_aside += others
            if answers:
                return _result(answers[0])

    def _fresh(self, timeout: float) -> list[Outbound]:
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            messages = [self._parse(payload) for payload in self._receive(left)]
            wanted = [message for message in messages if not self._is_abandoned(message)]
            if wanted or left <= 0:
                return wanted

    def _parse(self, payload: bytes) -> Outbound:
        try:
            return _plain_message(parse_outbound(payload, self._codec))
        except ProtocolError as error:
            raise self._gone(f"what the worker writes is no message ({error.message})") from error

    def _ends_a_call(self, payload: bytes) -> bool:
        try:
            return isinstance(parse_outbound(payload, self._codec), (Ok, ErrorReply))
        except ProtocolError:
            return True

    def _is_abandoned(self, message: Outbound) -> bool:
        call_id = getattr(message, "id", None)
        if call_id not in self._abandoned:
            return False
        if isinstance(message, (Ok, ErrorReply)):
            self._abandoned.discard(call_id)
        return True

    def _receive(self, timeout: float) -> list[bytes]:
        """What comes within `timeout` seconds, at most one slice; raises WorkerGone when nothing will come any more."""
        if self._channel.at_end:
            raise self._gone("the worker ended")
        had_ended = self._process.poll() is not None
        try:
            payloads = self._channel.receive(min(max(timeout, 0.0), _SLICE_S))
        except ProtocolError as error:
            raise self._gone(f"what the worker writes is no frame ({error.message})") from error
        if not payloads and (self._channel.at_end or (had_ended and self._channel.idle)):
            raise self._gone("the worker ended")
        return payloads

    def _gone(self, why: str) -> WorkerGone:
        try:
            returncode = self._process.wait(_SLICE_S) if self._channel.at_end else self._process.poll()
        except subprocess.TimeoutExpired:
            returncode = None
        return WorkerGone(why if returncode is None else f"{why} with status {returncode}", returncode)


def _facts_of_hello(first: Outbound) -> dict[str, Any]:
    if not isinstance(first, Hello):
        raise WorkerGone(f"expected the worker's hello, got {type(first).__name__.lower()}", None)
    version = first.facts.get("protocol")
    if version != PROTOCOL_VERSION:
        raise WorkerGone(f"expected version {PROTOCOL_VERSION} of the protocol, the worker has {version!r}", None)
    return dict(first.facts)


def _plain_message(message: Outbound) -> Outbound:
    """The same message whose values are plain Python."""
    if isinstance(message, Ok):
        return replace(message, result=plain(message.result))
    if isinstance(message, ErrorReply):
        return message  # plain already
    return replace(message, facts=plain(message.facts))


def _result(answer: Ok | ErrorReply) -> Any:
    if isinstance(answer, Ok):
        return answer.result
    raise WorkerError(answer.code, answer.message, retryable=answer.retryable, details=dict(answer.details))
