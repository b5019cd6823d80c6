"""The commands by name, and the running of one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from port_worker.repl import arguments, asking, commands, options, telling
from port_worker.repl.errors import EXPECTED, CommandError, Failure, failure
from port_worker.repl.results import CommandHelp, Help, OptionHelp, Result
from port_worker.repl.session import Session

Word: TypeAlias = Literal["user", "item", "algorithm", "stages", "version", "command"]


@dataclass(frozen=True)
class Command:
    """A command: how it is written, what it does, and the function. `whole`: the rest of the line is one argument.

    words: what its words are, for completion; `repeats`: the last of them holds for all that follow. options: those of
    `options` that may follow.
    """

    usage: str
    summary: str
    run: Callable[[Session, list[str]], Result]
    words: tuple[Word, ...] = ()
    options: tuple[str, ...] = ()
    repeats: bool = False
    whole: bool = False

    def word(self, place: int) -> Word | None:
        """What the word at `place`, from 0, is; None where it is nothing that can be offered."""
        if place < len(self.words):
            return self.words[place]
        return self.words[-1] if self.repeats else None


@dataclass(frozen=True)
class Outcome:
    """What became of a line."""

    line: str
    result: Result | Failure

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return not isinstance(self.result, Failure)


def help_(_session: Session, words: list[str]) -> Help:
    """All commands, or one and its options."""
    chosen = [known_command(word) for word in arguments.limited(words, 1)] or list(COMMANDS.values())
    options_of_one = chosen[0].options if words else ()
    described = [OptionHelp(*options.DESCRIBED[name]) for name in options_of_one]
    return Help([CommandHelp(command.usage, command.summary) for command in chosen], described)


_OPTIONS = "[OPTION=VALUE ...]"

COMMANDS: dict[str, Command] = {
    command.usage.split()[0]: command
    for command in (
        Command(f"recommend USER [N] {_OPTIONS}", "items for a user; popular ones for a stranger",
                asking.recommend, ("user",), options.RECOMMEND),
        Command(f"many USER [USER ...] | sample=K {_OPTIONS}", "the first items of many users, by one call",
                asking.many, ("user",), options.MANY, repeats=True),
        Command(f"similar ITEM [N] {_OPTIONS}", "items near an item", asking.similar, ("item",), options.SIMILAR),
        Command("score USER ITEM [ITEM ...]", "what items are worth to a user", asking.score, ("user", "item"),
                repeats=True),
        Command("explain USER ITEM [N]", "which of a user's items speak for an item", asking.explain, ("user", "item")),
        Command("feedback USER ITEM [WEIGHT]", "a user has met an item; 0 or below: and did not like it",
                telling.feedback, ("user", "item")),
        Command("hide ITEM [ITEM ...]", "never recommend these items", telling.hide, ("item",), repeats=True),
        Command("show ITEM [ITEM ...]", "recommend them again", telling.show, ("item",), repeats=True),
        Command("user USER [N]", "who a user is, and the last N things they met", commands.user, ("user",)),
        Command("users [N]", "some users to try", commands.users),
        Command("retrain [ALGORITHM | RETRIEVER+RANKER] [KEY=VALUE ...]",
                "train a model, which then answers; of two stages: retriever.KEY=VALUE, candidates=N",
                telling.retrain, ("stages",), options.RETRAIN),
        Command("algorithms [NAME]", "what can be trained, or the keys of one", commands.algorithms, ("algorithm",)),
        Command("models", "the model versions, newest first", commands.models),
        Command("activate VERSION", "have a stored version answer", telling.activate, ("version",)),
        Command("rollback", "have the version answer that did before", telling.rollback),
        Command("status", "what the worker says of itself", commands.status),
        Command("ping", "how long a call takes, there and back", commands.ping),
        Command("raw TERM", "send a term such as {call, 1, ping, #{}, infinity}; shows the frames",
                commands.raw, whole=True),
        Command("help [COMMAND]", "this list, or one command and its options", help_, ("command",)),
        Command("quit", "leave (or Ctrl-D); Ctrl-C cancels what runs", commands.quit_),
    )
}  # fmt: skip
"""Every command by its name."""


def known_command(name: str) -> Command:
    """The command of that name. Raises CommandError `unknown_command`, which lists the known ones."""
    if name not in COMMANDS:
        message = f"there is no command {name[:80]!r}; there are {', '.join(COMMANDS)}"
        raise CommandError("unknown_command", message, {"command": name[:80], "known": list(COMMANDS)})
    return COMMANDS[name]


def execute(session: Session, line: str) -> Outcome:
    """Run one line that is not blank. KeyboardInterrupt passes through, after the call that ran has been cancelled."""
    try:
        return Outcome(line, _run(session, line))
    except EXPECTED as error:
        return Outcome(line, failure(error))


def _run(session: Session, line: str) -> Result:
    name, _, rest = line.strip().partition(" ")
    command = known_command(name)
    rest = rest.strip()
    try:
        return command.run(session, ([rest] if rest else []) if command.whole else arguments.split(rest))
    except arguments.UsageError as error:
        message = f"{error}; usage: {command.usage}"
        raise CommandError("invalid_argument", message, {"usage": command.usage}) from None
