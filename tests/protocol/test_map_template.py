from __future__ import annotations

import pytest

from protocol import etf, msgpack_codec
from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.map_template import FilledMap, MapTemplate

CONSTANTS = ((Atom("model"), "m1"), (Atom("scored"), 1), (Atom("exhausted"), True), (Atom("ignored"), ["a", "b"]))


@pytest.mark.parametrize("value", [[1], [], 7, {Atom("n"): [2]}])
def test_it_is_the_ordinary_map_in_its_order(value: object) -> None:
    made = FilledMap(MapTemplate(Atom("items"), CONSTANTS), value)
    ordinary = {Atom("items"): value, **dict(CONSTANTS)}
    assert made.term() == ordinary
    assert etf.encode(made) == etf.encode(ordinary)
    assert etf.encode((made, made)) == etf.encode((ordinary, ordinary))
    assert msgpack_codec.encode(made) == msgpack_codec.encode(ordinary)


def test_an_atom_that_nobody_knows_is_a_defect() -> None:
    with pytest.raises(ProtocolError, match="the atom"):
        MapTemplate(Atom("items"), ((Atom("made up"), 1),))
