"""What goes on while the user waits, on stderr: a bar on a terminal, a line for each phase elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TextIO, TypeAlias

OnProgress: TypeAlias = Callable[[Mapping[str, Any]], None]


class Report(Protocol):
    """Where a session tells what it does."""

    def note(self, text: str) -> None:
        """Say one thing."""

    def training(self, algorithm: str) -> AbstractContextManager[OnProgress]:
        """Show a training while the block runs; feed what it yields with the worker's progress maps."""


def report_to(stream: TextIO) -> Report:
    """Bars for a terminal, lines for anything else."""
    return BarReport(stream) if stream.isatty() else LineReport(stream)


def standing(progress: Mapping[str, Any]) -> str:
    """Rows, epoch, loss, ndcg and the time left, as far as the trainer knows them: `epoch 3/10  loss 0.1234`."""
    parts = []
    if progress.get("rows") is not None:
        parts.append(f"{progress['rows']:,} rows")
    if progress.get("epoch") is not None:
        of = "" if progress.get("epochs") is None else f"/{progress['epochs']}"
        parts.append(f"epoch {progress['epoch']}{of}")
    if progress.get("loss") is not None:
        parts.append(f"loss {progress['loss']:.4g}")
    if progress.get("ndcg") is not None:
        parts.append(f"ndcg {progress['ndcg']:.4f}")
    if progress.get("seconds_left") is not None:
        parts.append(f"{progress['seconds_left']:.0f} s left")
    return "  ".join(parts)


class LineReport:
    """One line for each phase and each epoch."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def note(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    @contextmanager
    def training(self, algorithm: str) -> Iterator[OnProgress]:
        said: tuple[object, object] | None = None

        def show(progress: Mapping[str, Any]) -> None:
            nonlocal said
            stage = (progress["phase"], progress.get("epoch"))
            if stage != said:
                said = stage
                share = f"{100 * progress['share']:3.0f}%"
                self.note(f"training {algorithm}: {share}  {progress['phase']}  {standing(progress)}".rstrip())

        yield show


class BarReport(LineReport):
    """A bar that is gone when the training is over."""

    @contextmanager
    def training(self, algorithm: str) -> Iterator[OnProgress]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        shown = (TextColumn("training {task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        fields = (TextColumn("{task.fields[phase]}"), TextColumn("{task.fields[standing]}"))
        # The console does not capture stdout: what a command prints goes where the user has sent it.
        console = Console(file=self._stream)
        with Progress(*shown, *fields, console=console, transient=True, redirect_stdout=False) as bar:
            task = bar.add_task(algorithm, total=1.0, phase="start", standing="")
            yield lambda progress: bar.update(
                task, completed=progress["share"], phase=progress["phase"], standing=standing(progress)
            )
