"""Ops to calls on the rooms below: the worker's behaviour without its I/O.

`receive` takes a frame's payload, `step` does a piece of work and says whether more waits; `send` takes the answers.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from port_worker import __version__
from port_worker.active_model import ActiveModel, report_damage
from port_worker.answering import Answering, Outcome
from port_worker.config import Settings
from port_worker.feeding import ROWS_AT_ONCE, Feeding
from port_worker.jobs import Jobs, defect, too_late
from port_worker.mirroring.messages import Setup
from port_worker.mirroring.process import Mirroring
from port_worker.model_changes import ModelChanges
from port_worker.rehearsal import rehearse
from port_worker.scheduler import Lane, Scheduler, Work
from port_worker.serving.bulk import Pace
from port_worker.status import Counters, heavy_modules, resident_bytes
from port_worker.store.errors import StoreError
from port_worker.store.live import LiveStore
from port_worker.store.models import ModelStore
from protocol.arguments import (
    Arguments,
    Explain,
    Feedback,
    HideItems,
    Recommend,
    RecommendMany,
    Score,
    ShowItems,
    Similar,
    parse_arguments,
)
from protocol.atoms import OPS, Atom
from protocol.codec import codec
from protocol.errors import ProtocolError
from protocol.inbound import read_inbound
from protocol.messages import (
    PROTOCOL_VERSION,
    Call,
    Cancel,
    ErrorReply,
    Event,
    Hello,
    Message,
    Ok,
    atom_keys,
    error_facts,
)
from protocol.session import Session


class Service:
    """One worker's session.

    Args:
        settings: what the worker was told at its start.
        send: takes each message for the host.
        clock: monotonic seconds.
    """

    def __init__(
        self, settings: Settings, send: Callable[[Message], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._send = send
        self._clock = clock
        self._started = clock()
        self._codec = codec(settings.codec)
        self._limits = settings.limits
        self._session = Session(self._limits.max_in_flight)
        self._scheduler = Scheduler(clock, self._limits.max_batch)
        self._counters = Counters()
        self._live = LiveStore(settings.live)
        self._model = ActiveModel(ModelStore(settings.models), self._live, settings, clock, _mirroring(settings, clock))
        self._answering = Answering(self._limits, Pace(clock=clock))
        feeding = Feeding(self._model, self._live)
        self._feeding: Mapping[str, Callable[[Work], Iterator[list[Outcome]]]] = {
            "feedback": feeding.feedback,
            "hide_items": feeding.hide_items,
            "show_items": feeding.show_items,
        }
        self._jobs = Jobs(self._scheduler, self._start, clock, self._counters)
        self._changes = ModelChanges(settings, self._model, clock, send)
        self._drains: dict[int, Work] = {}
        self._immediate: Mapping[str, Callable[[Work], None]] = {
            "ping": lambda work: self._answer(work, Atom("pong")),
            "status": lambda work: self._answer(work, self._status()),
            "models": lambda work: self._answer(work, self._model.listing()),
            **dict.fromkeys(("retrain", "activate", "rollback"), self._changes.start),
            "drain": self._start_drain,
            **dict.fromkeys(self._feeding, self._feed_at_once),
        }

    def open(self) -> None:
        """Load the active model and greet the host."""
        self._model.store.sweep_staging()
        self._model.catch_up()
        damaged = self._model.load_at_start()
        report_damage(damaged)
        if self._model.is_loaded:
            self._rehearse()
        self._session.become_ready()
        self._send(Hello(self._hello()))
        for error in damaged:
            said = ErrorReply.of(None, ProtocolError(error.code, str(error), error.details))
            self._send(Event("model_damaged", error_facts(said)))

    def _rehearse(self) -> None:
        try:
            rehearse(self._model.serving, self._answering, self._codec, self._limits)
        except ProtocolError:
            pass  # of what keeps it from answering now, each caller is told
        except Exception:  # noqa: BLE001 a defect costs an answer each, never the worker
            defect()

    def receive(self, payload: bytes) -> None:
        """Take one frame. A bad one is answered at once; nothing that a host sends raises here."""
        try:
            message = read_inbound(payload, self._codec, self._limits)
            if isinstance(message, Cancel):
                self._cancel(message.id, ProtocolError("cancelled", "call: cancelled by the host"))
            else:
                self._admit(message)
        except ProtocolError as error:
            self._fail(error.call_id, error)

    def _admit(self, call: Call) -> None:
        try:
            arguments = parse_arguments(call, self._limits)
            self._session.admit(call.id, call.op)
        except ProtocolError as error:
            error.call_id = call.id
            raise
        work = self._work(call, arguments)
        try:
            if work.lane is Lane.BULK:
                self._check_bulk(arguments)
        except ProtocolError as error:
            self._finish(work, error)
        else:
            self._scheduler.add(work)

    def _check_bulk(self, arguments: Arguments) -> None:
        """What is known to fail need not wait for its turn, which may take seconds. Raises ProtocolError."""
        waiting, most = self._scheduler.waiting(Lane.BULK), self._limits.max_bulk
        if waiting >= most:
            message = f"call: expected at most {most} bulk calls to wait, got one more"
            raise ProtocolError("overloaded", message, {"field": "call", "limit": most})
        if isinstance(arguments, RecommendMany):
            _model = self._model.serving  # that there is none is said first
            self._answering.check_reply(arguments)

    def _work(self, call: Call, arguments: Any) -> Work:
        now = self._clock()
        expires_at = float("inf") if call.deadline_ms is None else now + call.deadline_ms / 1000
        return Work(call.id, call.op, arguments, lane_of(arguments), expires_at, now)

    def step(self) -> bool:
        """Do what is due: a call, a step of a job, a slice of a swap. Returns whether more can be done at once."""
        self._end(self._changes.expired())
        if self._scheduler.waiting(Lane.AT_ONCE):
            self._next_at_once()
        elif self._jobs.busy:
            self._end(self._jobs.expired())
            self._end(self._jobs.step())
        self._end(self._changes.step())
        if self._drains:
            self._end_drains()
        return bool(self._scheduler) or self._jobs.busy or self._changes.goes_on

    def _next_at_once(self) -> None:
        due, expired = self._scheduler.take(Lane.AT_ONCE)
        self._end([(work, too_late(work)) for work in expired])
        if due:
            self._perform(due[0])

    def _perform(self, work: Work) -> None:
        try:
            self._immediate[work.op](work)
        except ProtocolError as error:
            self._fail_all([work], error)
        except Exception:  # noqa: BLE001 a defect costs its callers one answer each, never the worker
            self._fail_all([work], defect())

    def _fail_all(self, due: list[Work], error: ProtocolError) -> None:
        for work in due:
            if self._session.is_live(work.call_id):
                self._finish(work, error)

    def _start(self, due: Sequence[Work]) -> Iterator[list[Outcome]]:
        """The steps of a batch of `recommend`, or of a single call."""
        feed = self._feeding.get(due[0].op)
        return feed(due[0]) if feed is not None else self._answering.start(self._model.serving, due)

    def _feed_at_once(self, work: Work) -> None:
        for ended in self._feeding[work.op](work):
            self._end(ended)

    def _end(self, outcomes: Sequence[Outcome]) -> None:
        for work, result in outcomes:
            if isinstance(result, ProtocolError):
                self._finish(work, result)
                continue
            try:
                self._answer(work, result)
            except Exception:  # noqa: BLE001 what cannot be encoded is a defect of this answer alone
                self._finish(work, defect())

    def _start_drain(self, work: Work) -> None:
        self._drains[work.call_id] = work
        self._drain()

    def _drain(self) -> None:
        if self._session.state != "draining":
            self._take_no_more()
            self._send(Event("draining", {}))

    def _take_no_more(self) -> None:
        self._session.start_draining()
        self._changes.stop_watching()

    def _end_drains(self) -> None:
        now = self._clock()
        self._end([(work, too_late(work)) for work in self._drains.values() if work.expires_at <= now])
        if self._session.in_flight == len(self._drains):
            for work in [*self._drains.values()]:
                self._answer(work, atom_keys(completed=self._counters.answered))

    def terminate(self) -> None:
        """The worker is told to end: tell the host, and do as `hang_up` does."""
        self._drain()
        self.hang_up()

    def hang_up(self) -> None:
        """Take no more calls, give up a retrain, answer what is in flight; then the service is `finished`."""
        self._take_no_more()
        for work in self._changes.retrains:
            self._cancel(work.call_id, ProtocolError("cancelled", "retrain: ended, since the worker was told to end"))

    def close(self) -> None:
        """The host is gone: end the trainer and hold nothing back."""
        self._changes.close()
        self._model.close()
        self._live.close()
        self._session.close()

    @property
    def finished(self) -> bool:
        """Whether a draining worker has answered everything."""
        return self._session.state == "draining" and not self._session.in_flight

    @property
    def trainer_fd(self) -> int | None:
        """The trainer's descriptor to wait on, None while none runs."""
        return self._changes.trainer_fd

    def trainer_readable(self) -> None:
        """Take what the trainer has said."""
        self._end(self._changes.step_retrain())

    @property
    def swap_fd(self) -> int | None:
        """The descriptor to wait on before a swap's next `step`, None while there is none to wait for."""
        return self._changes.swap_fd

    @property
    def wakes_at(self) -> float:
        """When `step` has to run even if nothing arrives; infinite if never."""
        return min([self._changes.wakes_at, *(work.expires_at for work in self._drains.values())])

    def _cancel(self, call_id: int, reason: ProtocolError) -> None:
        """End a call that waits or runs. An id that is not in flight is ignored: its answer crossed the cancel."""
        work = self._drains.get(call_id) or self._changes.drop(call_id) or self._jobs.drop(call_id)
        if work is not None or self._scheduler.cancel(call_id):
            self._finish(work or Work(call_id, "", None), reason)

    def _answer(self, work: Work, result: Any) -> None:
        self._send(Ok(work.call_id, result))  # what cannot be sent leaves the call open, for an error to end it
        self._counters.answered += 1
        self._close_call(work)

    def _finish(self, work: Work, error: ProtocolError) -> None:
        self._close_call(work)
        self._fail(work.call_id, error)

    def _close_call(self, work: Work) -> None:
        self._drains.pop(work.call_id, None)
        self._session.finish(work.call_id)

    def _fail(self, call_id: int | None, error: ProtocolError) -> None:
        self._counters.errors += 1
        self._send(ErrorReply.of(call_id, error))

    def _hello(self) -> dict[Atom, Any]:
        return atom_keys(
            protocol=PROTOCOL_VERSION,
            worker=atom_keys(name="port_worker", version=__version__, python=platform.python_version()),
            os_pid=os.getpid(),
            ops=[Atom(op) for op in OPS],
            limits=atom_keys(**asdict(self._limits)),
            model=self._model.summary(),
        )

    def _status(self) -> dict[Atom, Any]:
        return atom_keys(
            state=Atom(self._session.state),
            os_pid=os.getpid(),
            uptime_ms=round((self._clock() - self._started) * 1000),
            rss_bytes=resident_bytes(),
            heavy_modules=heavy_modules(),
            model=self._model.summary(),
            in_flight=self._session.in_flight,
            queued=len(self._scheduler),
            bulk_queued=self._scheduler.waiting(Lane.BULK),
            **self._kept_live(),
            training=self._changes.training,
            **self._counters.facts(),
        )

    def _kept_live(self) -> dict[str, int | None]:
        """How much feedback and how many hidden items there are; None while the file cannot be read."""
        try:
            totals = self._live.totals()
        except StoreError:
            return {"feedback_rows": None, "hidden_items": None}
        return {"feedback_rows": totals.rows, "hidden_items": totals.hidden}


def _mirroring(settings: Settings, clock: Callable[[], float]) -> Mirroring | None:
    """Of the remote model store, where there is one."""
    if settings.remote is None:
        return None
    cache, keep = str(settings.models), settings.keep_versions
    return Mirroring(Setup(settings.remote, cache, keep, settings.watch_seconds), clock)


_LANES: Mapping[type, Lane] = {
    Recommend: Lane.BATCH,
    RecommendMany: Lane.BULK,
    Similar: Lane.SINGLE,
    Score: Lane.SINGLE,
    Explain: Lane.SINGLE,
}


def lane_of(arguments: Arguments) -> Lane:
    """How urgent a call is, and how long it takes: what writes many rows is cut into slices."""
    lane = _LANES.get(type(arguments))
    if lane is not None:
        return lane
    if isinstance(arguments, Feedback):
        return Lane.AT_ONCE if len(arguments) <= ROWS_AT_ONCE else Lane.BULK
    if isinstance(arguments, HideItems | ShowItems):
        return Lane.AT_ONCE if len(arguments.items) <= ROWS_AT_ONCE else Lane.SINGLE
    return Lane.AT_ONCE
