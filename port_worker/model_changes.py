"""What puts another version in service: `retrain`, `activate`, `rollback`, and what another process has activated."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from port_worker.active_model import ActiveModel
from port_worker.answering import Outcome
from port_worker.config import Settings
from port_worker.jobs import defect, too_late
from port_worker.retraining import Retraining
from port_worker.scheduler import Work
from port_worker.store.errors import StoreError
from port_worker.switching import Switching, in_progress, refusal
from port_worker.watching import Watch
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.messages import ErrorReply, Event, Message, Progress, error_facts

_ACTIVATED = Atom("activated")
_RETRAIN = ("retrain",)
_SWITCHES = ("activate", "rollback")
"""The ops that end with another version in service, and train nothing."""


class ModelChanges:
    """At most one training, and one swap at a time: two models on their way in would take the memory of three.

    Calls begin with `start` and end as outcomes of `step`, unless they are dropped or expire.

    Args:
        settings: how models are trained, and how often the store is looked at.
        model: the served one.
        clock: monotonic seconds.
        send: takes events and progress for the host.
    """

    def __init__(
        self, settings: Settings, model: ActiveModel, clock: Callable[[], float], send: Callable[[Message], None]
    ) -> None:
        self._model = model
        self._clock = clock
        self._send = send
        self._retraining = Retraining(settings, model, clock)
        self._switching = Switching(model)
        self._watch = Watch(model.store, settings.watch_seconds, clock)
        self._watches = True
        self._forgets = False
        self._open: dict[int, Work] = {}

    def start(self, work: Work) -> None:
        """Begin what a call asks for. Raises ProtocolError where that cannot be, or another is under way."""
        if work.op in _RETRAIN:
            self._retraining.start(work.arguments, lambda facts: self._send(Progress(work.call_id, facts)))
        elif self._retraining.swapping:
            raise in_progress("the one that was trained")
        elif work.op == "activate":
            self._switching.activate(work.arguments.version)
        else:
            self._switching.roll_back()
        self._open[work.call_id] = work

    def step(self) -> list[Outcome]:
        """Do what is due, a slice of it. Returns the calls that it ended."""
        ended: list[Outcome] = []
        if self._retraining.look_at <= self._clock():
            ended += self.step_retrain()
        if self._switching.busy:
            ended += self._step_switch()
        elif self._retraining.swapping:  # which waits for the end of another swap
            ended += self.step_retrain()
        elif self._looks_at <= self._clock():
            self._look_around()
        self._forgets = self._forget()
        return ended

    def step_retrain(self) -> list[Outcome]:
        """Take what the trainer has said, or go on with the swap to its model."""
        try:
            result = self._retraining.step()
        except ProtocolError as error:
            return self._ended(_RETRAIN, error)
        except Exception:  # noqa: BLE001 a defect costs the retrain, never the model in service
            self._retraining.close()
            return self._ended(_RETRAIN, defect())
        if result is None:
            return []
        if result[_ACTIVATED]:
            self._say_activated()
        return self._ended(_RETRAIN, result)

    @property
    def goes_on(self) -> bool:
        """Whether `step` has more to do at once."""
        return self._forgets or (self._swapping and self._model.waits_on is None)

    @property
    def wakes_at(self) -> float:
        """When `step` has to run, or calls have expired, even if nothing is heard; infinite if never."""
        expiries = (work.expires_at for work in self._open.values())
        return min([self._retraining.look_at, self._looks_at, self._model.waits_until, *expiries])

    @property
    def trainer_fd(self) -> int | None:
        """The trainer's descriptor to wait on before `step_retrain`, None while none runs."""
        return self._retraining.fd

    @property
    def swap_fd(self) -> int | None:
        """The descriptor to wait on before a swap's next `step`, None while there is none to wait for."""
        return self._model.waits_on

    @property
    def training(self) -> dict[Atom, Any] | None:
        """The progress of the retrain that runs, None where none does."""
        return self._retraining.latest

    @property
    def retrains(self) -> Sequence[Work]:
        """The open calls of `retrain`: at most one, none once it was given up."""
        return self._asked_by(_RETRAIN)

    def drop(self, call_id: int) -> Work | None:
        """Give up what a call has begun; None where it is none of these."""
        work = self._open.pop(call_id, None)
        if work is not None:
            (self._retraining if work.op in _RETRAIN else self._switching).abandon()
        return work

    def expired(self) -> list[Outcome]:
        """The calls whose deadline has passed; they are dropped."""
        if not self._open:
            return []
        now = self._clock()
        late = [work for work in self._open.values() if work.expires_at <= now]
        for work in late:
            self.drop(work.call_id)
        return [(work, too_late(work)) for work in late]

    def stop_watching(self) -> None:
        """For a worker that is about to end."""
        self._watches = False

    def close(self) -> None:
        """End the trainer, and give up what is under way."""
        self._retraining.close()
        self._switching.abandon()

    @property
    def _swapping(self) -> bool:
        """Whether a model is on its way in."""
        return self._switching.busy or self._retraining.swapping

    @property
    def _looks_at(self) -> float:
        """When to look for what others have activated; not while a model is on its way in."""
        return self._watch.looks_at if self._watches and not self._swapping else math.inf

    def _step_switch(self) -> list[Outcome]:
        """Go on with the swap that a call has asked for, or another process has made necessary."""
        try:
            result = self._switching.step()
        except ProtocolError as error:
            return self._switch_failed(error)
        except Exception:  # noqa: BLE001 a defect costs the swap, never the model in service
            self._switching.abandon()
            return self._switch_failed(defect())
        if result is None:
            return []
        self._say_activated()
        return self._ended(_SWITCHES, result)

    def _switch_failed(self, error: ProtocolError) -> list[Outcome]:
        ended = self._ended(_SWITCHES, error)
        if not ended:
            self._say_damaged(error)
        return ended

    def _look_around(self) -> None:
        """Follow what another process has activated."""
        try:
            self._model.tend()
            version = self._watch.look(self._model.version)
            if version is not None:
                self._switching.follow(version)
        except ProtocolError as error:
            self._say_damaged(error)
        except (StoreError, OSError) as error:
            self._say_damaged(refusal(error))

    def _forget(self) -> bool:
        """Go on to drop what the last swap has left behind. Returns whether there is more of it."""
        try:
            return self._model.forget()
        except Exception:  # noqa: BLE001 a defect here costs nobody an answer
            defect()
            return False

    def _asked_by(self, ops: Sequence[str]) -> list[Work]:
        return [work for work in self._open.values() if work.op in ops]

    def _ended(self, ops: Sequence[str], result: Any) -> list[Outcome]:
        return [(self._open.pop(work.call_id), result) for work in self._asked_by(ops)]

    def _say_activated(self) -> None:
        self._send(Event("model_activated", self._model.summary() or {}))

    def _say_damaged(self, error: ProtocolError) -> None:
        """Of a version that nobody here has asked for; what served goes on serving. Of the disk, only the log hears."""
        sys.stderr.write(f"port_worker: {error.message}\n")
        if error.code == "model_damaged":
            self._send(Event("model_damaged", error_facts(ErrorReply.of(None, error))))
