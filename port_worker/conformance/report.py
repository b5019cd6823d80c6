"""The verdicts as a table, and as data."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from port_worker.conformance.verdicts import FAIL, PASS, SKIPPED, Clause, Verdict

_UNBOUNDED = 100_000  # columns where nobody looks through a window: then nothing is wrapped or cut
_STYLES = {PASS: "green", FAIL: "bold red", SKIPPED: "yellow"}


def show(verdicts: Sequence[Verdict], stream: TextIO) -> None:
    """Write a line for each clause, and the sums."""
    table = _table("clause", "SPEC.md", "", "rule, or why not")
    for verdict in verdicts:
        clause = verdict.clause
        outcome = Text(verdict.outcome, _STYLES[verdict.outcome])
        table.add_row(clause.name, _section(clause), outcome, Text(_printable(verdict.why or clause.rule)))
    counts = Counter(verdict.outcome for verdict in verdicts)
    _print(table, stream)
    stream.write(f"{counts[PASS]} pass, {counts[FAIL]} fail, {counts[SKIPPED]} skipped\n")


def show_clauses(clauses: Sequence[Clause], stream: TextIO) -> None:
    """Write what there is to judge."""
    table = _table("clause", "SPEC.md", "rule")
    for clause in clauses:
        table.add_row(clause.name, _section(clause), Text(clause.rule))
    _print(table, stream)


def as_data(command: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The same for programs."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    return {
        "command": list(command),
        "passed": counts[PASS],
        "failed": counts[FAIL],
        "skipped": counts[SKIPPED],
        "clauses": [
            {
                "clause": verdict.clause.name,
                "section": verdict.clause.section,
                "rule": verdict.clause.rule,
                "outcome": verdict.outcome.lower(),
                "why": verdict.why,
            }
            for verdict in verdicts
        ],
    }


def _section(clause: Clause) -> str:
    return clause.section.strip("`")


def _table(*heads: str) -> Table:
    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[:-1]:
        column.no_wrap = True
    return table


def _print(table: Table, stream: TextIO) -> None:
    if stream.isatty():
        Console(file=stream, highlight=False).print(table)
        return
    plain = io.StringIO()
    Console(file=plain, highlight=False, width=_UNBOUNDED, color_system=None).print(table)
    stream.writelines(f"{line.rstrip()}\n" for line in plain.getvalue().splitlines() if line.strip())


def _printable(text: str) -> str:
    """The text without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
