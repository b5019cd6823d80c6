"""A real training beside the load: latency before, during and after it.

While the worker serves what it has (ALS, unless --algorithm names another), DeepFM is trained and, unless --activate
says otherwise, only stored. So the model that answers is the same before and during, and what is measured is what a
training beside it costs. Twenty seconds pass before, by default: of some 4,000 calls the p99 is the fortieth from the
top, which one busy millisecond of the machine does not decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from port_worker.bench.goals import at_most
from port_worker.bench.histogram import histogram_of, latency_ms
from port_worker.bench.incidents import Incident, Running
from port_worker.bench.measured import MeasuredPhase
from port_worker.bench.plan import Plan, warm_up
from port_worker.bench.prepare import retrain_args
from port_worker.bench.recording import NO_ANSWER, WORKER_GONE
from port_worker.bench.scenarios.bench import Bench, Found
from port_worker.bench.stages import NEVER, NS, Stage
from port_worker.bench.wire import Answer
from protocol.codec import Codec, codec
from protocol.messages import Call, ErrorReply, Ok, Outbound, parse_outbound, plain, to_payload

MOST_TIMES = 2.0
LIMIT_S = 900.0
"""The retrain's deadline; a run waits some seconds more for the worker to say that it has passed."""

_GRACE_S = 10.0
_BEFORE, _DURING, _AFTER = "before", "during", "after"


@dataclass
class Retraining(Incident):
    """Asks for one retrain when the stage at `place`, which has no end of its own, begins; its answer ends the stage.

    Args:
        place: of the stage.
        args: of the op `retrain`.
        codec: of the worker.
    """

    place: int
    args: dict[str, Any]
    codec: Codec
    call_id: int | None = None
    began_ns: int = NEVER
    ended_ns: int = NEVER
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    _decode: Callable[..., Outbound] = field(default=parse_outbound, repr=False)

    def due_ns(self) -> int:
        """As `Incident`: soon, until it is asked; then when it has to be given up."""
        if self.call_id is None:
            return 0
        return self.began_ns + round((LIMIT_S + _GRACE_S) * NS) if self.ended_ns == NEVER else NEVER

    def act(self, run: Running, now_ns: int) -> None:
        """As `Incident`."""
        if self.call_id is not None:
            self._fail(run, NO_ANSWER, now_ns)
        elif run.timeline.place == self.place and now_ns >= run.timeline.began_ns[self.place]:
            self.call_id, self.began_ns = run.new_id(), now_ns
            call = Call(self.call_id, "retrain", self.args, round(LIMIT_S * 1000))
            run.send(0, to_payload(call, self.codec))
            run.mark(now_ns, "retrain began")

    def heard(self, run: Running, worker: int, message: Answer | Outbound, payload: bytes, now_ns: int) -> bool:
        """As `Incident`."""
        if worker != 0 or not isinstance(message, Answer) or message.id is None or message.id != self.call_id:
            return False
        reply = self._decode(payload, self.codec)
        if isinstance(reply, Ok):
            self.result = plain(reply.result)
        elif isinstance(reply, ErrorReply):
            self.error = {"code": reply.code, "message": reply.message}
        self._end(run, now_ns, "retrain ended" if self.error is None else f"retrain failed: {self.error['code']}")
        return True

    def lost(self, run: Running, worker: int, _calls: int, now_ns: int) -> None:
        """As `Incident`."""
        if worker == 0 and self.call_id is not None and self.ended_ns == NEVER:
            self._fail(run, WORKER_GONE, now_ns)

    def abandoned(self, _now_ns: int) -> None:
        """As `Incident`."""
        if self.ended_ns == NEVER:
            self.error = {"code": WORKER_GONE, "message": "there was no worker to ask"}

    @property
    def seconds(self) -> float:
        """From the asking to the answer."""
        return (self.ended_ns - self.began_ns) / NS if self.ended_ns < NEVER else 0.0

    def _fail(self, run: Running, code: str, now_ns: int) -> None:
        self.error = {"code": code, "message": "the retrain was not answered"}
        self._end(run, now_ns, f"retrain failed: {code}")

    def _end(self, run: Running, now_ns: int, text: str) -> None:
        self.ended_ns = now_ns
        run.timeline.end_stage(now_ns)
        run.mark(now_ns, text)


def run(bench: Bench) -> Found:
    """Half of the duration, the retrain for as long as it takes, the other half, at the same rate throughout."""
    options = bench.options
    half_s = options.duration_s / 2
    lengths = {_BEFORE: half_s, _DURING: None, _AFTER: half_s}
    stages = (*warm_up(options), *(Stage(name, options.rate, length) for name, length in lengths.items()))
    place = len(stages) - 2
    args = retrain_args(bench.own["retrain"], bench.own["activate"])
    retraining = Retraining(place, args, codec(options.codec))
    measured = bench.driver.drive(Plan(options, bench.world, stages), [retraining])
    findings = {"seconds": retraining.seconds, "result": retraining.result, "error": retraining.error, "args": args}
    phases = {phase.name: phase for phase in measured.phases}
    times = None if retraining.error is not None else p99_times(phases[_BEFORE], phases[_DURING])
    failed = sum(phase.total.failed for phase in measured.phases)
    goals = [
        at_most("the retrain succeeds", float(retraining.error is not None), 0.0, "{:.0f} failed"),
        at_most(f"p99 during the retrain at most {MOST_TIMES:g} times that before", times, MOST_TIMES),
        at_most("no errors", float(failed), 0.0, "{:.0f}"),
    ]
    return Found(measured, {**findings, "p99_times": times}, goals)


def p99_times(before: MeasuredPhase, during: MeasuredPhase) -> float | None:
    """The p99 of the one to that of the other; None where one has no answer."""
    base, other = (latency_ms(histogram_of(one), one) for one in (before.total.corrected, during.total.corrected))
    return None if base is None or other is None else float(other["p99"] / base["p99"])
