"""A BEAM that makes no calls: says the lines that its JSON argument has, and leaves the result that is in it.

Usage: fake_beam.py FAULTS PLAN RESULT. Keys, all optional:
    failed: says so instead of `ready`
    after: what to say after `go` is heard; `done` without it
    result: the bytes of the result, in hexadecimal
    status, stderr: how it ends, and what it says of that
    unready: ends before anything is said
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    faults = json.loads(sys.argv[1])
    sys.stderr.write(faults.get("stderr", ""))
    status = int(faults.get("status", 0))
    if "unready" in faults:
        return status
    if "failed" in faults:
        say(f"failed {faults['failed']}")
        return status
    say("ready 11 0")
    assert sys.stdin.readline() == "go\n"
    if "result" in faults:
        Path(sys.argv[3]).write_bytes(bytes.fromhex(faults["result"]))
    for line in faults.get("after", ["done"]):
        say(line)
    return status


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
