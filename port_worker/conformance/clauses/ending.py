"""The session's end: drain and SIGTERM."""

from __future__ import annotations

from port_worker.conformance.peer import call
from port_worker.conformance.terms import Atom
from port_worker.conformance.verdicts import SkippedError, clause, expect, expect_error, expect_ok
from port_worker.conformance.world import World


@clause("drain.completed", "`drain`", needs=["frames.joined"])
def completed(world: World) -> None:
    """drain's result comes after the ends of all other calls, and counts those that were ok"""
    with world.fresh() as peer:
        ids = [peer.new_id() for _ in range(3)]
        drain = peer.new_id()
        peer.send(*(call(call_id, "ping") for call_id in ids), call(drain, "drain"))
        ends = [peer.end_of(*ids, drain) for _ in range(4)]
        expect(ends[-1][1] == drain, "the ends of the other calls before that of drain", ends)
        for end in ends:
            expect_ok(end)
        result = ends[-1][2]
        count = result.get("completed") if isinstance(result, dict) else None
        expect(type(count) is int and count == 3, "3 calls completed before drain", result)
        again = expect_ok(peer.ask("drain"))
        expect(again == {"completed": 4}, "4 calls completed before a second drain", again)


@clause("drain.event", "Events", needs=["frames.joined"])
def event(world: World) -> None:
    """the event draining, an empty map, comes once: after the first drain, and before its end"""
    with world.fresh() as peer:
        for _ in range(2):
            peer.send(call(peer.new_id(), "drain"))
        seen = [message for message in peer.rest() if message[0] in ("ok", "error") or message[1] == "draining"]
        expect([message[0] for message in seen] == ["event", "ok", "ok"], "the event, then two ends", seen)
        expect(seen[0][2] == {}, "an empty map", seen[0])


@clause("drain.refuses", "Session")
def refuses(world: World) -> None:
    """after drain recommend, retrain and models end with draining"""
    with world.fresh() as peer:
        peer.ask("drain")
        for op, args in (("recommend", {"user": b"somebody"}), ("models", {}), ("retrain", {})):
            expect_error(peer.ask(op, args), "draining")


@clause("drain.reports", "Session")
def reports(world: World) -> None:
    """after drain ping, status and drain are answered, and the state is draining"""
    with world.fresh() as peer:
        peer.ask("drain")
        peer.goes_on()
        status = expect_ok(peer.ask("status"))
        expect(status.get("state") == "draining", "the state draining", status.get("state"))
        expect_ok(peer.ask("drain"))


@clause("drain.eof", "`drain`", needs=["frames.eof"])
def eof(world: World) -> None:
    """after drain the worker waits for EOF, then ends with status 0"""
    with world.fresh() as peer:
        peer.ask("drain")
        peer.goes_on()
        peer.rest()
        status = peer.status()
        expect(status == 0, "the exit status 0", f"{status}")


@clause("sigterm.ends", "Frames")
def sigterm(world: World) -> None:
    """SIGTERM: the event draining, once, then status 0"""
    with world.fresh() as peer:
        pid = peer.hello.get("os_pid")
        if type(pid) is not int or not peer.process.terminate(pid):
            raise SkippedError(f"os_pid {pid} is no process of the command's session")
        kinds = [message[1] for message in peer.remainder() if message[0] == "event"]
        expect(kinds.count(Atom("draining")) == 1, "the event draining once", f"the events {kinds}")
        status = peer.status()
        expect(status == 0, "the exit status 0", f"{status}")
