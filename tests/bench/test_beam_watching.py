"""What workers hold, looked at once a second."""

from __future__ import annotations

import os

from port_worker.bench.beam.drive import Tick
from port_worker.bench.beam.watching import NS, Held, Use, UseOfWorkers, held_by


def test_a_worker_that_was_started_again_has_no_share_of_a_core_yet() -> None:
    held = {5: Held(10, 8.0), 6: Held(20, 0.1)}
    use = UseOfWorkers(look=held.get)
    use.ready((5,))
    held[5] = Held(11, 8.25)
    use.tick(Tick(1.0, 0, 0, 0, (5,)))
    use.tick(Tick(2.0, 0, 0, 0, (6,)))
    del held[6]
    use.tick(Tick(3.0, 0, 0, 0, (6,)))
    assert use.at(1 * NS) == [Use(5, 11, 0.25)]
    assert use.at(2 * NS) == [Use(6, 20, None)]
    assert use.at(3 * NS) == [None]
    assert use.at(4 * NS) == []
    assert use.facts(0, 2 * NS) == [{"pid": 6, "cpu": 0.25, "rss_bytes": 20, "rss_peak_bytes": 20}]
    assert use.facts(2 * NS, 3 * NS) == [{"pid": None, "cpu": None, "rss_bytes": None, "rss_peak_bytes": None}]
    assert use.facts(5 * NS, 6 * NS) == []


def test_a_process_is_looked_at() -> None:
    held = held_by(os.getpid())
    assert held is not None
    assert held.rss_bytes > 1_000_000
    assert held_by(2**22 + 1) is None
