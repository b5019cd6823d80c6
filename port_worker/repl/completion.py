"""What the prompt offers while a line is typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from port_worker.repl import options
from port_worker.repl.errors import EXPECTED
from port_worker.repl.execute import COMMANDS, Command, Word
from port_worker.repl.session import Session
from port_worker.repl.training import CANDIDATES, JOINED, OF_RETRIEVER, canonical, stages
from port_worker.training.catalogue import ALGORITHMS

_OFFERED = 20


class CommandCompleter(Completer):
    """Commands, then what each takes: users of the source, items and versions seen so far, options, algorithms."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        del complete_event
        name, space, typed = document.text_before_cursor.lstrip().partition(" ")
        if not space:
            yield from _starting(COMMANDS, name)
        elif name in COMMANDS:
            yield from self._after(COMMANDS[name], typed.lstrip())

    def _after(self, command: Command, typed: str) -> Iterator[Completion]:
        before, last = _words(typed)
        yield from self._word(command.word(len(before)), last)
        if before and not set(typed) & set("'\"\\="):  # perhaps a name with spaces, which nobody has quoted yet
            yield from self._word(command.word(0), typed)
        if before or command.repeats:
            yield from self._options(command, before, last)
        if before and command.word(0) == "stages":
            yield from _keys(before[0], last)

    def _word(self, kind: Word | None, typed: str) -> Iterator[Completion]:
        match kind:
            case "user":
                yield from self._users(typed)
            case "item":
                yield from self._items(typed)
            case "algorithm":
                yield from _starting(ALGORITHMS, typed)
            case "stages":
                yield from _stages(typed)
            case "version":
                yield from _starting(self._session.seen_versions, typed)
            case "command":
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

    def _items(self, typed: str, *, by_id: bool = False) -> Iterator[Completion]:
        """`by_id`: the id is what is typed, because names may have commas."""
        prefix = typed.lstrip("'\"").lower()
        for item, card in list(self._session.seen_items.items()):
            if any(each.lower().startswith(prefix) for each in (str(item), card.name or "")):
                chosen = str(item) if by_id else shlex.quote(card.name or str(item))
                yield Completion(chosen, -len(typed), display=card.name or str(item), display_meta=str(item))

    def _options(self, command: Command, before: list[str], last: str) -> Iterator[Completion]:
        name, equals, text = last.partition("=")
        if not equals:
            given = {word.partition("=")[0] for word in before}
            yield from _starting((f"{each}=" for each in command.options if each not in given), last)
        elif name in command.options:
            part = text.rpartition(",")[2]
            if name in options.OF_ITEMS:
                yield from self._items(part, by_id=True)
            elif name == "kinds":
                yield from _starting(sorted(self._kinds()), part)
            else:
                yield from _starting(options.VALUES.get(name, ()), text)

    def _kinds(self) -> set[str]:
        return {card.kind for card in list(self._session.seen_items.values()) if card.kind is not None}


def _words(typed: str) -> tuple[list[str], str]:
    """The words that are complete, and the one that is being typed, as they stand there, quotes and all."""
    before, start, quote, escaped = [], 0, "", False
    for place, character in enumerate(typed):
        if escaped or character == "\\":
            escaped = not escaped
        elif quote or character in "'\"":
            quote = character if not quote else "" if character == quote else quote
        elif character == " ":
            before.append(typed[start:place])
            start = place + 1
    return [word for word in before if word], typed[start:]


def _stages(typed: str) -> Iterator[Completion]:
    _retriever, joined, ranker = typed.partition(JOINED)
    if joined:
        yield from _starting(stages("network"), ranker)
    else:
        yield from _starting(ALGORITHMS, typed)


def _keys(name: str, typed: str) -> Iterator[Completion]:
    """The hyper-parameters of one algorithm, or of two and what both have."""
    retriever, joined, ranker = canonical(name).partition(JOINED)
    keys = _names(ranker if joined else retriever)
    if joined:
        keys += [CANDIDATES, *(OF_RETRIEVER + each for each in _names(retriever))]
    if "=" not in typed:
        yield from _starting((f"{each}=" for each in keys), typed)


def _names(algorithm: str) -> list[str]:
    if algorithm not in ALGORITHMS:
        return []
    return [each.name for each in ALGORITHMS[algorithm].parameters if each.name not in options.RETRAIN]


def _starting(candidates: Iterable[str], typed: str) -> Iterator[Completion]:
    for each in candidates:
        if each.lower().startswith(typed.lower()):
            yield Completion(each, -len(typed))
