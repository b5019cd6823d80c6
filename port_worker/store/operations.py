"""What the steps of a stored network compute, in numpy. The table is closed: a program names its entries and no other.

The first axis of an array is its rows: subjects, items, or pairs of both. Axes are counted from the end, so an
operation means the same for an array with rows and for a constant without. An array of one row stands for all rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ERF = np.frompyfunc(math.erf, 1, 1)


def matmul(x: Array, weights: Array) -> Array:
    """(..., k) by (k, n): one product of all leading axes."""
    product: Array = x.reshape(-1, x.shape[-1]) @ weights
    return product.reshape(*x.shape[:-1], weights.shape[-1])


def crossed(one: Array, several: Array, weights: Array) -> Array:
    """(rows, 1, k) times (rows, m, k), by (k, n): (rows, m, n). The m go into the weights where rows share them."""
    if len(several) > 1:
        return matmul(one * several, weights)
    m, k = several.shape[1:]
    together = several[0].T[:, :, None] * weights[:, None, :]
    product: Array = one[:, 0] @ together.reshape(k, -1)
    return product.reshape(len(one), m, -1)


def batch_matmul(a: Array, b: Array, *, transposed: bool) -> Array:
    """(rows, m, k) by (rows, k, n), or by (rows, n, k) if `transposed`."""
    if len(b) == 1:
        return matmul(a, b[0].T if transposed else b[0])
    product: Array = a @ (b.swapaxes(-1, -2) if transposed else b)
    return product


def einsum(a: Array, b: Array, *, equation: str) -> Array:
    """numpy's, of two arrays, whose first letter stands for the rows.

    Computed with the rows last, along which the processor can then go: the other axes are short. The result is the
    transposed view, so that a softmax after it, and another product, go along the rows too.
    """
    last = [np.ascontiguousarray(np.moveaxis(x, 0, -1)) for x in (a, b)]
    product: Array = np.einsum(_rows_last(equation), *last)
    return np.moveaxis(product, -1, 0)


def gather(table: Array, indices: Array) -> Array:
    """Rows of a table."""
    found: Array = table[indices]
    return found


def take(x: Array, indices: Array) -> Array:
    """(rows, n, ...) and (rows, k) places in n: (rows, k, ...)."""
    found: Array = x[0][indices] if len(x) == 1 else x[np.arange(len(x))[:, None], indices]
    return found


def top_k(x: Array, *, k: int) -> Array:
    """The places of the k highest along the last axis, in any order."""
    return np.argpartition(x, x.shape[-1] - k, axis=-1)[..., x.shape[-1] - k :]


def concat(*parts: Array, axis: int) -> Array:
    """Side by side along an axis; along the others, what is of one element is repeated."""
    ranks = {part.ndim for part in parts}
    rank = max(ranks)
    wide = [part.reshape((1,) * (rank - part.ndim) + part.shape) for part in parts]
    others = np.broadcast_shapes(*(_without(part.shape, axis) for part in wide))
    return np.concatenate([np.broadcast_to(part, _within(others, axis, part.shape[axis])) for part in wide], axis=axis)


def softmax(x: Array) -> Array:
    """Along the last axis, in whichever order the array lies in memory."""
    scaled: Array = x - x.max(axis=-1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled


def reduce_sum(x: Array, *, axis: int, keep: bool) -> Array:
    """The sum along an axis."""
    total: Array = x.sum(axis=axis, keepdims=keep)
    return total


def reduce_mean(x: Array, *, axis: int, keep: bool) -> Array:
    """The mean along an axis."""
    total: Array = x.mean(axis=axis, keepdims=keep)
    return total


def reshape(x: Array, *, shape: list[int]) -> Array:
    """Other axes in each row."""
    return x.reshape(len(x), *shape)


def divide_no_nan(a: Array, b: Array) -> Array:
    """0 where the divisor is."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape), np.float32), where=b != 0)


def elu(x: Array) -> Array:
    """x where positive, else e^x - 1."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def erf(x: Array) -> Array:
    """The error function."""
    return np.asarray(_ERF(x), dtype=np.float32)


def rsqrt(x: Array) -> Array:
    """1 / sqrt(x)."""
    root: Array = 1 / np.sqrt(x)
    return root


def floating(x: Array) -> Array:
    """As float32."""
    return x.astype(np.float32)


def relu(x: Array, out: Array | None = None) -> Array:
    """x where positive, else 0."""
    positive: Array = np.maximum(x, np.float32(0), out=out)
    return positive


ELEMENTWISE: Mapping[str, Callable[..., Array]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "tanh": np.tanh,
    "square": np.square,
    "sqrt": np.sqrt,
    "relu": relu,
}
"""Those that can write into one of their operands (`out`)."""

OPERATIONS: Mapping[str, Callable[..., Array]] = {
    **ELEMENTWISE,
    "matmul": matmul,
    "crossed": crossed,
    "batch_matmul": batch_matmul,
    "einsum": einsum,
    "gather": gather,
    "take": take,
    "top_k": top_k,
    "concat": concat,
    "softmax": softmax,
    "sum": reduce_sum,
    "mean": reduce_mean,
    "reshape": reshape,
    "divide_no_nan": divide_no_nan,
    "elu": elu,
    "erf": erf,
    "rsqrt": rsqrt,
    "floating": floating,
    "less": np.less,
    "not": np.logical_not,
    "or": np.logical_or,
    "where": np.where,
}


def _rows_last(equation: str) -> str:
    operands, _, result = equation.partition("->")
    a, b = operands.split(",")
    return f"{a[1:]}{a[0]},{b[1:]}{b[0]}->{result[1:]}{result[0]}"


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    place = len(shape) + axis
    return shape[:place] + shape[place + 1 :]


def _within(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    place = len(shape) + 1 + axis
    return (*shape[:place], size, *shape[place:])
