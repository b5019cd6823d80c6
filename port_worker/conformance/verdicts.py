"""What a clause is, and the three ways in which judging one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from port_worker.conformance.terms import Atom, show

if TYPE_CHECKING:
    from port_worker.conformance.world import World

PASS, FAIL, SKIPPED = "pass", "FAIL", "skipped"


class FailedError(Exception):
    """The worker breaks the clause; the text says what was expected and what came."""


class SkippedError(Exception):
    """The clause cannot be judged with this worker; the text says why."""


@dataclass(frozen=True)
class Clause:
    """One rule of SPEC.md.

    `needs` are clauses without which this one cannot be judged. A `watched` one is judged on everything that was seen,
    so after all others.
    """

    name: str
    section: str
    rule: str
    judge: Callable[[World], None]
    needs: tuple[str, ...] = ()
    watched: bool = False


@dataclass(frozen=True)
class Verdict:
    """How a clause ended; `why` is empty for a pass."""

    clause: Clause
    outcome: str
    why: str = ""


def clause(
    name: str, section: str, *, needs: Iterable[str] = (), watched: bool = False
) -> Callable[[Callable[[World], None]], Clause]:
    """Make a clause of the function that judges it; its docstring is the rule."""

    def make(judge: Callable[[World], None]) -> Clause:
        rule = " ".join((judge.__doc__ or "").split())
        return Clause(name, section, rule, judge, tuple(needs), watched)

    return make


def expect(fulfilled: object, expected: str, got: Any) -> None:
    """Raise FailedError unless `fulfilled`. A `got` that is text is shown as it is."""
    if not fulfilled:
        came = got if type(got) is str else show(got)
        raise FailedError(f"expected {expected}, got {came}")


def expect_error(message: tuple[Any, ...], *codes: str) -> dict[Any, Any]:
    """The facts of an error with one of the codes. Raises FailedError for anything else."""
    facts = message[-1] if message[0] == "error" and isinstance(message[-1], dict) else {}
    expect(facts.get(Atom("code")) in codes, f"the error {' or '.join(codes)}", message)
    return facts


def expect_ok(message: tuple[Any, ...]) -> Any:
    """The result of a call. Raises FailedError for an error."""
    expect(message[0] == "ok", "ok and a result", message)
    return message[2]
