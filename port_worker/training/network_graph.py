"""A fitted network of LibRecommender as an expression: its TensorFlow graph, read once.

What the graph computes in training alone is left out, and its variables are constants. Nothing of TensorFlow remains.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from port_worker.store.network import Feeds
from port_worker.training import expressions as ex
from port_worker.training.errors import TrainingError
from port_worker.training.expressions import Expression, Shape, Side

_INPUTS = {
    "user_indices": (Feeds.USER, Side.USER),
    "item_indices": (Feeds.ITEM, Side.ITEM),
    "user_interacted_seq": (Feeds.SEQUENCE, Side.USER),
    "user_interacted_len": (Feeds.SEQUENCE_LENGTH, Side.USER),
    "long_seqs": (Feeds.LONG, Side.USER),
    "long_seq_lens": (Feeds.LONG_LENGTH, Side.USER),
    "short_seqs": (Feeds.SHORT, Side.USER),
    "short_seq_lens": (Feeds.SHORT_LENGTH, Side.USER),
}
"""LibRecommender's attribute for a placeholder: what is fed there."""


def score_expression(model: Any, features: Mapping[str, Expression]) -> Expression:
    """What `model` ranks items by, one number a row.

    `features` holds what its placeholders `sparse_indices` and `dense_values` stand for.
    """
    feeds = {
        getattr(model, attribute).name: ex.given(name, side, _row_shape(getattr(model, attribute)))
        for attribute, (name, side) in _INPUTS.items()
        if hasattr(model, attribute)
    }
    feeds |= {getattr(model, attribute).name: each for attribute, each in features.items()}
    output = model.inference_output if model.model_name == "SIM" else model.output
    return ex.reshape(_Graph(model.sess, feeds).expression(output), ())


class _Graph:
    """Reads tensors from the output backwards, each once."""

    def __init__(self, session: Any, feeds: Mapping[str, Expression]) -> None:
        self._session = session
        self._found = dict(feeds)
        self._fixed: dict[str, bool] = dict.fromkeys((name.split(":")[0] for name in feeds), False)
        self._dead: dict[str, bool] = {}

    def expression(self, tensor: Any) -> Expression:
        found = self._found.get(tensor.name)
        if found is None:
            found = self._found[tensor.name] = self._read(tensor)
        return found

    def inputs(self, tensor: Any) -> list[Expression]:
        return [self.expression(each) for each in tensor.op.inputs]

    def _read(self, tensor: Any) -> Expression:
        kind = tensor.op.type
        if kind == "Merge":
            return self.expression(next(each for each in tensor.op.inputs if not self._is_dead(each)))
        if self._is_fixed(tensor.op):
            return ex.constant(self._session.run(tensor))
        reader = _READERS.get(kind)
        if reader is None:
            raise TrainingError("training_failed", f"no operation for TensorFlow's {kind}", {"operation": kind})
        return reader(self, tensor)

    def _is_fixed(self, operation: Any) -> bool:
        """Whether it depends on nothing that is fed. Conditions do, on whether this is training."""
        known = self._fixed.get(operation.name)
        if known is None:
            fed = operation.type in ("Placeholder", "PlaceholderWithDefault", "Switch", "Merge")
            known = not fed and all(self._is_fixed(each.op) for each in operation.inputs)
            self._fixed[operation.name] = known
        return known

    def _is_dead(self, tensor: Any) -> bool:
        """Whether it is computed in training only. A Switch's second output is."""
        if tensor.op.type == "Switch":
            return bool(tensor.value_index == 1)
        known = self._dead.get(tensor.op.name)
        if known is None:
            known = any(self._is_dead(each) for each in tensor.op.inputs)
            self._dead[tensor.op.name] = known
        return known


def _row_shape(tensor: Any) -> Shape:
    return tuple(tensor.shape.as_list()[1:])


_Reader = Callable[[_Graph, Any], Expression]


def _first(graph: _Graph, tensor: Any) -> Expression:
    return graph.expression(tensor.op.inputs[0])


def _of_each(operation: str) -> _Reader:
    return lambda graph, tensor: ex.elementwise(operation, *graph.inputs(tensor))


def _plain(operation: str) -> _Reader:
    """An operation that keeps the shape of its operand."""

    def read(graph: _Graph, tensor: Any) -> Expression:
        x = _first(graph, tensor)
        return ex.applied(operation, (x,), x.shape)

    return read


def _binary(build: Callable[[Expression, Expression], Expression]) -> _Reader:
    return lambda graph, tensor: build(*graph.inputs(tensor))


def _sigmoid(graph: _Graph, tensor: Any) -> Expression:
    argument = tensor.op.inputs[0]
    return ex.sigmoid(graph.expression(argument), shared=len(argument.consumers()) > 1)


def _axis(graph: _Graph, tensor: Any, place: int, rank: int) -> int:
    """An axis that an operation has as an operand, counted from the end."""
    axis = int(graph.expression(tensor.op.inputs[place]).array.reshape(()))
    return axis if axis < 0 else axis - rank


def _concat(graph: _Graph, tensor: Any) -> Expression:
    parts = [graph.expression(each) for each in tensor.op.inputs[:-1]]
    return ex.concat(parts, _axis(graph, tensor, -1, len(tensor.shape)))


def _gather(graph: _Graph, tensor: Any) -> Expression:
    table, indices = (graph.expression(each) for each in tensor.op.inputs[:2])
    if tensor.op.get_attr("batch_dims"):
        return ex.take(table, indices)
    return ex.gather(table, indices)


def _reduction(operation: str) -> _Reader:
    def read(graph: _Graph, tensor: Any) -> Expression:
        axis = _axis(graph, tensor, 1, len(tensor.op.inputs[0].shape))
        return ex.reduced(operation, _first(graph, tensor), axis, keep=tensor.op.get_attr("keep_dims"))

    return read


def _expand(graph: _Graph, tensor: Any) -> Expression:
    x = _first(graph, tensor)
    place = len(x.shape) + 1 + _axis(graph, tensor, 1, len(tensor.shape))
    return ex.reshape(x, (*x.shape[:place], 1, *x.shape[place:]))


def _squeeze(graph: _Graph, tensor: Any) -> Expression:
    x = _first(graph, tensor)
    rank = len(x.shape) + 1
    axes = {axis % rank for axis in tensor.op.get_attr("squeeze_dims")}
    dropped = axes or {place for place, size in enumerate(x.shape, 1) if size == 1}
    return ex.reshape(x, tuple(size for place, size in enumerate(x.shape, 1) if place not in dropped))


def _new_axes(graph: _Graph, tensor: Any) -> Expression:
    """A StridedSlice that takes everything, and adds axes of one."""
    x, operation = _first(graph, tensor), tensor.op
    new = operation.get_attr("new_axis_mask")
    places = range(len(tensor.shape))
    everything = sum(1 << place for place in places if not new >> place & 1)
    taken = operation.get_attr("begin_mask") & operation.get_attr("end_mask")
    if taken & everything != everything or operation.get_attr("shrink_axis_mask"):
        raise TrainingError("training_failed", "no operation for a slice of a tensor", {"operation": operation.name})
    sizes = iter(x.shape)
    return ex.reshape(x, tuple(1 if new >> place & 1 else next(sizes) for place in places if place))


def _reshape(graph: _Graph, tensor: Any) -> Expression:
    """The rows of Keras's dense layers, flattened and made again, stay what they are."""
    x = _first(graph, tensor)
    shape = _row_shape(tensor)
    return x if None in shape or math.prod(x.shape) != math.prod(shape) else ex.reshape(x, shape)


def _matmul(graph: _Graph, tensor: Any) -> Expression:
    x, weights = graph.inputs(tensor)
    return ex.matmul(x, weights.array)


def _batch_matmul(graph: _Graph, tensor: Any) -> Expression:
    a, b = (each.plain for each in graph.inputs(tensor))
    transposed = bool(tensor.op.get_attr("adj_y"))
    shape = (*a.shape[:-1], b.shape[-2 if transposed else -1])
    return ex.applied("batch_matmul", (a, b), shape, transposed=transposed)


def _einsum(graph: _Graph, tensor: Any) -> Expression:
    """Of weights: their product with the last axes, flattened. Otherwise as it is."""
    a, b = graph.inputs(tensor)
    equation = tensor.op.get_attr("equation").decode()
    if not b.is_constant:
        return ex.applied("einsum", (a, b), _einsum_shape(equation, a.shape, b.shape), equation=equation)
    left, _, right = equation.partition("->")[0].partition(",")
    summed = sum(letter in left for letter in right)
    flat: Shape = (*a.shape[: len(a.shape) - summed], int(np.prod(a.shape[len(a.shape) - summed :])))
    product = ex.matmul(ex.reshape(a, flat), b.array.reshape(flat[-1], -1))
    return ex.reshape(product, (*flat[:-1], *b.shape[summed:]))


def _einsum_shape(equation: str, *shapes: Shape) -> Shape:
    """Of one row; the first letter of the result stands for the rows."""
    operands, _, result = equation.partition("->")
    sizes: dict[str, int] = {}
    for letters, shape in zip(operands.split(","), shapes, strict=True):
        for letter, size in zip(letters[1:], shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return tuple(sizes[letter] for letter in result[1:])


def _filled(graph: _Graph, tensor: Any) -> Expression:
    """One value everywhere, as wide as what it is put together with wants it."""
    return ex.constant(np.broadcast_to(graph.expression(tensor.op.inputs[1]).array, (1, *_row_shape(tensor))))


def _top_k(graph: _Graph, tensor: Any) -> Expression:
    x = _first(graph, tensor)
    k = int(graph.expression(tensor.op.inputs[1]).array)
    return ex.applied("top_k", (x,), (*x.shape[:-1], k), k=k)


def _cast(graph: _Graph, tensor: Any) -> Expression:
    x = _first(graph, tensor)
    return ex.elementwise("floating", x) if tensor.dtype.is_floating else x


def _added(graph: _Graph, tensor: Any) -> Expression:
    return ex.add(*graph.inputs(tensor))


_READERS: Mapping[str, _Reader] = {
    **dict.fromkeys(("Identity", "StopGradient", "Switch", "Tile", "Transpose"), _first),
    "AddV2": _added,
    "BiasAdd": _added,
    "Sub": _binary(ex.subtract),
    "Mul": _binary(ex.multiply),
    "RealDiv": _of_each("divide"),
    "DivNoNan": _of_each("divide_no_nan"),
    "Relu": _of_each("relu"),
    "Elu": _of_each("elu"),
    "Erf": _of_each("erf"),
    "Sqrt": _of_each("sqrt"),
    "Rsqrt": _of_each("rsqrt"),
    "Square": _of_each("square"),
    "Less": _of_each("less"),
    "LogicalNot": _of_each("not"),
    "LogicalOr": _of_each("or"),
    "Select": _of_each("where"),
    "SelectV2": _of_each("where"),
    "Sigmoid": _sigmoid,
    "Softmax": _plain("softmax"),
    "ConcatV2": _concat,
    "GatherV2": _gather,
    "Sum": _reduction("sum"),
    "Mean": _reduction("mean"),
    "ExpandDims": _expand,
    "Squeeze": _squeeze,
    "StridedSlice": _new_axes,
    "Reshape": _reshape,
    "MatMul": _matmul,
    "BatchMatMulV2": _batch_matmul,
    "Einsum": _einsum,
    "Fill": _filled,
    "TopKV2": _top_k,
    "Cast": _cast,
}
