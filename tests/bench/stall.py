"""One stall in a minute, for real: `python -m tests.bench.stall` takes a minute and shows both kinds of latency.

A stub worker answers at once, but for one answer before which it sleeps for 1.4 s. What the report calls corrected has
to show that at p99.9, and what it calls uncorrected must not. The same with a clock of its own, in no time, is in
test_load.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from port_worker.bench import cli, prepare
from port_worker.bench.report import show
from port_worker.bench.resolved import chosen
from port_worker.bench.suite import Suite
from tests.peers.stubs import stub_command

_STALL_MS = 1400.0


def main() -> int:
    """Returns 0 when the one shows the stall and the other does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    rate = 6000 / seconds
    stalling = stub_command(stall={"at": 3000, "ms": _STALL_MS})
    vars(prepare).update(worker_command=lambda *_args, **_options: stalling)
    bench = argparse.ArgumentParser()
    cli.configure(bench)
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.csv"
        rows.write_text("user,item,label,time\nada,m1,1,1\nbob,m2,1,2\n", encoding="utf-8")
        words = ["--source", str(rows), "--rate", str(rate), "--duration", str(seconds), "--warmup", "0"]
        args = bench.parse_args(words)
        report = Suite(args, Path(folder), words).run(chosen(args))
    show(report, sys.stdout)
    total = report["scenarios"][0]["total"]
    corrected, uncorrected = total["latency_ms"]["p999"], total["uncorrected_ms"]["p999"]
    print(f"p99.9 corrected {corrected:.1f} ms, uncorrected {uncorrected:.1f} ms")  # noqa: T201
    return 0 if corrected > _STALL_MS / 2 > uncorrected else 1


if __name__ == "__main__":
    sys.exit(main())
