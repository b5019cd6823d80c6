"""From an expression to the program that computes it, and the weights that the program needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.store.network import Feeds
from port_worker.store.operations import ELEMENTWISE, OPERATIONS
from port_worker.store.program import Constant, Program, Step
from port_worker.training.expressions import Expression, Side

_ITEMS_AT_ONCE = 4096
_ALIGNED = 16
"""Numbers: a constant starts at a multiple of 64 bytes."""

_QUICK = {"matmul", "add", "multiply", "reshape"}
"""Operations that may as well be done again for each pair."""

_ALIASES = {"reshape"}
"""Operations whose result may be their operand's memory."""


@dataclass(frozen=True, eq=False)
class Written:
    """A program and its weights, (n,) float32."""

    program: Program
    weights: NDArray[np.float32]


def written(output: Expression, items: int) -> Written:
    """The program for `output`, a number a row. What an item alone determines is computed here, for all `items`."""
    output = output.plain
    order = list(_ordered(output))
    tables = _narrowed(_frontier(order, output, Side.ITEM))
    shared = _frontier(order, output, Side.USER)
    subject = [each for each in order if each.side is Side.USER]
    pair = list(_of_pairs(order, output, tables))
    values = item_tables(tables, items)
    layout = _Layout()
    for each in (*subject, *pair):
        for operand in each.operands:
            if operand.is_constant:
                layout.place(operand, operand.array)
    places = [layout.place(each, value) for each, value in zip(tables, values, strict=True)]
    names = _Registers(len(layout.constants))
    feeds = [each for each in subject if each.operation == "input"]
    registers = {**layout.registers}
    registers |= {each: names.new() for each in subject}
    wide = {each: names.new() for each in (*shared, *tables)}
    subject_steps = [_step(each, registers, registers) for each in subject if each not in feeds]
    registers_of_pairs = {**layout.registers, **wide, **{each: names.new() for each in pair}}
    pair_steps = _economical([(each, _step(each, registers_of_pairs, registers_of_pairs)) for each in pair])
    program = Program(
        registers=names.count,
        constants=tuple(layout.constants),
        feeds=tuple((each.attributes["name"], registers[each]) for each in feeds),
        subject_steps=tuple(subject_steps),
        shared=tuple((registers[each], wide[each]) for each in shared),
        tables=tuple((place, wide[each]) for place, each in zip(places, tables, strict=True)),
        pair_steps=tuple(pair_steps),
        output=registers_of_pairs[output],
        row_bytes=_row_bytes(pair),
    )
    return Written(program, layout.weights())


def item_tables(tables: Iterable[Expression], items: int) -> list[NDArray[Any]]:
    """(items, ...) the values of expressions of items alone."""
    tables = list(tables)
    parts = [
        _values(tables, {Feeds.ITEM: np.arange(start, min(start + _ITEMS_AT_ONCE, items))})
        for start in range(0, items, _ITEMS_AT_ONCE)
    ]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _values(expressions: list[Expression], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    found: dict[Expression, NDArray[Any]] = {}
    for each in _ordered(*expressions):
        if each.operation == "input":
            found[each] = feeds[each.attributes["name"]]
        else:
            operands = [operand.array if operand.is_constant else found[operand] for operand in each.operands]
            found[each] = OPERATIONS[each.operation](*operands, **each.attributes)
    rows = max(map(len, feeds.values()))
    return [np.broadcast_to(found[each], (rows, *found[each].shape[1:])) for each in expressions]


def _ordered(*outputs: Expression) -> Iterator[Expression]:
    """What the outputs depend on, constants left out, operands first."""
    seen: set[Expression] = set()
    waiting = [(each, False) for each in reversed(outputs)]
    while waiting:
        each, ready = waiting.pop()
        if ready:
            yield each
        elif each not in seen and not each.is_constant:
            seen.add(each)
            waiting.append((each, True))
            waiting.extend((operand, False) for operand in reversed(each.operands))


def _frontier(order: list[Expression], output: Expression, side: Side) -> list[Expression]:
    """Those of one side that pairs are made of."""
    found = dict.fromkeys(
        operand for each in order if each.side is Side.BOTH for operand in each.operands if operand.side is side
    )
    return [*found, *([output] if output.side is side else [])]


def _narrowed(frontier: list[Expression]) -> list[Expression]:
    """The same items, where it takes half the numbers or less, by what they are a product of.

    A table of a dense layer's width would be read from memory, which is slower than the layer itself is computed.
    """
    return list(dict.fromkeys(part for each in frontier for part in _narrow(each)))


def _narrow(each: Expression) -> list[Expression]:
    if each.operation not in _QUICK:
        return [each]
    parts = [part for operand in each.operands if not operand.is_constant for part in _narrow(operand)]
    narrow = sum(math.prod(part.shape) for part in parts)
    return parts if 2 * narrow <= math.prod(each.shape) else [each]


def _of_pairs(order: list[Expression], output: Expression, tables: list[Expression]) -> Iterator[Expression]:
    """What is computed for pairs, in order: what both sides determine, and items' values beyond the tables."""
    needed = {output}
    wanted: list[Expression] = []
    for each in reversed(order):
        if each in needed and each.side is not Side.USER and each not in tables:
            wanted.append(each)
            needed.update(each.operands)
    return reversed(wanted)


class _Registers:
    def __init__(self, count: int) -> None:
        self.count = count

    def new(self) -> int:
        self.count += 1
        return self.count - 1


class _Layout:
    """Constants in one array, each once."""

    def __init__(self) -> None:
        self.constants: list[Constant] = []
        self.registers: dict[Expression, int] = {}
        self._arrays: list[NDArray[Any]] = []
        self._by_array: dict[int, int] = {}
        self._size = 0

    def place(self, expression: Expression, array: NDArray[Any]) -> int:
        known = self._by_array.get(id(array))
        if known is None:
            known = self._by_array[id(array)] = len(self.constants)
            self.constants.append(Constant(self._size, array.shape))
            self._arrays.append(array)
            self._size += -(-array.size // _ALIGNED) * _ALIGNED
        self.registers[expression] = known
        return known

    def weights(self) -> NDArray[np.float32]:
        weights = np.zeros(self._size, dtype=np.float32)
        for constant, array in zip(self.constants, self._arrays, strict=True):
            weights[constant.start : constant.stop] = array.ravel()
        return weights


def _step(each: Expression, operands: Mapping[Expression, int], results: Mapping[Expression, int]) -> Step:
    return Step(
        each.operation, tuple(operands[operand] for operand in each.operands), results[each], dict(each.attributes)
    )


def _economical(steps: list[tuple[Expression, Step]]) -> list[Step]:
    """With what each step ends the use of, and whose memory it can take over."""
    last_use = {register: place for place, (_, step) in enumerate(steps) for register in step.operands}
    fresh = {step.result: each for each, step in steps if each.operation not in _ALIASES}
    aliased = {register for each, step in steps if each.operation in _ALIASES for register in step.operands}
    made = {step.result for _, step in steps}
    economical = []
    for place, (each, step) in enumerate(steps):
        ends = tuple(r for r in dict.fromkeys(step.operands) if r in made and last_use[r] == place)
        free = [r for r in ends if r in fresh and r not in aliased and fresh[r].shape == each.shape]
        into = free[0] if free and each.operation in ELEMENTWISE else None
        economical.append(replace(step, into=into, last=ends))
    return economical


def _row_bytes(pair: list[Expression]) -> int:
    """Of the two widest operations, as an estimate of what is in use at once."""
    widths = sorted(math.prod(each.shape) for each in pair)
    return 4 * max(1, sum(widths[-2:]))
