"""Results as JSON lines, or as tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeAlias

from port_worker.repl.errors import Failure
from port_worker.repl.execute import Outcome

Show: TypeAlias = Callable[[Outcome], None]


def show_json(outcome: Outcome) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(as_json(outcome), default=repr) + "\n")
    sys.stdout.flush()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """`command` and `ok`, then the result's fields, or `error`."""
    facts = asdict(outcome.result)
    named = {"command": outcome.line, "ok": outcome.ok}
    return {**named, **facts} if outcome.ok else {**named, "error": facts}


def show_tables(outcome: Outcome) -> None:
    """A table on stdout; a failure as one line on stderr."""
    if isinstance(outcome.result, Failure):
        show_failure(outcome.result)
        return
    from port_worker.repl.tables import write

    write(outcome.result, sys.stdout)
    sys.stdout.flush()


def show_failure(failed: Failure) -> None:
    """`error[code]: message`, on one line of stderr."""
    message = " ".join(failed.message.split())
    sys.stderr.write(f"error[{failed.code}]: {printable(message)}\n")
    sys.stderr.flush()


def printable(text: str) -> str:
    """The text without what would move the cursor or change the colours of a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
