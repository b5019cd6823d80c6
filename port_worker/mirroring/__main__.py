"""The mirror: `python -m port_worker.mirroring`, started by `process.Mirroring`; requests on stdin, outcomes on stdout.

What libraries print goes to descriptor 2, as in the trainer.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    requests, outcomes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)

    from port_worker.mirroring.child import main

    main(requests, outcomes)
