"""The driver of an HTTP endpoint: each plan on connections of its own, from this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from port_worker.bench.driving import held_by, measured, pacing_of, undisturbed
from port_worker.bench.http.faults import Fault, FaultInjection
from port_worker.bench.http.outcomes import OutcomeReader
from port_worker.bench.http.pool import Pool
from port_worker.bench.http.target import Address, Target
from port_worker.bench.incidents import Incident
from port_worker.bench.live import Live
from port_worker.bench.load import Load
from port_worker.bench.measured import Measured
from port_worker.bench.plan import Plan
from port_worker.bench.sampling import Sampler
from port_worker.bench.users import Id, Users
from port_worker.bench.wire import Prepared
from port_worker.bench.worker_status import between

OPERATION = "GET"
_CACHED = 50_000


@dataclass(frozen=True)
class Client:
    """How an endpoint is asked. `timeout_ms` of each call; `pids` of processes whose memory and CPU are looked at."""

    target: Target
    address: Address
    connections: int
    timeout_ms: int
    pids: Sequence[int] = ()
    fault: Fault | None = None


class HttpDriver:
    """Drives an endpoint as `client` says; `live` is who watches."""

    def __init__(self, client: Client, live: Live) -> None:
        self._client = client
        self._live = live

    def drive(self, plan: Plan, incidents: Sequence[Incident] = ()) -> Measured:
        """As `Driver`."""
        client = self._client
        sampler = Sampler(lambda: client.pids)
        with ExitStack() as stack:
            pool = stack.enter_context(Pool(client.address, client.connections, client.timeout_ms))
            faults = [] if client.fault is None else [stack.enter_context(FaultInjection(client.fault))]
            load = Load(
                pool,
                pacing_of(plan),
                calls_of(plan, client.target),
                OutcomeReader(),
                deadline_ms=client.timeout_ms,
                incidents=[*incidents, *faults, sampler, self._live.watching()],
            )
            began_s = time.monotonic()
            stack.enter_context(undisturbed())
            load.run()
        self._live.rest()
        samples = sampler.up_to(len(load.recorder.seconds))
        workers = [held_by(place, pid, samples) | between(None, None) for place, pid in enumerate(client.pids)]
        found = measured(load, samples, workers, began_s)
        found.findings["connections"] = pool.facts()
        if faults:
            found.findings["faults"] = [one.facts() for one in faults[0].injected]
        return found


def calls_of(plan: Plan, target: Target) -> Iterator[tuple[str, Prepared]]:
    """The requests of a plan, without end; about the users that a worker would be asked about."""
    options = plan.options
    users = Users(plan.world.users, exponent=options.exponent, cold=options.cold, seed=options.seed)
    prepared: dict[Id, Prepared] = {}
    while True:
        user, known = users.next()
        call = prepared.get(user)
        if call is None:
            call = Prepared(OPERATION, b"", target.request(user))
            if known and len(prepared) < _CACHED:
                prepared[user] = call
        yield OPERATION, call
