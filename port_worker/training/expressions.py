"""Networks as expressions of what is known of a user and what is known of an item, and the algebra that parts the two.

An expression's value has a row for each pair of user and item. What depends on one side alone has as few distinct rows
as there are users or items, and need not be computed for each pair. The constructors here keep it so for as much as the
algebra allows, where a network mixes the sides early: the product of weights with what lies side by side is the sum of
the products of its parts; batch normalisation, at inference a factor and an offset, goes into the weights after it.

A `shape` is that of one row. A dimension of 1 may stand for many equal ones (a tile that was never made).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag
from functools import cached_property, partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from port_worker.store.operations import OPERATIONS

Array = NDArray[Any]
Shape = tuple[int, ...]


class Side(Flag):
    """What an expression depends on."""

    NEITHER = 0
    USER = 1
    ITEM = 2
    BOTH = 3


@dataclass(frozen=True, eq=False)
class Expression:
    """An operation of `store.operations` on others, or one of four that are none of these.

    `constant` has a value, `input` a name. `scaled` is its operand by a factor, plus an offset, both numbers or one for
    each of the last axis; `total` the sum of its operands. These two, in a `concat` or `reshape` also, wait for weights
    that take them in; `plain` is the same in operations.
    """

    operation: str
    operands: tuple[Expression, ...]
    shape: Shape
    side: Side
    attributes: Mapping[str, Any] = field(default_factory=dict)
    value: Array | None = None

    @property
    def is_constant(self) -> bool:
        """Whether it depends on nothing."""
        return self.value is not None

    @property
    def array(self) -> Array:
        """The value of a constant."""
        assert self.value is not None
        return self.value

    @cached_property
    def plain(self) -> Expression:
        """The same as an operation, an input or a constant."""
        if self.operation == "total":
            return reduce(_added, self.operands)
        if self.operation in ("concat", "reshape") and any(each is not each.plain for each in self.operands):
            plain = tuple(each.plain for each in self.operands)
            return Expression(self.operation, plain, self.shape, self.side, self.attributes)
        if self.operation != "scaled":
            return self
        factor, offset = self.attributes["factor"], self.attributes["offset"]
        product = _elementwise("multiply", self.operands[0], constant(factor))
        return _elementwise("add", product, constant(offset)) if np.any(offset) else product


def constant(value: Any) -> Expression:
    """The same for all rows; has no axis for them."""
    return Expression("constant", (), np.shape(value), Side.NEITHER, value=np.asarray(value))


def given(name: str, side: Side, shape: Shape = ()) -> Expression:
    """What is fed: rows, places or features of each user, or the row of each item."""
    return Expression("input", (), shape, side, {"name": name})


def applied(operation: str, operands: Iterable[Expression], shape: Shape, **attributes: Any) -> Expression:
    """The operation as it is, without algebra; of constants alone, its value."""
    plain = tuple(each.plain for each in operands)
    if all(each.is_constant for each in plain):
        return constant(OPERATIONS[operation](*(each.array for each in plain), **attributes))
    return Expression(operation, plain, shape, _side(plain), attributes)


def elementwise(operation: str, *operands: Expression) -> Expression:
    """Of operands that broadcast. Parts that lie side by side stay so where nothing else but constants comes in."""
    aligned = _aligned(operands)
    varying = [each for each in aligned if not each.is_constant]
    if len(varying) == 1 and varying[0].operation == "concat":
        return _part_by_part(operation, aligned, varying[0])
    return _elementwise(operation, *aligned)


def concat(parts: Sequence[Expression], axis: int) -> Expression:
    """Side by side along `axis`, counted from the end."""
    aligned = _aligned(parts)
    rank = max(len(each.shape) for each in aligned)
    shapes = [(1,) * (rank - len(each.shape)) + each.shape for each in aligned]
    others = np.broadcast_shapes(*(_with_axis(shape, axis, 1) for shape in shapes))
    shape = _with_axis(others, axis, sum(shape[axis] for shape in shapes))
    if all(each.is_constant for each in aligned):
        return applied("concat", aligned, shape, axis=axis)
    return Expression("concat", tuple(aligned), shape, _side(aligned), {"axis": axis})


def gather(table: Expression, indices: Expression) -> Expression:
    """Rows of a constant table."""
    if indices.operation == "concat":
        return concat([gather(table, part) for part in indices.operands], -len(table.shape))
    return applied("gather", (table, indices), indices.shape + table.shape[1:])


def take(x: Expression, places: Expression) -> Expression:
    """Elements of the first axis of each row, by places that each row has of its own."""
    return applied("take", (x, places), places.shape + x.shape[1:])


def add(*terms: Expression) -> Expression:
    """One sum; what depends on one side is summed by itself, with the constants."""
    flat = [part for term in terms for part in (term.operands if term.operation == "total" else (term,))]
    varying = [each for each in flat if not each.is_constant]
    constants = [each for each in flat if each.is_constant]
    if constants:
        constants = [reduce(_added, constants)]
    if not varying:
        return constants[0]
    if constants and len(varying) == 1 and varying[0].operation in ("concat", "scaled"):
        return _offset(varying[0], constants[0])
    mixed, *sides = ([each for each in varying if each.side is side] for side in (Side.BOTH, Side.USER, Side.ITEM))
    next((each for each in sides if each), mixed).extend(constants)
    sums = [*mixed, *(reduce(_added, each) for each in sides if each)]
    if len(sums) == 1:
        return sums[0]
    aligned = _aligned(sums)
    return Expression("total", tuple(aligned), np.broadcast_shapes(*(each.shape for each in aligned)), _side(aligned))


def subtract(a: Expression, b: Expression) -> Expression:
    """A sum, where `b` is constant."""
    if b.is_constant and not a.is_constant:
        return add(a, constant(-b.array))
    return elementwise("subtract", a, b)


def multiply(a: Expression, b: Expression) -> Expression:
    """`scale`, by a constant that is a number or one for each of the last axis."""
    if a.is_constant:
        a, b = b, a
    if b.is_constant and not a.is_constant and b.array.size in (1, b.shape[-1] if b.shape else 1):
        return scale(a, b.array.reshape(b.shape[-1:] if b.array.size > 1 else ()))
    return elementwise("multiply", a, b)


def scale(x: Expression, factor: Array) -> Expression:
    """By a number, or by one for each of the last axis: before x is computed, where it can be."""
    if x.operation == "matmul" and x.operands[1].is_constant:
        return matmul(x.operands[0], x.operands[1].array * factor)
    if x.operation == "crossed":
        one, several, weights = x.operands
        return applied("crossed", (one, several, constant(weights.array * factor)), x.shape)
    if x.operation == "scaled":
        return _scaled(x.operands[0], x.attributes["factor"] * factor, x.attributes["offset"] * factor)
    if x.operation == "total":
        return add(*(scale(term, factor) for term in x.operands))
    if x.operation == "reshape" and factor.size == 1:
        return reshape(scale(x.operands[0], factor), x.shape)
    if x.side is Side.BOTH and x.operation != "concat":
        return _scaled(x, factor, np.zeros((), np.float32))
    return elementwise("multiply", x, constant(factor))


def sigmoid(x: Expression, *, shared: bool) -> Expression:
    """As (1 + tanh(x / 2)) / 2: the halves go into the weights before and after. `shared`: x itself is needed too."""
    half = np.asarray(np.float32(0.5))
    halved = _elementwise("multiply", x.plain, constant(half)) if shared else scale(x, half)
    return _scaled(elementwise("tanh", halved), half, half)


def reduced(operation: str, x: Expression, axis: int, *, keep: bool) -> Expression:
    """`sum` or `mean` along an axis. The sum of what lies side by side is the sum of the parts' sums."""
    if operation == "sum" and x.operation == "concat" and x.attributes["axis"] == axis:
        return add(*(reduced(operation, part, axis, keep=keep) for part in x.operands))
    return applied(operation, (x,), _with_axis(x.shape, axis, 1 if keep else None), axis=axis, keep=keep)


def reshape(x: Expression, shape: Shape) -> Expression:
    """Other axes of the same elements."""
    if x.is_constant:
        return constant(x.array.reshape(shape))
    if x.shape == shape:
        return x
    if x.operation == "reshape":
        return reshape(x.operands[0], shape)
    if x.operation == "concat" and x.attributes["axis"] == -2 and len(x.shape) == 2 and len(shape) == 1:
        return concat([reshape(part, (part.shape[0] * part.shape[1],)) for part in x.operands], -1)
    if x.operation == "concat" and x.attributes["axis"] == -1 and shape == (*x.shape, 1):
        return concat([reshape(part, (*part.shape, 1)) for part in x.operands], -2)
    return Expression("reshape", (x,), shape, x.side, {"shape": list(shape)})


def matmul(x: Expression, weights: Array) -> Expression:
    """The last axis of `x` by (k, n) weights, each part of it by its own."""
    rule = _PRODUCTS.get(x.operation)
    return (rule and rule(x, weights)) or applied("matmul", (x, constant(weights)), (*x.shape[:-1], weights.shape[-1]))


def _of_concat(x: Expression, weights: Array) -> Expression | None:
    if x.attributes["axis"] != -1:
        sides = {part.side for part in x.operands}
        return concat([matmul(part, weights) for part in x.operands], x.attributes["axis"]) if len(sides) > 1 else None
    ends = np.cumsum([part.shape[-1] for part in x.operands])
    groups: dict[tuple[Side, int], list[tuple[Expression, Array]]] = {}
    for place, (part, rows) in enumerate(zip(x.operands, np.split(weights, ends[:-1]), strict=True)):
        alone = part.operation in _PRODUCTS
        groups.setdefault((part.side, place if alone else -1), []).append((part, rows))
    if len(groups) == 1:
        return None
    return add(*(_product(parts) for parts in groups.values()))


def _product(parts: list[tuple[Expression, Array]]) -> Expression:
    """One product for what is of one side."""
    if len(parts) == 1:
        return matmul(*parts[0])
    together = concat([part for part, _ in parts], -1)
    return matmul(together, np.concatenate([rows for _, rows in parts]))


def _of_scaled(x: Expression, weights: Array) -> Expression:
    factor, offset = (np.broadcast_to(x.attributes[name], (len(weights),)) for name in ("factor", "offset"))
    product = matmul(x.operands[0], factor[:, None] * weights)
    return add(product, constant(offset @ weights)) if np.any(offset) else product


def _of_total(x: Expression, weights: Array) -> Expression | None:
    if weights.shape[0] <= weights.shape[1]:
        return None
    whole = [term for term in x.operands if term.side is Side.BOTH and not _takes_in(term, weights)]
    parts = [term for term in x.operands if all(term is not other for other in whole)]
    if not parts:
        return None
    products = [matmul(term, weights) for term in parts]
    return add(*products, matmul(reduce(_added, whole), weights)) if whole else add(*products)


def _takes_in(term: Expression, weights: Array) -> bool:
    return term.operation in ("scaled", "concat") or (term.operation == "matmul" and _shorter(term, weights))


def _of_matmul(x: Expression, weights: Array) -> Expression | None:
    if not _shorter(x, weights):
        return None
    return matmul(x.operands[0], x.operands[1].array @ weights)


def _shorter(x: Expression, weights: Array) -> bool:
    """Whether the product of both weights is less work than one after the other."""
    first = x.operands[1].array
    return bool(first.shape[0] * weights.shape[1] <= first.size + weights.size)


def _of_difference(x: Expression, weights: Array) -> Expression | None:
    a, b = x.operands
    return add(matmul(a, weights), matmul(b, -weights)) if a.side is not b.side else None


def _of_taken(x: Expression, weights: Array) -> Expression | None:
    table, places = x.operands
    return take(matmul(table, weights), places) if table.side is not Side.BOTH else None


def _of_reshaped(x: Expression, weights: Array) -> Expression | None:
    """Where an axis of one came or went, and the last stayed."""
    (inner,) = x.operands
    if inner.shape[-1:] != x.shape[-1:]:
        return None
    return reshape(matmul(inner, weights), (*x.shape[:-1], weights.shape[-1]))


def _of_crossed(x: Expression, weights: Array) -> Expression | None:
    """One vector by each of several: `crossed` never makes the products."""
    one, several = sorted(x.operands, key=lambda each: len(each.shape) == 2 and each.shape[0] > 1)
    if x.side is not Side.BOTH or len(several.shape) != 2 or one.shape != (1, several.shape[1]):
        return None
    return applied("crossed", (one, several, constant(weights)), (several.shape[0], weights.shape[1]))


_PRODUCTS: Mapping[str, Callable[[Expression, Array], Expression | None]] = {
    "concat": _of_concat,
    "scaled": _of_scaled,
    "total": _of_total,
    "matmul": _of_matmul,
    "subtract": _of_difference,
    "take": _of_taken,
    "reshape": _of_reshaped,
    "multiply": _of_crossed,
}


def _elementwise(operation: str, *operands: Expression) -> Expression:
    aligned = _aligned(operands)
    return applied(operation, aligned, np.broadcast_shapes(*(each.shape for each in aligned)))


def _added(a: Expression, b: Expression) -> Expression:
    return _elementwise("add", a.plain, b.plain)


def _scaled(x: Expression, factor: Array, offset: Array) -> Expression:
    return Expression("scaled", (x,), x.shape, x.side, {"factor": factor, "offset": offset})


def _offset(x: Expression, by: Expression) -> Expression:
    """A constant added where it is taken in later."""
    if x.operation == "concat":
        return elementwise("add", x, by)
    if x.operation == "scaled" and by.array.size in (1, by.shape[-1] if by.shape else 1):
        offset = by.array.reshape(by.shape[-1:] if by.array.size > 1 else ())
        return _scaled(x.operands[0], x.attributes["factor"], x.attributes["offset"] + offset)
    return _added(x, by)


def _part_by_part(operation: str, operands: Sequence[Expression], parts: Expression) -> Expression:
    axis = parts.attributes["axis"]
    size = parts.shape[axis]
    starts = np.cumsum([0, *(part.shape[axis] for part in parts.operands)])

    def within(operand: Expression, place: int) -> Expression:
        if operand is parts:
            return parts.operands[place]
        if len(operand.shape) < -axis or operand.shape[axis] != size:
            return operand
        taken = range(int(starts[place]), int(starts[place + 1]))
        return constant(operand.array.take(taken, axis=axis))

    builders: Mapping[str, Callable[..., Expression]] = {"add": add, "multiply": multiply}
    build = builders.get(operation, partial(elementwise, operation))
    places = range(len(parts.operands))
    return concat([build(*(within(each, place) for each in operands)) for place in places], axis)


def _side(operands: Iterable[Expression]) -> Side:
    return reduce(lambda a, b: a | b, (each.side for each in operands))


def _aligned(operands: Iterable[Expression]) -> list[Expression]:
    """Constants without the axis of one that they have in the place of rows."""
    operands = list(operands)
    rank = max((len(each.shape) for each in operands if not each.is_constant), default=None)
    return [_without_rows(each, rank) if rank is not None and each.is_constant else each for each in operands]


def _without_rows(each: Expression, rank: int) -> Expression:
    surplus = len(each.shape) - rank
    return constant(each.array.reshape(each.shape[surplus:])) if surplus > 0 else each


def _with_axis(shape: Shape, axis: int, size: int | None) -> Shape:
    """The shape with another size along an axis, or without the axis."""
    place = len(shape) + axis
    return (*shape[:place], *(() if size is None else (size,)), *shape[place + 1 :])
