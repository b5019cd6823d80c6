"""A network as a program: which operations, on which numbers, in which order. Plain data, read from JSON and checked.

It has two parts. The first runs once for the subjects, on what is known of them. The second runs for pairs of a subject
and an item, in slices of any size, on the first's results and on tables that hold what an item alone determines.
Registers are numbered: the constants first, which are runs of one array of weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from port_worker.store.operations import ELEMENTWISE, OPERATIONS


class ProgramError(ValueError):
    """The data is no program: what was expected, and what is there."""

    def __init__(self, expected: str, found: object) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


@dataclass(frozen=True)
class Constant:
    """`shape` numbers from `start` of the weights on."""

    start: int
    shape: tuple[int, ...]

    @property
    def stop(self) -> int:
        """Where it ends."""
        return self.start + math.prod(self.shape)


@dataclass(frozen=True)
class Step:
    """One operation. `into`: the operand whose memory takes the result; `last`: registers not needed after it."""

    operation: str
    operands: tuple[int, ...]
    result: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    into: int | None = None
    last: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """The whole.

    feeds: name and register of what is fed for each subject.
    tables: constant and register: the pairs' items' rows of the constant.
    shared: a register of the first part, and that which has the pairs' subjects' rows of it.
    row_bytes: memory that a pair takes while the second part runs.
    """

    registers: int
    constants: tuple[Constant, ...]
    feeds: tuple[tuple[str, int], ...]
    subject_steps: tuple[Step, ...]
    shared: tuple[tuple[int, int], ...]
    tables: tuple[tuple[int, int], ...]
    pair_steps: tuple[Step, ...]
    output: int
    row_bytes: int

    @property
    def weights(self) -> int:
        """How many numbers the constants take."""
        return max((each.stop for each in self.constants), default=0)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Program:
        """Raises ProgramError for what does not run: operations that there are not, registers that nothing sets."""
        try:
            program = cls(**_parts(data))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ProgramError("the parts of a program", error) from error
        for expected, found in program._problems():
            raise ProgramError(expected, found)
        return program

    def _problems(self) -> Iterator[tuple[str, object]]:
        known = set(range(len(self.constants)))
        yield from ((f"tables of constants, got {each}", each) for each, _ in self.tables if each not in known)
        known |= {register for _, register in self.feeds}
        yield from _step_problems(self.subject_steps, known)
        yield from (("registers that are set", each) for each, _ in self.shared if each not in known)
        known |= {register for _, register in (*self.shared, *self.tables)}
        yield from _step_problems(self.pair_steps, known)
        if self.output not in known:
            yield "an output that is set", self.output
        if self.registers <= max(known) or self.row_bytes < 1:
            yield f"more than {max(known)} registers, and a size of rows", (self.registers, self.row_bytes)


def _step_problems(steps: tuple[Step, ...], known: set[int]) -> Iterator[tuple[str, object]]:
    for step in steps:
        if step.operation not in OPERATIONS:
            yield "a known operation", step.operation
        if not known.issuperset(step.operands):
            yield "operands that are set", step.operands
        if step.into is not None and (step.operation not in ELEMENTWISE or step.into not in step.operands):
            yield "an operation that can take memory over", step.operation
        known.add(step.result)


def _parts(data: Any) -> dict[str, Any]:
    return {
        **{name: _whole(data[name]) for name in ("registers", "output", "row_bytes")},
        "constants": tuple(Constant(_whole(each["start"]), _wholes(each["shape"])) for each in data["constants"]),
        "feeds": tuple((str(name), _whole(register)) for name, register in data["feeds"]),
        "shared": tuple((_whole(a), _whole(b)) for a, b in data["shared"]),
        "tables": tuple((_whole(a), _whole(b)) for a, b in data["tables"]),
        "subject_steps": tuple(map(_step, data["subject_steps"])),
        "pair_steps": tuple(map(_step, data["pair_steps"])),
    }


def _step(data: Any) -> Step:
    into = data["into"]
    return Step(
        str(data["operation"]),
        _wholes(data["operands"]),
        _whole(data["result"]),
        dict(data["attributes"]),
        None if into is None else _whole(into),
        _wholes(data["last"]),
    )


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def _wholes(values: Any) -> tuple[int, ...]:
    return tuple(map(_whole, values))
