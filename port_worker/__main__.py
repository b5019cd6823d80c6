"""`python -m port_worker`: the same programs as the console script `port-worker`."""

import sys

from port_worker.cli import main

if __name__ == "__main__":
    sys.exit(main())
