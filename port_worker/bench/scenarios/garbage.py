"""Malformed frames among good calls: the good ones are answered as ever, each of the others is refused by its name."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from port_worker.bench.fleet import Fleet
from port_worker.bench.goals import at_most
from port_worker.bench.incidents import Incident, Running
from port_worker.bench.plan import Plan, steady_stages
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.scenarios.malformed import Malformed, kinds
from port_worker.bench.stages import NS
from port_worker.bench.wire import Answer
from protocol.codec import codec
from protocol.messages import Outbound


@dataclass
class Garbage(Incident):
    """Sends the kinds of malformed frames in turn, one every `every_ns`, and counts what they are refused with.

    A refusal has the id of the call where that can be read; others are told apart by their code alone.
    """

    fleet: Fleet
    kinds: list[Malformed]
    every_ns: int
    choices: random.Random
    sent: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    _due_ns: int = 0
    _named: dict[int, Malformed] = field(default_factory=dict)
    _nameless: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._turn = cycle(self.kinds)

    def due_ns(self) -> int:
        """As `Incident`."""
        return self._due_ns

    def act(self, run: Running, _now_ns: int) -> None:
        """As `Incident`."""
        self._due_ns += self.every_ns
        ready = self.fleet.ready()
        if run.timeline.is_over or not ready:
            return
        kind, call_id = next(self._turn), run.new_id()
        self.sent[kind.name] += 1
        if kind.named:
            self._named[call_id] = kind
        else:
            self._nameless[kind.code] += 1
        run.send(self.choices.choice(ready), kind.make(call_id, self.choices))

    def heard(self, _run: Running, _worker: int, message: Answer | Outbound, _payload: bytes, _now_ns: int) -> bool:
        """As `Incident`."""
        if not isinstance(message, Answer):
            return False
        if message.id is None:
            self._nameless[str(message.code)] -= 1
            return True
        kind = self._named.pop(message.id, None)
        if kind is not None and message.code != kind.code:
            self.wrong[f"{kind.name}: expected {kind.code}, got {message.code or 'ok'}"] += 1
        return kind is not None

    def over(self, _now_ns: int) -> bool:
        """As `Incident`."""
        return not self._named and not any(count > 0 for count in self._nameless.values())

    def findings(self) -> dict[str, Any]:
        """How many were sent of each kind, and those that were not refused as they had to be."""
        for code, count in self._nameless.items():
            if count:
                self.wrong[f"{code}: {'never came' if count > 0 else 'came, and was not expected'}"] += abs(count)
        for kind in self._named.values():
            self.wrong[f"{kind.name}: never refused"] += 1
        return {"malformed": sum(self.sent.values()), "by_kind": dict(self.sent), "wrong": dict(self.wrong)}


def run(bench: Bench) -> Found:
    """Drive at one rate, with garbage beside it."""
    options = bench.options
    assert options.rate is not None
    choices = random.Random(options.seed)  # noqa: S311 (a load, not a secret)
    every_ns = round(NS / (options.rate * bench.own["garbage"]))
    garbage = Garbage(bench.fleet, kinds(codec(options.codec)), every_ns, choices)
    measured = bench.driver.drive(Plan(options, bench.world, steady_stages(options)), [garbage])
    findings = garbage.findings()
    failed = sum(phase.total.failed for phase in measured.phases)
    goals = [
        at_most("every good call is answered", float(failed), 0.0, "{:.0f} not"),
        at_most("every malformed frame is refused by name", float(sum(garbage.wrong.values())), 0.0, "{:.0f} not"),
    ]
    return Found(measured, findings, goals)
