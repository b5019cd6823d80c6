"""The commands by name, and the running of one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from port_worker.repl import arguments, commands
from port_worker.repl.errors import EXPECTED, CommandError, Failure, failure
from port_worker.repl.results import CommandHelp, Help, Result
from port_worker.repl.session import Session


@dataclass(frozen=True)
class Command:
    """A command: how it is written, what it does, and the function. `whole`: the rest of the line is one argument."""

    usage: str
    summary: str
    run: Callable[[Session, list[str]], Result]
    whole: bool = False


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
    """All commands, or one."""
    chosen = [known_command(word) for word in arguments.limited(words, 1)] or list(COMMANDS.values())
    return Help([CommandHelp(command.usage, command.summary) for command in chosen])


COMMANDS: dict[str, Command] = {
    command.usage.split()[0]: command
    for command in (
        Command("recommend USER [N]", "items for a user; popular ones for a stranger", commands.recommend),
        Command("similar ITEM [N]", "items near an item, if the worker serves it", commands.similar),
        Command("user USER [N]", "who a user is, and the last N things they met", commands.user),
        Command("users [N]", "some users to try", commands.users),
        Command("retrain [ALGORITHM] [KEY=VALUE ...]", "train a model, which then answers", commands.retrain),
        Command("algorithms [NAME]", "what can be trained, or the keys of one", commands.algorithms),
        Command("models", "the model versions, newest first", commands.models),
        Command("status", "what the worker says of itself", commands.status),
        Command("ping", "how long a call takes, there and back", commands.ping),
        Command(
            "raw TERM", "send a term such as {call, 1, ping, #{}, infinity}; shows the frames", commands.raw, True
        ),
        Command("help [COMMAND]", "this list", help_),
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
