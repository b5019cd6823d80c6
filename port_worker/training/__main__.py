"""The trainer: `python -m port_worker.training FD`, started by `process.TrainerProcess`.

Its standard input is the job and the life line, FD the pipe for its messages. Both are put out of the libraries' reach
before any of them is imported; what they print goes to the log that descriptor 2 is.
"""

from __future__ import annotations

import os
import sys


def take_streams(messages: int) -> int:
    """Put standard input and the pipe out of the reach of what is imported and started; returns the life line."""
    life_line = os.dup(0)  # inherited by no child, unlike 0
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    os.set_inheritable(messages, False)
    return life_line


if __name__ == "__main__":
    messages = int(sys.argv[1])
    life_line = take_streams(messages)

    from port_worker.training.child import main

    main(life_line, messages)
