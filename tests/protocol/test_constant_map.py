from __future__ import annotations

import pytest

from protocol import etf, msgpack_codec
from protocol.atoms import Atom
from protocol.constant_map import ConstantMap
from protocol.errors import ProtocolError

CONSTANTS = ((Atom("model"), "m1"), (Atom("scored"), 1), (Atom("exhausted"), True), (Atom("ignored"), ("a", "b")))


@pytest.mark.parametrize("value", [[1], [], 7, {Atom("n"): [2]}])
def test_it_is_the_ordinary_map_in_its_order(value: object) -> None:
    made = ConstantMap(Atom("items"), value, CONSTANTS)
    ordinary = {Atom("items"): value, **{key: [*one] if isinstance(one, tuple) else one for key, one in CONSTANTS}}
    assert made.term() == ordinary
    assert etf.encode(made) == etf.encode(ordinary)
    assert etf.encode((made, made)) == etf.encode((ordinary, ordinary))
    assert msgpack_codec.encode(made) == msgpack_codec.encode(ordinary)


def test_constants_that_differ_are_not_taken_for_each_other() -> None:
    for scored in (1, 2, 300):
        for ignored in ((), ("a",)):
            constants = ((Atom("scored"), scored), (Atom("ignored"), ignored))
            found = etf.decode(etf.encode(ConstantMap(Atom("items"), [], constants)))
            assert found == {"items": [], "scored": scored, "ignored": [text.encode() for text in ignored]}


def test_an_atom_that_nobody_knows_is_a_defect_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ProtocolError, match="the atom"):
            etf.encode(ConstantMap(Atom("items"), [], ((Atom("made up"), 1),)))
