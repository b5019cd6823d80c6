"""A small correct worker with a model in memory, and one defect where its argument names one. It is for tests.

`broken_defects.py` has the defects. Nothing of the real worker is in here but the wire: codec, frames and messages.
"""

from __future__ import annotations

import math
import os
import select
import signal
import struct
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from protocol.arguments import parse_arguments
from protocol.atoms import OPS, Atom
from protocol.errors import CODES, ProtocolError
from protocol.etf import encode
from protocol.framing import FrameReader
from protocol.limits import Limits, TermLimits
from protocol.messages import Call, Cancel, is_column, parse_inbound

TERMS = {"max_terms": 5000, "max_depth": 16, "max_map_pairs": 32, "max_bignum_bytes": 16, "max_atom_bytes": 1020}
LIMITS = {
    **{"max_frame_bytes": 256 * 1024, "max_in_flight": 200, "max_batch": 1, "max_items": 50},
    **{"max_exclude": 100, "max_users": 1000, "max_feedback": 100, "max_recent": 10, "max_kinds": 4},
    **{"max_features": 4, "max_id_bytes": 40},
    **TERMS,
}
ITEMS = [(str(uuid.UUID(int=1000 + index)).encode(), 1.0 / (1 + index)) for index in range(30)]
WIDTHS = {"int64": 8, "uuid": 16}
PAIRS, COLUMNS = Atom("pairs"), Atom("columns")
NEED_A_MODEL = ("recommend", "recommend_many", "similar", "score", "explain")
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


def id_of(term: Any) -> Any:
    """A UUID as its text; any other id as it is."""
    return ids_of(term)[0] if isinstance(term, tuple) else term


MODEL = atoms(
    **{"version": b"v2", "algorithm": b"fake", "users": 1, "items": len(ITEMS), "created_at": 1_767_225_600},
    **{"kind": b"embedding", "options": [b"similar", b"dot", b"explain", b"fold_in"]},
)


def known_item(term: Any) -> Any:
    """The id of an item. Raises ProtocolError(`unknown_item`)."""
    item = id_of(term)
    if item not in dict(ITEMS):
        raise ProtocolError("unknown_item", f"item: expected one of the model, got {item!r}")
    return item


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
        self.hidden: set[Any] = set()
        self.fed: dict[Any, set[Any]] = {}
        self.version = b"v2"
        self.before: list[bytes] = []

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
        parse_arguments(call, Limits(**LIMITS))

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
        elif call.op in NEED_A_MODEL and self.model is None:
            self.fail(call.id, "no_model")
        elif self.is_too_large(call):
            self.fail(call.id, "reply_too_large")
        elif call.op == "retrain":
            self.start_retrain(call)
        elif call.op == "drain":
            self.drain()
            self.drains.append(call.id)
        else:
            self.answer(call)

    def answer(self, call: Call) -> None:
        operation: Callable[[dict[str, Any]], Any] = getattr(self, call.op)
        try:
            result = operation(call.args)
        except ProtocolError as error:
            self.live.discard(call.id)
            self.refuse(call.id, error)
        else:
            self.succeed(call.id, result)

    def is_too_large(self, call: Call) -> bool:
        if call.op != "recommend_many":
            return False
        size: int = 8 * len(ids_of(call.args["users"])) * call.args.get("n", 10)
        return size > LIMITS["max_frame_bytes"]

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
            return facts | atoms(active=name == self.version, damaged=None)

        if self.model is None:
            return atoms(active=None, versions=[])
        return atoms(active=self.version, versions=[version(b"v2", 1_767_225_600), version(b"v1", 1_767_225_500)])

    def recommend(self, args: dict[str, Any]) -> Any:
        return self.ranked(args)

    def ranked(self, args: dict[str, Any]) -> Any:
        n, user = args.get("n", 10), id_of(args["user"])
        for name in ("recent", "features", "diversity"):
            if args.get(name):
                details = {"field": name, "kind": "embedding", "supported_by": ["network"]}
                raise ProtocolError("unsupported_option", f"{name}: not of this kind", details)
        left = self.left(args, self.fed.get(user, set()) if args.get("filter_consumed", True) else ())
        facts = atoms(items=self.formed(left[:n], args), model=self.version, exhausted=len(left) < n)
        return facts | atoms(source=self.source(user), scored=len(left[:n]), ignored=[])

    def left(self, args: dict[str, Any], without: Iterable[Any]) -> list[tuple[bytes, float]]:
        if args.get("kinds") is not None:
            raise ProtocolError("invalid_argument", "kinds: expected one of those known", {"known": []})
        banned = {*ids_of(args.get("exclude", [])), *self.hidden, *without}
        return [(item, score) for item, score in ITEMS if item not in banned]

    def source(self, user: Any) -> Atom:
        return Atom("fold_in" if user in self.fed else "popular")

    def formed(self, items: list[tuple[bytes, float]], args: dict[str, Any]) -> Any:
        return self.columns(items) if args.get("form") == COLUMNS else items

    def recommend_many(self, args: dict[str, Any]) -> Any:
        n, names = args.get("n", 10), [Atom("popular"), Atom("fold_in")]
        rows = [self.ranked(args | {"user": user, "form": PAIRS}) for user in ids_of(args["users"])]
        places = {item: place for place, (item, _score) in enumerate(ITEMS)}
        items = [[places[item] for item, _score in row["items"]] for row in rows]
        scores = [[score for _item, score in row["items"]] for row in rows]
        return atoms(
            ids=self.columns(ITEMS)["ids"],
            items=(Atom("int32"), b"".join(struct.pack(f"<{n}i", *row, *[-1] * (n - len(row))) for row in items)),
            scores=(Atom("float32"), b"".join(struct.pack(f"<{n}f", *row, *[0] * (n - len(row))) for row in scores)),
            sources=(Atom("uint8"), bytes(names.index(row["source"]) for row in rows)),
            source_names=names,
            n=n,
            model=self.version,
        )

    def similar(self, args: dict[str, Any]) -> Any:
        item, n = known_item(args["item"]), args.get("n", 10)
        left = self.left(args, [item])
        metric = args.get("metric", Atom("cosine"))
        return atoms(items=self.formed(left[:n], args), model=self.version, metric=metric, exhausted=len(left) < n)

    def score(self, args: dict[str, Any]) -> Any:
        known = dict(ITEMS)
        scores = [known.get(item) for item in ids_of(args["items"])]
        column = b"".join(struct.pack("<f", math.nan if score is None else score) for score in scores)
        form = (Atom("float32"), column) if args.get("form") == COLUMNS else scores
        return atoms(scores=form, source=self.source(id_of(args["user"])), model=self.version)

    def explain(self, args: dict[str, Any]) -> Any:
        item, user = known_item(args["item"]), id_of(args["user"])
        items = [(each, 0.5) for each in sorted(self.fed.get(user, set()) & dict(ITEMS).keys())]
        facts = atoms(items=items[: args.get("n", 5)], score=dict(ITEMS)[item], model=self.version)
        return facts | atoms(source=self.source(user), method=Atom("similarity"))

    def feedback(self, args: dict[str, Any]) -> Any:
        one = args.get("users") is None
        users, items = (
            ([id_of(args["user"])], [id_of(args["item"])]) if one else map(ids_of, (args["users"], args["items"]))
        )
        for user, item in zip(users, items, strict=True):
            self.fed.setdefault(user, set()).add(item)
        unknown = len(users) if self.model is None else len([item for item in items if item not in dict(ITEMS)])
        stored = sum(map(len, self.fed.values()))
        return atoms(accepted=len(users), unknown_users=len(users), unknown_items=unknown, stored=stored)

    def hide_items(self, args: dict[str, Any]) -> Any:
        return self.hiding(args, self.hidden.union)

    def show_items(self, args: dict[str, Any]) -> Any:
        return self.hiding(args, self.hidden.difference)

    def hiding(self, args: dict[str, Any], change: Callable[[list[Any]], set[Any]]) -> Any:
        items, before = ids_of(args["items"]), len(self.hidden)
        self.hidden = change(items)
        unknown = len([item for item in items if item not in dict(ITEMS)])
        return atoms(changed=abs(len(self.hidden) - before), hidden=len(self.hidden), unknown=unknown)

    def activate(self, args: dict[str, Any]) -> Any:
        if self.model is None or args["version"] not in (b"v1", b"v2"):
            raise ProtocolError("unknown_version", "version: expected v1 or v2")
        self.before.append(self.version)
        return self.switched(args["version"])

    def rollback(self, _args: dict[str, Any]) -> Any:
        if not self.before:
            raise ProtocolError("no_previous_version", "rollback: expected one before")
        return self.switched(self.before.pop())

    def switched(self, version: bytes) -> Any:
        previous, self.version = self.version, version
        assert self.model is not None
        self.model = self.model | atoms(version=version)
        self.say((Atom("event"), Atom("model_activated"), self.model))
        return atoms(version=version, algorithm=b"fake", previous=previous)

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


class OlderWorker(Worker):
    """One that has not the ops that came later, nor the arguments and limits that came with them."""

    ops = ("ping", "status", "recommend", "retrain", "models", "drain")

    def check(self, call: Call) -> None:
        if call.op not in self.ops:
            raise ProtocolError("unknown_op", f"{call.op}: unknown")
        later = call.args.keys() & {"kinds", "filter_consumed", "diversity", "recent", "features"}
        if later:
            raise ProtocolError("unknown_argument", f"{', '.join(later)}: unknown")
        super().check(call)

    def recommend(self, args: dict[str, Any]) -> Any:
        facts = super().recommend(args)
        return {key: value for key, value in facts.items() if key not in ("scored", "ignored")}

    def hello(self) -> dict[Any, Any]:
        came_later = ("max_users", "max_feedback", "max_recent", "max_kinds", "max_features")
        limits = {name: value for name, value in LIMITS.items() if name not in came_later}
        assert self.model is not None
        model = {key: value for key, value in self.model.items() if key not in ("kind", "options")}
        return super().hello() | atoms(ops=[Atom(op) for op in self.ops], limits=atoms(**limits), model=model)


def main(name: str) -> int:
    if name == "older":
        return OlderWorker().run()
    if name in ("", "no-model"):
        return Worker(MODEL if not name else None).run()
    from tests.peers.broken_serving import DEFECTS

    return DEFECTS[name][1]().run()


if __name__ == "__main__":
    sys.modules["tests.peers.broken_worker"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
