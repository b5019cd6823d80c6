"""What both codecs judge alike: atoms, keys of maps, and how bytes that may not pass are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.atoms import CLOSED_SET, Atom
from protocol.errors import ProtocolError
from protocol.limits import TermLimits

CONSTANTS: Mapping[str, bool | None] = {"nil": None, "true": True, "false": False}
"""The atoms that Python has values of its own for."""

KNOWN_ATOMS: Mapping[bytes, Atom | bool | None] = {
    **{name.encode(): Atom(name) for name in CLOSED_SET},
    **{name.encode(): value for name, value in CONSTANTS.items()},
}

MAX_ATOM_CHARACTERS = 255
"""The BEAM's own bound."""

SAME_KEYS = "a key twice, or two that count as the same, as 1 and true do"


def refuse(offset: int, expected: str, got: str) -> ProtocolError:
    """The error for bytes that hold no permitted term: `malformed_term`, with the offset of what is wrong."""
    return ProtocolError(
        "malformed_term",
        f"term: expected {expected}, got {got} at byte {offset}",
        {"field": "term", "offset": offset, "expected": expected, "got": got},
    )


def wrong_count(offset: int, count: int, bytes_left: int, limits: TermLimits) -> ProtocolError:
    """The refusal of a container that has more elements than there can be."""
    if count > bytes_left:
        return refuse(offset, f"at most as many elements as bytes left ({max(bytes_left, 0)})", f"{count}")
    return refuse(offset, f"at most {limits.max_terms} terms", "more")


def wrong_end(data: bytes, pos: int) -> ProtocolError:
    """The refusal of a term that ends at `pos`, elsewhere than its payload."""
    if pos > len(data):
        return refuse(len(data), f"{pos - len(data)} more bytes", "the end of the frame")
    return refuse(pos, "the end of the frame", f"{len(data) - pos} more bytes")


def new_atom(raw: bytes, encoding: str, offset: int, limits: TermLimits) -> Atom:
    """An atom that this protocol does not name. Raises `malformed_term`."""
    if len(raw) > limits.max_atom_bytes:
        raise refuse(offset, f"an atom of at most {limits.max_atom_bytes} bytes", f"{len(raw)}")
    try:
        atom = Atom(raw, encoding)
    except UnicodeDecodeError:
        raise refuse(offset, "an atom in valid UTF-8", repr(raw[:40])) from None
    if len(atom) > MAX_ATOM_CHARACTERS:
        raise refuse(offset, f"an atom of at most {MAX_ATOM_CHARACTERS} characters", f"{len(atom)}")
    return atom


def check_key(key: Any, offset: int) -> None:
    """Keys that a peer could choose to collide (containers, large integers) would make a map cost its square."""
    if isinstance(key, int):
        if not -(2**63) <= key < 2**63:
            raise refuse(offset, "integers of 64 bits as keys", "a larger one")
    elif not isinstance(key, bytes | float | Atom | None):
        raise refuse(offset, "atoms, binaries, integers or floats as keys", f"a {type(key).__name__}")


def defect(what: str) -> ProtocolError:
    """The error for what cannot be encoded: `internal`, because only this project's own code encodes."""
    return ProtocolError("internal", f"term: expected one that the protocol sends, got {what}")
