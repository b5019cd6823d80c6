"""A small correct worker with a model in memory, and one defect where its argument names one. It is for tests.

`broken_defects.py` has the defects. Nothing of the real worker is in here but the wire: codec, frames and messages.
"""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from protocol.atoms import OPS, Atom
from protocol.errors import CODES, ProtocolError
from protocol.etf import encode
from protocol.framing import FrameReader
from protocol.limits import TermLimits
from protocol.messages import Call, Cancel, is_column, parse_inbound

TERMS = {"max_terms": 5000, "max_depth": 16, "max_map_pairs": 32, "max_bignum_bytes": 16, "max_atom_bytes": 1020}
LIMITS = {
    **{"max_frame_bytes": 256 * 1024, "max_in_flight": 200, "max_batch": 1, "max_items": 50},
    **{"max_exclude": 100, "max_id_bytes": 40},
    **TERMS,
}
ITEMS = [(str(uuid.UUID(int=1000 + index)).encode(), 1.0 / (1 + index)) for index in range(30)]
ARGUMENTS = {"recommend": ("user", "n", "exclude", "form"), "retrain": ("algorithm", "params")}
WIDTHS = {"int64": 8, "uuid": 16}
PAIRS, COLUMNS = Atom("pairs"), Atom("columns")
REPORTS = ("ping", "status", "drain")


def atoms(**facts: Any) -> dict[Any, Any]:
    """A map whose keys are atoms."""
    return {Atom(key): value for key, value in facts.items()}


def ids_of(term: Any) -> Any:
    """The ids of a column of ids; any other term as it is."""
    if not is_column(term) or term[0] not in WIDTHS or len(term[1]) % WIDTHS[term[0]]:
        return term
    if term[0] == "int64":
        return [each for (each,) in struct.iter_unpack("<q", term[1])]
    return [str(uuid.UUID(bytes=raw)).encode() for (raw,) in struct.iter_unpack("16s", term[1])]


MODEL = atoms(version=b"v2", algorithm=b"fake", users=1, items=len(ITEMS), created_at=1_767_225_600)


class Terminated(BaseException):
    """SIGTERM."""


class Worker:
    """Reads what is there, takes every frame of it, then answers; a retrain runs until it is given up."""

    def __init__(self, model: dict[Any, Any] | None = MODEL) -> None:
        self.model = model
        self.terms = dict(TERMS)
        self.frame_limit = LIMITS["max_frame_bytes"]
        self.reader = FrameReader(self.frame_limit)
        self.queue: list[Call] = []
        self.live: set[int] = set()
        self.drains: list[int] = []
        self.retrain: int | None = None
        self.retrain_ends_at = float("inf")
        self.draining = False
        self.answered = 0

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self.terminate)
        try:
            self.start()
            return self.serve()
        except ProtocolError as error:
            sys.stderr.write(f"{error}\n")
            self.refuse(None, error)
            self.work()
            return self.end(65)
        except Terminated:
            self.drain()
            return self.end(0)

    def start(self) -> None:
        self.say((Atom("hello"), self.hello()))

    def serve(self) -> int:
        while data := self.read():
            self.feed(data)
            self.work()
        if not self.reader.pending_bytes:
            return self.end(0)
        sys.stderr.write("the input ended within a frame\n")
        return self.end(65)

    def read(self) -> bytes:
        while self.retrain is not None:
            left = min(self.retrain_ends_at - time.monotonic(), 3600.0)
            if select.select([0], [], [], max(0.0, left))[0]:
                break
            self.end_retrain("deadline_exceeded")
        return os.read(0, 65536)

    def feed(self, data: bytes) -> None:
        self.reader.feed(data)
        for payload in self.reader.frames():
            self.frame(payload)

    def frame(self, payload: bytes) -> None:
        try:
            message = parse_inbound(payload, limits=TermLimits(**self.terms))
        except ProtocolError as error:
            self.refuse(error.call_id, error)
            return
        if isinstance(message, Cancel):
            self.cancel(message.id)
        else:
            self.call(message)

    def call(self, call: Call) -> None:
        try:
            self.check(call)
            self.admit(call)
        except ProtocolError as error:
            self.refuse(call.id, error)

    def admit(self, call: Call) -> None:
        if call.id in self.live:
            raise ProtocolError("id_in_use", "id: in flight")
        if self.draining and call.op not in REPORTS:
            raise ProtocolError("draining", "drained")
        if len(self.live) >= LIMITS["max_in_flight"]:
            raise ProtocolError("overloaded", "too much in flight")
        self.live.add(call.id)
        self.queue.append(call)

    def check(self, call: Call) -> None:
        known = ARGUMENTS.get(call.op, ())
        for name in call.args:
            if name not in known:
                raise ProtocolError("unknown_argument", f"{name}: unknown")
        if call.op == "recommend":
            self.check_recommend(call.args)

    def check_recommend(self, args: dict[str, Any]) -> None:
        if "user" not in args:
            raise ProtocolError("missing_argument", "user: missing")
        self.check_id("user", args["user"])
        n = args.get("n", 10)
        if type(n) is not int or not 1 <= n <= LIMITS["max_items"]:
            raise ProtocolError("invalid_argument", f"n: got {n!r}")
        exclude = ids_of(args.get("exclude", []))
        if not isinstance(exclude, list) or len(exclude) > LIMITS["max_exclude"]:
            raise ProtocolError("invalid_argument", "exclude: too many, or no list")
        for item in exclude:
            self.check_id("exclude", item)
        if args.get("form", PAIRS) not in (PAIRS, COLUMNS):
            raise ProtocolError("invalid_argument", "form: neither pairs nor columns")

    def check_id(self, name: str, value: Any) -> None:
        if type(value) is int and -(2**63) <= value < 2**63:
            return
        if is_column(value) and value[0] == "uuid" and len(value[1]) == 16:
            return
        try:
            if isinstance(value, bytes) and value.decode() and 0 not in value and len(value) <= LIMITS["max_id_bytes"]:
                return
        except UnicodeDecodeError:
            pass
        raise ProtocolError("invalid_argument", f"{name}: got {value!r}")

    def cancel(self, call_id: int) -> None:
        if call_id == self.retrain:
            self.end_retrain("cancelled")
            return
        for call in self.queue:
            if call.id == call_id:
                self.queue.remove(call)
                self.fail(call_id, "cancelled")
                return

    def work(self) -> None:
        queue, self.queue = self.queue, []
        for call in queue:
            self.perform(call)
        self.end_drains()

    def perform(self, call: Call) -> None:
        if call.deadline_ms == 0:
            self.fail(call.id, "deadline_exceeded")
        elif call.op == "recommend" and self.model is None:
            self.fail(call.id, "no_model")
        elif call.op == "retrain":
            self.start_retrain(call)
        elif call.op == "drain":
            self.drain()
            self.drains.append(call.id)
        else:
            operation: Callable[[dict[str, Any]], Any] = getattr(self, call.op)
            self.succeed(call.id, operation(call.args))

    def ping(self, _args: dict[str, Any]) -> Any:
        return Atom("pong")

    def status(self, _args: dict[str, Any]) -> Any:
        return atoms(
            state=Atom("draining" if self.draining else "ready"),
            os_pid=os.getpid(),
            uptime_ms=1,
            rss_bytes=1,
            heavy_modules=[b"m" * 400],  # for more than a pipe holds in some hundred answers
            model=self.model,
            in_flight=len(self.live),
            queued=0,
            answered=self.answered,
            errors=0,
            batches=0,
            training=None,
        )

    def models(self, _args: dict[str, Any]) -> Any:
        def version(name: bytes, made: int) -> dict[Any, Any]:
            facts = atoms(version=name, algorithm=b"fake", created_at=made, users=1, items=30, rows=9, bytes=1)
            return facts | atoms(active=name == b"v2", damaged=None)

        if self.model is None:
            return atoms(active=None, versions=[])
        return atoms(active=b"v2", versions=[version(b"v2", 1_767_225_600), version(b"v1", 1_767_225_500)])

    def recommend(self, args: dict[str, Any]) -> Any:
        n, exclude = args.get("n", 10), ids_of(args.get("exclude", []))
        left = [(item, score) for item, score in ITEMS if item not in exclude]
        items = self.columns(left[:n]) if args.get("form") == COLUMNS else left[:n]
        return atoms(items=items, model=b"v2", source=Atom("popular"), exhausted=len(left) < n)

    def columns(self, items: list[tuple[bytes, float]]) -> Any:
        ids = b"".join(uuid.UUID(item.decode()).bytes for item, _score in items)
        scores = struct.pack(f"<{len(items)}f", *(score for _item, score in items))
        return atoms(ids=(Atom("uuid"), ids), scores=(Atom("float32"), scores))

    def start_retrain(self, call: Call) -> None:
        if self.retrain is not None:
            self.fail(call.id, "training_in_progress")
            return
        self.retrain = call.id
        if call.deadline_ms is not None:
            self.retrain_ends_at = time.monotonic() + call.deadline_ms / 1000
        facts = atoms(phase=Atom("fit"), share=0.5, epoch=1, epochs=2, loss=0.1, rows=None)
        self.say((Atom("progress"), call.id, facts))

    def end_retrain(self, code: str) -> None:
        call_id, self.retrain, self.retrain_ends_at = self.retrain, None, float("inf")
        assert call_id is not None
        self.fail(call_id, code)
        self.end_drains()

    def drain(self) -> None:
        if not self.draining:
            self.draining = True
            self.say((Atom("event"), Atom("draining"), {}))

    def end_drains(self) -> None:
        if self.live == set(self.drains):
            for call_id in self.drains:
                self.succeed(call_id, atoms(completed=self.answered))
            self.drains = []

    def end(self, status: int) -> int:
        if self.retrain is not None:
            self.end_retrain("cancelled")
        self.work()
        return status

    def succeed(self, call_id: int, result: Any) -> None:
        self.answered += 1
        self.live.discard(call_id)
        self.say((Atom("ok"), call_id, result))

    def fail(self, call_id: int, code: str) -> None:
        self.live.discard(call_id)
        self.refuse(call_id, ProtocolError(code, f"{code} it is"))

    def refuse(self, call_id: int | None, error: ProtocolError) -> None:
        self.say((Atom("error"), call_id, self.facts(error)))

    def facts(self, error: ProtocolError) -> dict[Any, Any]:
        retryable = CODES[error.code].retryable
        return atoms(code=Atom(error.code), message=error.message, retryable=retryable, details=dict(error.details))

    def hello(self) -> dict[Any, Any]:
        return atoms(
            protocol=1,
            worker=atoms(name=b"fake", version=b"0", python=b"3"),
            os_pid=os.getpid(),
            ops=[Atom(op) for op in OPS],
            limits=atoms(**LIMITS),
            model=self.model,
        )

    def say(self, term: tuple[Any, ...]) -> None:
        self.write(encode(term, any_atom=True))

    def write(self, payload: bytes) -> None:
        data = len(payload).to_bytes(4, "big") + payload
        while data:
            data = data[os.write(1, data) :]

    @staticmethod
    def terminate(_number: int, _frame: object) -> None:
        raise Terminated


def main(name: str) -> int:
    if name in ("", "no-model"):
        return Worker(MODEL if not name else None).run()
    from tests.peers.broken_defects import DEFECTS

    return DEFECTS[name][1]().run()


if __name__ == "__main__":
    sys.modules["tests.peers.broken_worker"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
