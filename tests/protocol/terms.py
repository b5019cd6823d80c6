"""Hypothesis strategies for the terms of the protocol, and a comparison that tells 1, 1.0 and true apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from protocol.atoms import Atom
from protocol.errors import ProtocolError

_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)
ATOMS = _NAMES.filter(lambda name: name not in {"nil", "true", "false"}).map(Atom)
INTEGERS = st.integers(-(2**511), 2**511) | st.integers(-300, 300) | st.sampled_from([2**31 - 1, 2**31, -(2**31) - 1])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
BINARIES = st.binary(max_size=50) | st.text(max_size=50).map(str.encode)
KEYS = st.integers(-(2**63), 2**63 - 1) | BINARIES | ATOMS | FLOATS | st.none()
SCALARS = INTEGERS | KEYS | st.booleans()
UNIFORM = (
    st.lists(st.integers(0, 255), max_size=20)
    | st.lists(st.integers(256, 2**31 - 1) | st.integers(-(2**31), -1), max_size=20)
    | st.integers(0, 4).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size), max_size=20))
)
"""Lists whose elements have one type, and mostly one width."""

TERMS: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=5)
        | UNIFORM
    ),
    max_leaves=30,
)


def typed(term: Any) -> Any:
    """The term with the type of each part beside it; -0.0 and 0.0 differ too."""
    if isinstance(term, (list, tuple)):
        return type(term), [typed(element) for element in term]
    if isinstance(term, dict):
        return dict, {(type(key), key): typed(value) for key, value in term.items()}
    return type(term), repr(term)


def reads_or_refuses(parse: Callable[[Any], Any], data: bytes | str) -> bool:
    """Whether `parse` takes the data or raises `malformed_term`; any other exception passes through."""
    try:
        parse(data)
    except ProtocolError as error:
        return error.code == "malformed_term"
    return True
