"""How a trainer gives way. In a process of its own each, since there is no way back."""

from __future__ import annotations

import os
import subprocess
import sys

from port_worker.training.priority import LOWEST, processors

SAY = "import os; from port_worker.training import priority; priority.give_way(); print({})"


def said(what: str) -> int:
    command = [sys.executable, "-c", SAY.format(what)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True).stdout)


def test_it_is_the_last_to_be_served() -> None:
    assert said("os.nice(0)") == max(LOWEST, os.nice(0))


def test_one_processor_is_left_to_others_where_there_are_several() -> None:
    may_be_left = hasattr(os, "sched_setaffinity")
    assert said("priority.processors()") == (max(1, processors() - 1) if may_be_left else processors())
