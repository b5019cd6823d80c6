"""The Elixir client decodes with `:safe`: its list of atoms has to be the worker's."""

from __future__ import annotations

import re
from pathlib import Path

from protocol.atoms import CLOSED_SET

CLIENT = Path(__file__).parents[2] / "elixir_example" / "client" / "lib" / "port_worker" / "atoms.ex"


def test_the_client_names_every_atom_and_no_other() -> None:
    lists = re.findall(r"~w\(([^)]*)\)a", CLIENT.read_text(encoding="utf-8"))
    assert {atom for names in lists for atom in names.split()} == CLOSED_SET
