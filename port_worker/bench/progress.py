"""How far the preparation of a run is, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def say(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"bench: {text}\n")


@contextmanager
def training(algorithm: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What takes the progress messages of a retrain: a bar on a terminal, else a line for each phase."""
    title = f"training {algorithm or 'a model'}"
    if not sys.stderr.isatty():
        yield _phase_lines(title)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)

        def show(facts: dict[str, Any]) -> None:
            bar.update(task, completed=facts.get("share") or 0.0, description=f"{title}: {standing(facts)}")

        yield show


def standing(facts: dict[str, Any]) -> str:
    """The phase, and what is known besides: `final_fit, ndcg 0.1234, 12 s left`."""
    ndcg, left = facts.get("ndcg"), facts.get("seconds_left")
    known = [
        facts["phase"],
        None if ndcg is None else f"ndcg {ndcg:.4f}",
        None if left is None else f"{left:.0f} s left",
    ]
    return ", ".join(part for part in known if part is not None)


def _phase_lines(title: str) -> Callable[[dict[str, Any]], None]:
    seen: set[str] = set()

    def show(facts: dict[str, Any]) -> None:
        if facts["phase"] not in seen:
            seen.add(facts["phase"])
            say(f"{title}: {standing(facts)}")

    return show


def nothing(*_anything: object) -> None:
    """Where nobody watches."""
