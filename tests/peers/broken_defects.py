"""The defects of the broken worker: each breaks one clause of the conformance kit, and no other."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.framing import FrameReader
from protocol.messages import Call
from tests.peers.broken_worker import LIMITS, MODEL, REPORTS, WIDTHS, Terminated, Worker, atoms

Kind = type[Worker]
DEFECTS: dict[str, tuple[str, Kind]] = {}
"""What is wrong, to the clause that must show it and the worker that has it."""


def defect(clause: str, what: str) -> Callable[[Kind], Kind]:
    def add(kind: Kind) -> Kind:
        DEFECTS[what] = (clause, kind)
        return kind

    return add


# Ways to be wrong that many defects share.


def says(clause: str, what: str, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> None:
    """Every message that the worker sends passes through `change`."""

    @defect(clause, what)
    class Says(Worker):
        def say(self, term: tuple[Any, ...]) -> None:
            super().say(change(term))


def hears(clause: str, what: str, sign: bytes, answer: Callable[[Worker, bytes], None]) -> None:
    """A payload that begins with `sign`, or has it anywhere, gets another answer."""

    @defect(clause, what)
    class Hears(Worker):
        def frame(self, payload: bytes) -> None:
            if sign in payload:
                answer(self, payload)
            else:
                super().frame(payload)


def with_code(code: str, call_id: int | None = None) -> Callable[[Worker, bytes], None]:
    return lambda worker, _payload: worker.refuse(call_id, ProtocolError(code, "wrong"))


def takes(clause: str, what: str, change: Callable[[Call], Call | None]) -> None:
    """Every call passes through `change` before it is checked; None loses it."""

    @defect(clause, what)
    class Takes(Worker):
        def call(self, call: Call) -> None:
            changed = change(call)
            if changed is not None:
                super().call(changed)


def codes(clause: str, what: str, op: str, wrong: str, right: str) -> None:
    """A call of an op that fails with one code fails with another."""

    @defect(clause, what)
    class Codes(Worker):
        def call(self, call: Call) -> None:
            self.latest = call.op
            super().call(call)

        def perform(self, call: Call) -> None:
            self.latest = call.op
            super().perform(call)

        def refuse(self, call_id: int | None, error: ProtocolError) -> None:
            is_it = call_id is not None and self.latest == op and error.code == right
            super().refuse(call_id, ProtocolError(wrong, error.message) if is_it else error)


def results(clause: str, what: str, op: str, change: Callable[[Any], Any]) -> None:
    """An op's result passes through `change`."""

    def changed(self: Worker, args: dict[str, Any]) -> Any:
        return change(getattr(Worker, op)(self, args))

    DEFECTS[what] = (clause, type("Results", (Worker,), {op: changed}))


def without(term: dict[Any, Any], *names: str) -> dict[Any, Any]:
    return {key: value for key, value in term.items() if key not in names}


def greeting(clause: str, what: str, change: Callable[[dict[Any, Any]], dict[Any, Any]]) -> None:
    """What hello says passes through `change`."""
    says(clause, what, lambda term: (term[0], change(term[1])) if term[0] == "hello" else term)


# Hello.


@defect("hello.first", "another message before hello")
class EarlyEvent(Worker):
    def start(self) -> None:
        self.say((Atom("event"), Atom("model_activated"), MODEL))
        super().start()


greeting("hello.keys", "no os_pid", lambda facts: without(facts, "os_pid"))
greeting("hello.protocol", "version 2", lambda facts: facts | atoms(protocol=2))
greeting("hello.about", "ops as binaries", lambda facts: facts | atoms(ops=[b"ping"]))
greeting("hello.model", "a model without users", lambda facts: facts | atoms(model=without(MODEL, "users")))
greeting("hello.model", "a model made at a float", lambda facts: facts | atoms(model=MODEL | atoms(created_at=1.5e9)))
greeting(
    "hello.limits-most",
    "a limit above the table's",
    lambda facts: facts | atoms(limits=facts["limits"] | atoms(max_batch=65)),
)


@defect("hello.ops", "names an op that it does not take")
class TakesNoRetrain(Worker):
    def check(self, call: Call) -> None:
        if call.op == "retrain" and call.args:
            raise ProtocolError("unknown_op", "op: unknown")
        super().check(call)


greeting(
    "hello.limits",
    "a limit as a float",
    lambda facts: facts | atoms(limits=facts["limits"] | atoms(max_batch=64.0)),
)


@defect("hello.early", "refuses what came before hello")
class RefusesEarly(Worker):
    def start(self) -> None:
        if select.select([0], [], [], 0)[0]:
            os.read(0, 65536)
            super().start()
            self.refuse(None, ProtocolError("malformed_message", "too early"))
        else:
            super().start()


# Frames.


@defect("frames.only-frames", "prints while it lists models")
class Prints(Worker):
    def models(self, args: dict[str, Any]) -> Any:
        os.write(1, b"looking at models\n")
        return super().models(args)


@defect("frames.split", "loses a frame whose first part is of 2 bytes")
class LosesSplit(Worker):
    def read(self) -> bytes:
        data = super().read()
        if len(data) == 2:
            super().read()
            return b"\0\0\0\0"  # a frame of nothing, in its place
        return data


@defect("frames.bytewise", "loses a frame that takes more than 20 reads")
class LosesBytewise(Worker):
    reads = 0

    def feed(self, data: bytes) -> None:
        self.reads = self.reads + 1 if self.reader.pending_bytes else 0
        super().feed(data)

    def frame(self, payload: bytes) -> None:
        if self.reads <= 20:
            super().frame(payload)
        else:
            self.refuse(None, ProtocolError("malformed_term", "lost"))


@defect("frames.joined", "takes one frame of each read")
class TakesOne(Worker):
    def feed(self, data: bytes) -> None:
        self.reader.feed(data)
        for index, payload in enumerate(self.reader.frames()):
            if index == 0:
                self.frame(payload)


@defect("frames.straddling", "forgets what follows a whole frame")
class ForgetsRest(Worker):
    def feed(self, data: bytes) -> None:
        self.whole = 0
        super().feed(data)
        if self.whole and self.reader.pending_bytes:
            self.reader = FrameReader(self.frame_limit)

    def frame(self, payload: bytes) -> None:
        self.whole += 1
        super().frame(payload)


@defect("frames.largest", "refuses a frame of max_frame_bytes")
class RefusesLargest(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.frame_limit -= 1
        self.reader = FrameReader(self.frame_limit)


@defect("frames.eof", "exits with 1 at EOF")
class ExitsWith1(Worker):
    def end(self, status: int) -> int:
        return super().end(status) or (0 if self.draining else 1)


@defect("frames.eof", "says draining at EOF")
class DrainsAtEof(Worker):
    def end(self, status: int) -> int:
        self.drain()
        return super().end(status)


@defect("frames.eof-within", "exits with 0 within a frame")
class TruncatedIsFine(Worker):
    def serve(self) -> int:
        super().serve()
        return 0


@defect("frames.unread", "drops what the pipe does not take")
class DropsUnread(Worker):
    def write(self, payload: bytes) -> None:
        os.set_blocking(1, False)
        with suppress(BlockingIOError):
            super().write(payload)


@defect("frames.too-large", "exits with 1 at a length above the limit")
class ExitsWith1TooLarge(Worker):
    def run(self) -> int:
        self.too_large = False
        status = super().run()
        return 1 if self.too_large else status

    def facts(self, error: ProtocolError) -> dict[Any, Any]:
        self.too_large = self.too_large or error.code == "frame_too_large"
        return super().facts(error)


@defect("frames.empty", "ignores a frame without payload")
class IgnoresEmpty(Worker):
    def frame(self, payload: bytes) -> None:
        if payload:
            super().frame(payload)
        else:
            self.refuse(None, ProtocolError("malformed_message", "empty"))


# Terms.


@defect("terms.tags", "sends an atom under an old tag")
class OldTag(Worker):
    def write(self, payload: bytes) -> None:
        super().write(payload.replace(b"w\4pong", b"d\0\4pong"))


results("terms.atoms", "sends an atom outside the closed set", "status", lambda facts: facts | atoms(mood=Atom("fine")))
for _tag, _size in ((b"d", b"\0\4"), (b"s", b"\4"), (b"v", b"\0\4")):
    hears(f"terms.atom-{_tag[0]}", f"refuses the tag {_tag[0]}", b"\x83h\5" + _tag + _size, with_code("malformed_term"))
hears("terms.integers", "refuses the tag 111", b"\4callo", with_code("malformed_term"))
hears("terms.large-tuple", "refuses the tag 105", b"\x83i", with_code("malformed_term"))


@defect("terms.string", "reads the tag 107 as a binary")
class StringIsBinary(Worker):
    def frame(self, payload: bytes) -> None:
        super().frame(payload.replace(b"k\0\3\1\2\3", b"m\0\0\0\3\1\2\3"))


@defect("terms.charlist", "reads a charlist as text")
class CharlistIsText(Worker):
    def frame(self, payload: bytes) -> None:
        super().frame(payload.replace(b"k\0\3ada", b"m\0\0\0\3ada"))


takes(
    "terms.map-order",
    "ignores n before user",
    lambda call: replace(call, args=without(call.args, "n")) if list(call.args) == ["n", "user"] else call,
)

hears("terms.key-float", "takes no float as a key", b"\x83t\0\0\0\1F", with_code("malformed_term"))


@defect("terms.offset", "says no offset")
class SaysNoOffset(Worker):
    def facts(self, error: ProtocolError) -> dict[Any, Any]:
        facts = super().facts(error)
        return facts | atoms(details={}) if error.code == "malformed_term" else facts


_ID = 1_000_001
"""The kit's id of calls that hold a bad term."""

_TOLERATED = {
    "compressed": b"\x83P",
    "pid": b"\1xX",
    "old-pid": b"\1xg",
    "port": b"\1xY",
    "reference": b"\1xZ",
    "fun": b"\1xq",
    "bit-string": b"\1xM",
    "text-float": b"\1xc",
    "improper-list": b"\1xl\0\0\0\1a\1a\1",
    "list-tail": b"\1xl\0\0\0\1a\1l",
    "key-twice": b"t\0\0\0\2a\1a\1a\1a\1",
    "key-1-and-true": b"t\0\0\0\2a\1a\1w\4true",
    "key-1-and-float": b"t\0\0\0\2a\1a\1F",
    "key-float-and-true": b"t\0\0\0\2F\x3f\xf0",
    "key-zeros": b"t\0\0\0\2F\0",
    "key-wide": b"t\0\0\0\1n\x09",
    "key-kind": b"t\0\0\0\1h\0",
    "nan": b"F\x7f\xf8",
    "infinity": b"F\x7f\xf0",
    "atom-utf8": b"w\2\xc3\x28",
    "tag": b"\1x\xff",
}
for _name, _sign in _TOLERATED.items():
    hears(f"terms.refused.{_name}", f"takes what it should refuse: {_name}", _sign, with_code("unknown_argument", _ID))
hears("terms.refused.version", "dies of another version byte", b"\x82h", lambda _worker, _payload: os._exit(1))
hears("terms.refused.count", "dies of a large count", b"l\xff\xff\xff\xff", lambda _worker, _payload: os._exit(1))


@defect("terms.refused.cut-short", "takes a term that is cut short")
class TakesCut(Worker):
    def frame(self, payload: bytes) -> None:
        if payload.endswith(b"infin"):
            self.refuse(None, ProtocolError("malformed_message", "cut"))
        else:
            super().frame(payload)


hears("terms.refused.after", "ignores bytes after the term", b"infinity\0", with_code("unknown_argument", _ID))


# Limits.


def limit(clause: str, name: str) -> None:
    @defect(clause, f"has no {name}")
    class Unlimited(Worker):
        def __init__(self) -> None:
            super().__init__()
            self.terms[name] = 200_000


for _clause, _limit in (
    ("limits.depth", "max_depth"),
    ("limits.terms", "max_terms"),
    ("limits.map-pairs", "max_map_pairs"),
    ("limits.bignum", "max_bignum_bytes"),
):
    limit(_clause, _limit)


def one_less(clause: str, name: str) -> None:
    @defect(clause, f"one less than its {name}")
    class OneLess(Worker):
        def __init__(self) -> None:
            super().__init__()
            self.terms[name] -= 1


one_less("limits.depth", "max_depth")
one_less("limits.terms", "max_terms")
hears("limits.atom", "takes atoms of 256 characters", b"\x83v\1\0", with_code("malformed_message"))
codes("calls.overloaded", "calls too much in flight a defect", "ping", "internal", "overloaded")


# Messages.

says(
    "messages.shapes",
    "sends an id as a float",
    lambda term: (term[0], 3.0, *term[2:]) if term[0] == "ok" and term[1] == 3 else term,
)
hears("messages.none", "calls a lone integer a malformed term", b"\x83a\7", with_code("malformed_term"))
hears("messages.size", "ignores a cancel's third element", b"\x83h\3w\6cancel", with_code("unknown_op"))
hears("messages.size", "says no id of a short call", b"\x83h\4w\4call", with_code("malformed_message"))
hears("messages.id", "takes a negative id", b"b\xff\xff\xff\xffw\4ping", with_code("unknown_op", -1))
hears("messages.id-range", "takes no id of 0", b"w\4calla\0", with_code("malformed_message"))
hears("messages.op", "takes a binary for an op", b"m\0\0\0\4pingt", with_code("unknown_op"))


@defect("messages.unknown-op", "calls an unknown op malformed")
class MalformedOp(Worker):
    def refuse(self, call_id: int | None, error: ProtocolError) -> None:
        is_it = error.code == "unknown_op"
        super().refuse(call_id, ProtocolError("malformed_message", error.message) if is_it else error)


hears("messages.args", "takes a list for arguments", b"w\4pingjw", with_code("unknown_argument"))
hears("messages.args-keys", "calls a binary as a key a defect", b"m\0\0\0\1na\1", with_code("internal"))
hears(
    "messages.deadline",
    "calls a negative deadline invalid",
    b"t\0\0\0\0b\xff\xff\xff\xff",
    with_code("invalid_argument"),
)
takes(
    "messages.deadline-range",
    "takes no deadline of a week",
    lambda call: replace(call, op="nothing") if call.deadline_ms == 604_800_000 else call,
)
hears("messages.cancel", "calls a bad cancel invalid", b"w\6cancelm", with_code("invalid_argument"))


# Calls.


@defect("calls.one-end", "answers the 50th ping of a burst twice")
class AnswersTwice(Worker):
    pings = 0

    def work(self) -> None:
        self.pings = 0
        super().work()

    def succeed(self, call_id: int, result: Any) -> None:
        super().succeed(call_id, result)
        self.pings += result == "pong"
        if self.pings == 50:
            self.say((Atom("ok"), call_id, result))


takes(
    "calls.deadline-0",
    "does what has expired",
    lambda call: replace(call, deadline_ms=None) if call.deadline_ms == 0 else call,
)


class AnswersCancel(Worker):
    """Says `cancelled` of a call that is not in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.done: set[int] = set()

    def succeed(self, call_id: int, result: Any) -> None:
        self.done.add(call_id)
        super().succeed(call_id, result)


@defect("calls.cancel-unknown", "answers a cancel of an unknown id")
class AnswersUnknownCancel(AnswersCancel):
    def cancel(self, call_id: int) -> None:
        if call_id in self.live | self.done:
            super().cancel(call_id)
        else:
            self.fail(call_id, "cancelled")


@defect("calls.cancel-finished", "answers a cancel of a finished call")
class AnswersFinishedCancel(AnswersCancel):
    def cancel(self, call_id: int) -> None:
        if call_id in self.done:
            self.fail(call_id, "cancelled")
        else:
            super().cancel(call_id)


@defect("calls.cancel", "never ends a cancelled call")
class SwallowsCancel(Worker):
    def cancel(self, call_id: int) -> None:
        self.queue = [call for call in self.queue if call.id != call_id]
        if call_id == self.retrain:
            super().cancel(call_id)


@defect("calls.id-again", "takes an id once")
class IdOnce(AnswersCancel):
    def admit(self, call: Call) -> None:
        if call.id in self.done:
            raise ProtocolError("id_in_use", "id: used before")
        super().admit(call)


@defect("calls.id-in-use", "loses a call with a live id")
class LosesLiveId(Worker):
    def admit(self, call: Call) -> None:
        if call.id not in self.live or call.id == self.retrain:
            super().admit(call)


# The order of what is wrong.


hears(
    "order.term", "says what is wrong with the message before the term", b"w\4jump\xff", with_code("malformed_message")
)
hears("order.message", "says the op before the message", b"w\4jumpj", with_code("unknown_op"))
hears("order.unknown-op", "says the argument before the op", b"w\4jumpt\0\0\0\1", with_code("unknown_argument"))


def checks_first(clause: str, what: str, code: str, is_it: Callable[[Worker, Call], bool]) -> None:
    """A call is refused before anything else of it is looked at."""

    @defect(clause, what)
    class ChecksFirst(Worker):
        def check(self, call: Call) -> None:
            if is_it(self, call):
                raise ProtocolError(code, "user: looked at first")
            super().check(call)


checks_first(
    "order.unknown-argument",
    "says a missing argument before an unknown one",
    "missing_argument",
    lambda _worker, call: call.op == "recommend" and "user" not in call.args,
)
checks_first(
    "order.missing-argument",
    "says n before the missing user",
    "invalid_argument",
    lambda _worker, call: call.op == "recommend" and call.args == {"n": 0},
)
checks_first(
    "order.invalid-argument",
    "says the id in use before the argument",
    "id_in_use",
    lambda worker, call: call.id in worker.live,
)
checks_first(
    "order.draining",
    "says draining before the argument",
    "draining",
    lambda worker, call: worker.draining and call.op not in REPORTS and call.id not in worker.live,
)
checks_first(
    "order.overloaded",
    "says overloaded before draining",
    "overloaded",
    lambda worker, call: len(worker.live) >= LIMITS["max_in_flight"],
)
checks_first(
    "order.id-in-use",
    "says draining before the id in use",
    "draining",
    lambda worker, call: worker.draining and call.id == worker.retrain,
)


# Ops.


def _is_column_of(call: Call, kind: str, count: int) -> bool:
    exclude = call.args.get("exclude")
    return isinstance(exclude, tuple) and exclude[0] == kind and len(exclude[1]) == count * WIDTHS[kind]


@defect("errors.facts", "says that an unknown op may be known later")
class Retryable(Worker):
    def facts(self, error: ProtocolError) -> dict[Any, Any]:
        facts = super().facts(error)
        return facts | atoms(retryable=True) if error.code == "unknown_op" else facts


results("ops.ping", "pong as a binary", "ping", lambda _result: b"pong")
results("ops.status", "no uptime", "status", lambda facts: without(facts, "uptime_ms"))
results("ops.models", "a version without rows", "models", lambda facts: facts | atoms(versions=[atoms(version=b"v2")]))
results("ops.models-order", "oldest first", "models", lambda facts: facts | atoms(versions=facts["versions"][::-1]))
results("ops.recommend", "no source", "recommend", lambda facts: without(facts, "source"))
results(
    "ops.recommend-order",
    "worst first",
    "recommend",
    lambda facts: facts | atoms(items=facts["items"][::-1]) if isinstance(facts["items"], list) else facts,
)
results("ops.recommend-n", "never exhausted or always", "recommend", lambda facts: facts | atoms(exhausted=True))
results(
    "ops.recommend-columns",
    "scores as a column of integers",
    "recommend",
    lambda facts: (
        facts | atoms(items=facts["items"] | atoms(scores=(Atom("int64"), bytes(40))))
        if isinstance(facts["items"], dict)
        else facts
    ),
)
takes(
    "ops.recommend-exclude-column",
    "excludes nothing that comes as a column",
    lambda call: replace(call, args=call.args | {"exclude": []}) if _is_column_of(call, "uuid", 4) else call,
)
results("ops.recommend-unknown", "knows everybody", "recommend", lambda facts: facts | atoms(source=Atom("model")))
takes(
    "ops.recommend-exclude",
    "excludes nothing",
    lambda call: replace(call, args=call.args | {"exclude": []}) if len(call.args.get("exclude", [])) == 5 else call,
)
takes(
    "arguments.unknown",
    "ignores an unknown argument of status",
    lambda call: replace(call, args={}) if call.op == "status" else call,
)
codes("arguments.missing", "calls an absent argument invalid", "recommend", "invalid_argument", "missing_argument")


def _argument(name: str, accepts: Callable[[Any], bool], instead: Any) -> Callable[[Call], Call]:
    def change(call: Call) -> Call:
        wrong = call.op == "recommend" and name in call.args and accepts(call.args[name])
        return replace(call, args=call.args | {name: instead}) if wrong else call

    return change


takes("arguments.n", "takes 0 items for 1", _argument("n", lambda n: n == 0, 1))
takes("arguments.n-largest", "refuses max_items", _argument("n", lambda n: n == 50, 51))
takes("arguments.user", "takes an empty user", _argument("user", lambda user: user == b"", b"x"))
takes("arguments.user-range", "refuses a negative user", _argument("user", lambda user: user == -(2**63), None))


def _begins(term: Any, sign: bytes) -> bool:
    return isinstance(term, bytes) and term.startswith(sign)


takes(
    "arguments.user-uuid",
    "takes no UUID as a user",
    _argument("user", lambda user: isinstance(user, tuple) and _begins(user[1], b"\0\x11"), b""),
)
takes(
    "arguments.form",
    "takes any form",
    _argument("form", lambda form: form == "rows", Atom("pairs")),
)
takes(
    "arguments.exclude-column",
    "takes a column that ends within a value",
    _argument("exclude", lambda exclude: isinstance(exclude, tuple) and exclude[1] == bytes(12), []),
)
takes(
    "arguments.exclude-most-column",
    "excludes a larger column than it says",
    _argument("exclude", lambda exclude: isinstance(exclude, tuple) and exclude[1] == bytes(808), []),
)
takes("arguments.exclude", "takes no list to exclude", _argument("exclude", lambda exclude: exclude == b"m1", []))
takes(
    "arguments.exclude-most",
    "excludes more than it says",
    _argument("exclude", lambda exclude: isinstance(exclude, list) and len(exclude) == 101, []),
)


# Retrain.


def ends_retrain(clause: str, what: str, right: str, wrong: str) -> None:
    @defect(clause, what)
    class Ends(Worker):
        def end_retrain(self, code: str) -> None:
            super().end_retrain(wrong if code == right else code)


ends_retrain("retrain.cancel", "calls a cancelled retrain a defect", "cancelled", "internal")
ends_retrain("retrain.deadline", "calls an expired retrain cancelled", "deadline_exceeded", "cancelled")
says(
    "retrain.progress",
    "a share in percent",
    lambda term: (*term[:2], term[2] | atoms(share=50)) if term[0] == "progress" else term,
)
codes("retrain.one", "calls a second retrain too much", "retrain", "overloaded", "training_in_progress")


@defect("retrain.id-in-use", "takes the id of a running retrain")
class TakesRetrainsId(Worker):
    def admit(self, call: Call) -> None:
        if call.id == self.retrain:
            self.say((Atom("ok"), call.id, Atom("pong")))
        else:
            super().admit(call)


@defect("retrain.eof", "says nothing of a retrain at EOF")
class SilentAtEof(Worker):
    def end(self, status: int) -> int:
        self.work()
        return status


@defect("retrain.drain", "drains while a retrain runs")
class DrainsAtOnce(Worker):
    def end_drains(self) -> None:
        if self.retrain is not None and self.drains:
            self.succeed(self.drains.pop(), atoms(completed=self.answered))
        super().end_drains()


# Drain and SIGTERM.


@defect("drain.completed", "drains before the calls that came before")
class DrainsFirst(Worker):
    def work(self) -> None:
        self.queue.sort(key=lambda call: call.op != "drain")
        super().work()

    def end_drains(self) -> None:
        if self.retrain is not None:
            super().end_drains()
            return
        for call_id in self.drains:
            self.succeed(call_id, atoms(completed=3))
        self.drains = []

    def perform(self, call: Call) -> None:
        super().perform(call)
        self.end_drains()


@defect("drain.completed", "counts the drain that it answers")
class CountsItself(Worker):
    def succeed(self, call_id: int, result: Any) -> None:
        is_drain = isinstance(result, dict) and "completed" in result
        super().succeed(call_id, atoms(completed=self.answered + 1) if is_drain else result)


@defect("drain.event", "says draining at each drain")
class SaysDrainingAgain(Worker):
    def drain(self) -> None:
        self.draining = False
        super().drain()


@defect("drain.refuses", "lists models after drain")
class ModelsAfterDrain(Worker):
    def admit(self, call: Call) -> None:
        if self.draining and call.op == "models":
            self.queue.append(call)
        else:
            super().admit(call)


@defect("drain.reports", "is ready after drain")
class ReadyAfterDrain(Worker):
    def status(self, args: dict[str, Any]) -> Any:
        return super().status(args) | atoms(state=Atom("ready"))


@defect("drain.eof", "exits with 1 after drain")
class ExitsWith1AfterDrain(Worker):
    def serve(self) -> int:
        status = super().serve()
        return 1 if self.draining and status == 0 else status


@defect("sigterm.ends", "says nothing at SIGTERM")
class SilentAtSigterm(Worker):
    def drain(self) -> None:
        if sys.exc_info()[0] is Terminated:
            self.draining = True
        else:
            super().drain()
