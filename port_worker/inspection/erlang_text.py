"""erlang-py's objects as an Erlang shell prints them, pids and references as a shell on their own node does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

from port_worker.inspection.decode import decode_sequence
from port_worker.inspection.survey import Undecodable
from protocol.atoms import Atom
from protocol.erlang_syntax import pieces as protocol_pieces

_NEW_FUN, _EXTERNAL_FUN = 112, 113
_BEFORE_MODULE = 4 + 1 + 16 + 4
"""Bytes of a fun before the count of its variables: its size, arity, checksum and index."""

_MOST_DECIMAL_BITS = 8 * 1024
"""Of an integer that is written in decimal: Python refuses from 4,300 digits on, because it takes long."""

_CHARLIST = str.maketrans(
    {
        '"': r"\"",
        "\\": "\\\\",
        "\n": r"\n",
        "\r": r"\r",
        "\t": r"\t",
        "\v": r"\v",
        "\b": r"\b",
        "\f": r"\f",
        "\x1b": r"\e",
    }
)
_CONTROLS = frozenset(b"\n\r\t\v\b\f\x1b")
_END = object()


def pieces(term: Any) -> Iterator[str]:
    """Print a term piece by piece, however deep it is; who wants only its beginning may stop."""
    stack: list[Iterator[Any]] = [iter((term,))]
    while stack:
        one = next(stack[-1], _END)
        if one is _END:
            stack.pop()
        elif isinstance(one, str):  # text already: no term of erlang-py is one
            yield one
        else:
            stack.append(_parts(one))


def _parts(term: Any) -> Iterator[Any]:
    """What a term is printed as: texts, and terms that are to be printed in their turn."""
    if isinstance(term, bool | None):
        return iter(({None: "undefined", True: "true", False: "false"}[term],))
    if isinstance(term, (int, float)):
        return iter((_number(term),))
    if isinstance(term, (list, bytes)):
        return _list(list(term))
    if isinstance(term, tuple):
        return chain("{", _separated(term), "}")
    if isinstance(term, dict):
        return chain(("#{",), _pairs(term), "}")
    return _object(term)


def _number(value: float) -> str:
    if isinstance(value, float):
        return "".join(protocol_pieces(value)) if math.isfinite(value) else f"#Float<{value}>"
    if value.bit_length() <= _MOST_DECIMAL_BITS:
        return str(value)
    return f"{'-' if value < 0 else ''}16#{abs(value):X}"


def _separated(terms: Any) -> Iterator[Any]:
    for index, term in enumerate(terms):
        if index:
            yield ","
        yield term


def _pairs(term: dict[Any, Any]) -> Iterator[Any]:
    for index, (key, value) in enumerate(term.items()):
        if index:
            yield ","
        yield key
        yield " => "
        yield value


def _list(elements: list[Any]) -> Iterator[Any]:
    if elements and all(map(_is_character, elements)):
        return iter((f'"{bytes(elements).decode("latin-1").translate(_CHARLIST)}"',))
    return chain("[", _separated(elements), "]")


def _is_character(element: Any) -> bool:
    """Whether a shell takes an element for a character; lists of ids must not become Chinese, so only Latin-1 is."""
    return type(element) is int and (32 <= element < 127 or 160 <= element < 256 or element in _CONTROLS)


def _object(term: Any) -> Iterator[Any]:
    import erlang

    if isinstance(term, erlang.OtpErlangAtom):
        return protocol_pieces(_atom(term))
    if isinstance(term, erlang.OtpErlangBinary):
        return protocol_pieces(term.value) if term.bits == 8 else _bit_string(term.value, term.bits)
    if isinstance(term, erlang.OtpErlangList):
        return _improper(term.value) if term.improper else _list(term.value)
    if isinstance(term, erlang.OtpErlangFunction):
        return iter((_fun(term.tag, term.value),))
    return iter((_identifier(term),))


def _atom(term: Any) -> Atom:
    # Atoms with old tags come as bytes, those with new ones as text.
    return Atom(term.value.decode("latin-1") if isinstance(term.value, bytes) else term.value)


def _bit_string(value: bytes, bits: int) -> Iterator[str]:
    yield "<<"
    for byte in value[:-1]:
        yield f"{byte},"
    yield f"{value[-1] >> (8 - bits)}:{bits}>>"


def _improper(elements: list[Any]) -> Iterator[Any]:
    *before, tail = elements
    if not before:
        return iter((tail,))
    if isinstance(tail, (list, bytes)):  # written as a list whose tail is a list: a proper one, though nobody writes so
        return _list([*before, *tail])
    return chain("[", _separated(before), "|", (tail,), "]")


def _identifier(term: Any) -> str:
    import erlang

    words = [int.from_bytes(term.id[start : start + 4], "big") for start in range(0, len(term.id), 4)]
    if isinstance(term, erlang.OtpErlangPid):
        return f"<0.{words[0]}.{int.from_bytes(term.serial, 'big')}>"
    if isinstance(term, erlang.OtpErlangPort):
        return f"#Port<0.{int.from_bytes(term.id, 'big')}>"
    return f"#Ref<0.{'.'.join(map(str, reversed(words)))}>"


def _fun(tag: int, value: bytes) -> str:
    try:
        return _fun_by_tag(tag, value)
    except (Undecodable, ValueError):
        return f"#Fun<{value.hex()}>"


def _fun_by_tag(tag: int, value: bytes) -> str:
    if tag == _EXTERNAL_FUN:
        module, function, arity = (_text(term) for term in decode_sequence(3, value))
        return f"fun {module}:{function}/{arity}"
    if tag == _NEW_FUN:
        variables = int.from_bytes(value[_BEFORE_MODULE : _BEFORE_MODULE + 4], "big")
        module, index, uniq = (_text(term) for term in decode_sequence(4 + variables, value[_BEFORE_MODULE + 4 :])[:3])
    else:
        variables = int.from_bytes(value[:4], "big")
        module, index, uniq = (_text(term) for term in decode_sequence(4 + variables, value[4:])[1:4])
    return f"#Fun<{module}.{index}.{uniq}>"


def _text(term: Any) -> str:
    return "".join(pieces(term))
