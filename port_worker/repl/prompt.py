"""The prompt: line editing, completion and history, until the user leaves."""

from __future__ import annotations

import sys
from typing import Any

from port_worker.repl.execute import execute
from port_worker.repl.render import Show
from port_worker.repl.results import Farewell
from port_worker.repl.session import Session


def converse(session: Session, show: Show) -> None:
    """Read and run commands until Ctrl-D or `quit`. Ctrl-C cancels the command that runs, or clears the line."""
    prompt = _prompt_session(session)
    while True:
        try:
            line = prompt.prompt("> ").strip()
            if not line:
                continue
            outcome = execute(session, line)
        except KeyboardInterrupt:
            session.report.note("cancelled")
            continue
        except EOFError:
            return
        show(outcome)
        if isinstance(outcome.result, Farewell):
            return


def greet(session: Session) -> None:
    """Say what is there to talk to."""
    model = session.model()
    assert model is not None
    known = f"{model['users']:,} users, {model['items']:,} items"
    session.report.note(f"{model['algorithm']} model of {session.world.source.name}: {known}")
    session.report.note("`help` lists the commands, `users` shows some users to try")


def _prompt_session(session: Session) -> Any:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.output import create_output

    from port_worker.repl.completion import CommandCompleter

    return PromptSession[str](
        history=FileHistory(str(session.world.base / "history")),
        completer=CommandCompleter(session),
        complete_in_thread=True,
        auto_suggest=AutoSuggestFromHistory(),
        output=create_output(sys.stdout if sys.stdout.isatty() else sys.stderr),
    )
