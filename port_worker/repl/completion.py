"""What the prompt offers while a line is typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from port_worker.repl.commands import canonical
from port_worker.repl.errors import EXPECTED
from port_worker.repl.execute import COMMANDS
from port_worker.repl.session import Session
from port_worker.training.catalogue import ALGORITHMS

_OFFERED = 20


class CommandCompleter(Completer):
    """Commands, then what each takes: users of the source, items seen so far, algorithms and their keys."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        del complete_event
        name, space, typed = document.text_before_cursor.lstrip().partition(" ")
        typed = typed.lstrip()
        if not space:
            yield from _starting(COMMANDS, name)
        elif name in {"recommend", "user"}:
            yield from self._users(typed)
        elif name == "similar":
            yield from self._items(typed)
        elif name == "retrain":
            yield from _training(typed)
        elif name == "algorithms":
            yield from _starting(ALGORITHMS, typed)
        elif name == "help":
            yield from _starting(COMMANDS, typed)

    def _users(self, typed: str) -> Iterator[Completion]:
        prefix = typed.lstrip("'\"")
        try:
            found = self._session.world.source.find_users(prefix, _OFFERED)
        except EXPECTED:
            return  # what is wrong with the data is said when a command needs it
        for card in found:
            by_id = card.name is None or str(card.id).startswith(prefix or "\0")
            chosen = str(card.id) if by_id else str(card.name)
            yield Completion(
                shlex.quote(chosen), -len(typed), display=card.name or str(card.id), display_meta=str(card.id)
            )

    def _items(self, typed: str) -> Iterator[Completion]:
        prefix = typed.lstrip("'\"").lower()
        for item, name in list(self._session.seen_items.items()):
            if any(each.lower().startswith(prefix) for each in (str(item), name or "")):
                yield Completion(
                    shlex.quote(name or str(item)), -len(typed), display=name or str(item), display_meta=str(item)
                )


def _training(typed: str) -> Iterator[Completion]:
    words = typed.split(" ")
    if len(words) == 1:
        yield from _starting(ALGORITHMS, typed)
        return
    chosen = ALGORITHMS.get(canonical(words[0]))
    if chosen is not None and "=" not in words[-1]:
        yield from _starting([f"{each.name}=" for each in chosen.parameters], words[-1])


def _starting(candidates: Iterable[str], typed: str) -> Iterator[Completion]:
    for each in candidates:
        if each.lower().startswith(typed.lower()):
            yield Completion(each, -len(typed))
