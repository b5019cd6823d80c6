"""A worker whose trainer needs no LibRecommender: `python -m tests.peers.light_worker`, with the worker's arguments."""

from __future__ import annotations

import sys
from functools import partial

from port_worker import cli
from port_worker.training.process import TrainerProcess

LIGHT = (sys.executable, "-m", "tests.peers.light_trainer")

TrainerProcess.start = partial(TrainerProcess.start, command=LIGHT)  # type: ignore[method-assign]
sys.exit(cli.main(["worker", *sys.argv[1:]]))
