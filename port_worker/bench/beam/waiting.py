"""Which calls of an open loop a client would have made that waits for each answer before its next call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from port_worker.bench.beam.samples import NOT_SENT, Samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEVER = 1 << 62


def made_by_one_that_waits(samples: Samples) -> NDArray[np.bool_]:
    """bool (n,), by call: those that were sent while such a client, one for each worker, waited for no answer.

    Their latencies are what it would have recorded: a stall is one slow call to it. A closed loop waits already.
    """
    import numpy as np

    sent: NDArray[np.bool_] = samples.outcome != NOT_SENT
    if samples.closed:
        return sent
    made = np.zeros(len(sent), dtype=np.bool_)
    began_ns = samples.due_ns + samples.lag_ns
    ended_ns = np.where(samples.latency_ns > 0, samples.due_ns + samples.latency_ns, _NEVER)
    for worker in np.unique(samples.worker):
        calls = np.flatnonzero(sent & (samples.worker == worker))
        calls = calls[np.argsort(began_ns[calls], kind="stable")]
        made[calls[_one_after_the_other(began_ns[calls].tolist(), ended_ns[calls].tolist())]] = True
    return made


def _one_after_the_other(began_ns: list[int], ended_ns: list[int]) -> list[int]:
    """The places of the first call, of the first that began when it had ended, and so on."""
    places = []
    free_ns = -_NEVER
    for place, (began, ended) in enumerate(zip(began_ns, ended_ns, strict=True)):
        if began >= free_ns:
            places.append(place)
            free_ns = ended
    return places
