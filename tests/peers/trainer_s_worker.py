"""Starts a trainer, prints its process id, and waits: `python -m tests.peers.trainer_s_worker KIND LOG`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from port_worker.sources.definition import SourceDefinition
from port_worker.training.messages import Job
from port_worker.training.process import TrainerProcess


def main(kind: str, log: Path) -> None:
    command = [sys.executable, "-m", "tests.peers.trainer", kind]
    trainer = TrainerProcess.start(Job(SourceDefinition("csv:none"), str(log.parent), "ALS", {}), log, command)
    while not trainer.read():  # the trainer is at work once it has said something
        time.sleep(0.01)
    sys.stdout.write(f"{trainer.pid}\n")
    sys.stdout.flush()
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
