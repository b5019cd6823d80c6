"""Rules about everything that a worker sends: judged on every frame, whichever clause brought it forth."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from port_worker.conformance.terms import Atom, Reading, UnreadableError, read, show
from protocol.atoms import CLOSED_SET
from protocol.errors import CODES

SENT_TAGS = frozenset((70, 97, 98, 104, 105, 106, 108, 109, 110, 116, 119))
_SIZES = {"hello": 2, "ok": 3, "error": 3, "progress": 3, "event": 3}


class Watch:
    """What was seen against the rules, by clause."""

    def __init__(self) -> None:
        self.against: dict[str, list[str]] = defaultdict(list)

    def note(self, clause: str, what: str) -> None:
        """Remember a breach."""
        if what not in self.against[clause]:
            self.against[clause].append(what)

    def message(self, payload: bytes) -> tuple[Any, ...] | None:
        """Read a frame and judge it. None, and a note, for what is no message at all."""
        try:
            reading = read(payload)
        except UnreadableError as error:
            self.note("terms.tags", f"a term of the tags that are sent, got {error}")
            return None
        self._made_of(reading)
        message = reading.term
        if not isinstance(message, tuple) or not message or _SIZES.get(_name(message[0])) != len(message):
            self.note("messages.shapes", f"hello, progress, ok, error or event, got {show(message)}")
            return None
        self._shape(message)
        return message

    def _made_of(self, reading: Reading) -> None:
        for tag in sorted(reading.tags - SENT_TAGS):
            self.note("terms.tags", f"the tags that are sent, got {tag} in {show(reading.term)}")
        for name in sorted(reading.atoms - CLOSED_SET):
            self.note("terms.atoms", f"atoms of the closed set, got {name} in {show(reading.term)}")

    def _shape(self, message: tuple[Any, ...]) -> None:
        tag = message[0]
        if tag in ("ok", "progress", "error") and not (_is_id(message[1]) or (tag == "error" and message[1] == "nil")):
            self.note("messages.shapes", f"the call's id, an integer, got {show(message)}")
        if tag == "event" and not isinstance(message[1], Atom):
            self.note("messages.shapes", f"an atom as the kind of an event, got {show(message)}")
        if tag != "ok" and not isinstance(message[-1], dict):
            self.note("messages.shapes", f"a map of facts, got {show(message)}")
        elif tag == "error":
            self._error(message[2])

    def _error(self, facts: dict[Any, Any]) -> None:
        for what in error_breaches(facts):
            self.note("errors.facts", what)


def error_breaches(facts: dict[Any, Any]) -> list[str]:
    """What is wrong with an error's facts."""
    code, details = facts.get("code"), facts.get("details")
    wrong = []
    if not isinstance(code, Atom) or code not in CODES:
        wrong.append(f"a code of the table, got {show(code)}")
    elif facts.get("retryable") != ("true" if CODES[code].retryable else "false"):
        wrong.append(f"retryable of {code} as in the table, got {show(facts.get('retryable'))}")
    if not _is_text(facts.get("message")):
        wrong.append(f"a message of {show(code)}, a binary in UTF-8, got {show(facts.get('message'))}")
    if not isinstance(details, dict) or not all(isinstance(key, bytes) for key in details):
        wrong.append(f"details of {show(code)}, a map with binaries as keys, got {show(details)}")
    return wrong


def _name(term: Any) -> str:
    return term if isinstance(term, Atom) else ""


def _is_id(term: Any) -> bool:
    return type(term) is int


def _is_text(term: Any) -> bool:
    if not isinstance(term, bytes) or not term:
        return False
    try:
        term.decode()
    except UnicodeDecodeError:
        return False
    return True
