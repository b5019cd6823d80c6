"""The programs by name: `port-worker worker | repl | bench | sources | models | ...`.

Nothing is imported at the top but what the standard streams' taking needs: a library that prints while it is imported
must find descriptor 1 pointing at stderr already.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from port_worker.stdio import take_standard_streams

if TYPE_CHECKING:
    import argparse

PROGRAMS = {
    "worker": ("port_worker.worker", "answer calls in {packet, 4} frames on stdin and stdout"),
    "repl": ("port_worker.repl.cli", "try it: train, recommend, look around"),
    "bench": ("port_worker.bench.cli", "drive a worker with an open-loop load and judge it"),
    "inspect": ("port_worker.inspection.cli", "print recorded frames as Erlang terms, or feed them to a worker again"),
    "conformance": ("port_worker.conformance.cli", "drive any worker command through the rules of SPEC.md"),
    "algorithms": ("port_worker.repl.algorithms", "list what can be trained, and what its hyper-parameters may be"),
    "models": ("port_worker.versions.cli", "list, check, activate, roll back and prune the stored versions"),
    "sources": ("port_worker.checking.cli", "show which sources are configured, and what one of them holds"),
    "fixture": ("port_worker.fixture.cli", "write a seeded world to try things on"),
}
_HELP = {"-h", "--help"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one program. Returns its exit status; argparse exits with 2 for unusable arguments."""
    words = list(sys.argv[1:] if argv is None else argv)
    pipes = take_standard_streams() if _serves(words) else None
    args = _parser(words).parse_args(words)
    if pipes is not None:
        args.pipes = pipes
    status: int = args.run(args)
    return status


def _serves(words: list[str]) -> bool:
    return words[:1] == ["worker"] and not _HELP & set(words)


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """The whole parser; only the program that was named adds its options, so that no other is imported."""
    import argparse
    from importlib import import_module

    from port_worker import __version__

    parser = argparse.ArgumentParser(prog="port-worker", description="Recommendations inside an Elixir system.")
    parser.add_argument("--version", action="version", version=__version__)
    programs = parser.add_subparsers(metavar="PROGRAM", required=True)
    for name, (module, summary) in PROGRAMS.items():
        program = programs.add_parser(name, help=summary)
        if words[:1] == [name]:
            room = import_module(module)
            room.configure(program)
            program.set_defaults(run=room.run)
    return parser
