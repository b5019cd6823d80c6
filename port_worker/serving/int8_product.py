"""A matrix product of 8-bit whole numbers: exact, and two (many vectors) to eight times (one) as fast as one of floats.

ONNX Runtime carries it out, with the kernels that the processor has (AVX2, VNNI, the dot products of ARM). Its model is
one MatMulInteger, written here in the few fields of the ONNX format (a Protocol Buffer, see onnx.proto) that it takes.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 90
"""Of either side's numbers. AVX2 adds products in pairs of 16 bits that stop at 32,767: 2 * (2 * 90) * 90 is below, and
the runtime shifts one side by 90 to have it without a sign."""

_BOUND = 64
"""Numbers of vectors whose memory is kept."""

_IR_VERSION, _OPSET = 8, 13
_UINT8, _INT8, _INT32 = 2, 3, 6
"""TensorProto.DataType"""


def available() -> bool:
    """Whether ONNX Runtime is installed; there is none for every system. Imports nothing."""
    return importlib.util.find_spec("onnxruntime") is not None


class Int8Product:
    """Multiplies vectors with codes (d, n), which it holds."""

    def __init__(self, described: bytes, shape: tuple[int, int], buffer: NDArray[np.int32], threads: int) -> None:
        """described: the `model` of codes of that shape. buffer: where results go, for as many vectors as it has room
        for. threads: of the runtime.

        Takes some 20 MB and 40 ms, once for all products, to import it.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # results go to the caller's memory, and what else it needs is little
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(described, options, providers=["CPUExecutionProvider"])
        # Kept there to begin again with another provider after an error, of which there is none.
        self._session._model_bytes = None
        # Of no method: that would be a cycle, and a model that is replaced is to go with the last look at it.
        self._bound = lru_cache(maxsize=_BOUND)(partial(_bind, self._session, shape, buffer))

    def __call__(self, vectors: NDArray[np.number]) -> NDArray[np.int32]:
        """`vectors` (b, d), none larger than LARGEST either way, @ codes: (b, n), there until the next product."""
        unsigned, products, binding = self._bound(len(vectors))
        np.add(vectors, LARGEST, out=unsigned, casting="unsafe")
        self._session.run_with_iobinding(binding)
        return products


def _bind(
    session: Any, shape: tuple[int, int], buffer: NDArray[np.int32], count: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32], Any]:
    """Memory of so many vectors and of their products, and what tells the runtime of both."""
    factors, columns = shape
    unsigned = np.empty((count, factors), dtype=np.uint8)
    products = buffer[: count * columns].reshape(count, columns)
    binding = session.io_binding()
    binding.bind_input("vectors", "cpu", 0, np.uint8, unsigned.shape, unsigned.ctypes.data)
    binding.bind_output("products", "cpu", 0, np.int32, products.shape, products.ctypes.data)
    return unsigned, products, binding


def model(codes: NDArray[np.int8]) -> bytes:
    """A ModelProto of `codes` (d, n), none larger than LARGEST: products = MatMulInteger(vectors, codes, zero)."""
    factors, columns = codes.shape
    node = [
        *(_text(1, name) for name in ("vectors", "codes", "zero")),
        _text(2, "products"),
        _text(4, "MatMulInteger"),
    ]
    graph = [
        *_message(1, node),
        _text(2, "int8_product"),
        *_message(5, _constant("codes", _INT8, codes.shape, codes.tobytes())),
        *_message(5, _constant("zero", _UINT8, (), bytes([LARGEST]))),
        *_message(11, _value("vectors", _UINT8, factors)),
        *_message(12, _value("products", _INT32, columns)),
    ]
    return b"".join([_number(1, _IR_VERSION), *_message(7, graph), *_message(8, [_number(2, _OPSET)])])


def _constant(name: str, kind: int, shape: tuple[int, ...], content: bytes) -> list[bytes]:
    """A TensorProto."""
    return [*(_number(1, size) for size in shape), _number(2, kind), _text(8, name), *_message(9, [content])]


def _value(name: str, kind: int, width: int) -> list[bytes]:
    """A ValueInfoProto of (b, width)."""
    shape = [*_message(1, [_text(2, "b")]), *_message(1, [_number(1, width)])]
    return [_text(1, name), *_message(2, _message(1, [_number(1, kind), *_message(2, shape)]))]


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return b"".join(_message(field, [value.encode()]))


def _message(field: int, parts: list[bytes]) -> list[bytes]:
    """In parts, which are joined but once: codes are megabytes."""
    return [_varint(field << 3 | 2) + _varint(sum(map(len, parts))), *parts]


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
