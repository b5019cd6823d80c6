"""Runs a stored network's program: once for the subjects, then for pairs of a subject and an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.store.operations import OPERATIONS
from port_worker.store.program import Program, Step

Array = NDArray[Any]
Registers = list[Array | None]


class NetworkProgram:
    """A program with its weights. Holds no state that a call changes."""

    def __init__(self, program: Program, weights: NDArray[np.float32]) -> None:
        self.row_bytes = program.row_bytes
        self._program = program
        self._constants: Registers = [weights[each.start : each.stop].reshape(each.shape) for each in program.constants]
        self._subject_steps = _prepared(program.subject_steps)
        self._pair_steps = _prepared(program.pair_steps)

    def subjects(self, feeds: Mapping[str, Array]) -> Registers:
        """What the pairs of these subjects need: registers, each with a row for each subject."""
        registers = self._constants + [None] * (self._program.registers - len(self._constants))
        for name, register in self._program.feeds:
            registers[register] = feeds[name]
        _run(self._subject_steps, registers)
        return registers

    def of_one(self, subjects: Registers, place: int, rows: NDArray[np.intp] | slice) -> NDArray[np.float32]:
        """The scores of these items for one of the subjects. Its values are not repeated for each of its pairs."""
        return self._pairs(subjects, rows, slice(place, place + 1))

    def of_many(self, subjects: Registers, owners: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The scores of pairs: `owners` are places among the subjects."""
        return self._pairs(subjects, rows, owners)

    def _pairs(
        self, subjects: Registers, rows: NDArray[np.intp] | slice, owners: NDArray[np.intp] | slice
    ) -> NDArray[np.float32]:
        registers = subjects.copy()
        for source, register in self._program.shared:
            registers[register] = _there(subjects[source])[owners]
        for constant, register in self._program.tables:
            registers[register] = _there(self._constants[constant])[rows]
        _run(self._pair_steps, registers)
        return _there(registers[self._program.output])


_Prepared = list[tuple[Callable[..., Array], tuple[int, ...], int, dict[str, Any], int | None, tuple[int, ...]]]


def _prepared(steps: Sequence[Step]) -> _Prepared:
    return [
        (OPERATIONS[step.operation], step.operands, step.result, dict(step.attributes), step.into, step.last)
        for step in steps
    ]


def _run(steps: _Prepared, registers: Registers) -> None:
    for operation, operands, result, attributes, into, last in steps:
        values = [registers[register] for register in operands]
        if into is None:
            registers[result] = operation(*values, **attributes)
        else:
            registers[result] = operation(*values, out=registers[into])
        for register in last:
            registers[register] = None


def _there(value: Array | None) -> Array:
    assert value is not None
    return value
