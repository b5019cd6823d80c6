"""`port-worker models`: list, show, activate, roll back, verify and prune the stored versions.

Workers that run follow what is activated here, within PORT_WORKER_WATCH_SECONDS.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from port_worker.versions.commands import Result
    from port_worker.versions.place import Place

DONE, FAILED, UNUSABLE = 0, 1, 2

_EPILOG = """Exit status: 0 done; 1 not, for a reason that stderr has (unknown or damaged versions, nothing to roll back
to, a store that cannot be written); 2 unusable arguments. PORT_WORKER_STORE names a store elsewhere, as for a worker;
while that cannot be reached, stderr says so, and what is on this machine is shown and changed."""


def _kept(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 10000, got {text!r}")
    return int(text)


@dataclass(frozen=True)
class Subcommand:
    """What it is for, its arguments besides those that all have, and the function of `commands` of its name."""

    summary: str
    configure: Callable[[argparse.ArgumentParser], object]


def _one_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", metavar="VERSION", help="a version as `list` shows it")


def _some_versions(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("version", metavar="VERSION", nargs="?", help="a version as `list` shows it (default: active)")
    which.add_argument("--all", action="store_true", help="every version")


def _keep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep", metavar="K", type=_kept, help="how many of the newest stay (default: PORT_WORKER_KEEP_VERSIONS, 5)"
    )


def _page(parser: argparse.ArgumentParser) -> None:
    _one_version(parser)
    parser.add_argument("--output", metavar="FILE", type=Path, help="where to write it (default: VERSION.html here)")


SUBCOMMANDS: Mapping[str, Subcommand] = {
    "list": Subcommand("the versions, newest first", lambda _parser: None),
    "show": Subcommand("all that a version's manifest says", _one_version),
    "activate": Subcommand("check a version, then make it the active one", _one_version),
    "rollback": Subcommand("make the version active that was before", lambda _parser: None),
    "verify": Subcommand("compare files with their checksums", _some_versions),
    "prune": Subcommand("remove old versions that nobody needs", _keep),
    "report": Subcommand("write a version as one HTML page: figures, curves, neighbours", _page),
}
"""By name. To add one: a line here, a function in `commands`, and how its result is shown in `tables`."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = "The stored model versions: what there is, which one is active, and whether it is intact."
    parser.epilog = _EPILOG
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for name, subcommand in SUBCOMMANDS.items():
        added = commands.add_parser(name, help=subcommand.summary, description=f"{subcommand.summary.capitalize()}.")
        subcommand.configure(added)
        added.add_argument("--home", metavar="DIR", type=Path, help="where the models live (default: one per user)")
        added.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do it and say what came of it. Returns the exit status, which `--help` explains."""
    from port_worker.config import settings
    from port_worker.store.errors import StoreError
    from port_worker.versions import commands
    from port_worker.versions.place import open_place

    try:
        place = open_place(settings(args.home))
    except ValueError as error:
        return _refuse(str(error), UNUSABLE)
    except StoreError as error:
        return _refuse(str(error), FAILED)
    command: Callable[[Place, argparse.Namespace], Result] = getattr(commands, f"{args.command}_")
    try:
        result = command(place, args)
    except (StoreError, OSError) as error:
        return _refuse(str(error), FAILED)
    _show(result, as_json=args.json)
    return DONE if result.ok else FAILED


def _show(result: Result, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_data(result)) + "\n")
    else:
        from port_worker.versions.tables import show

        show(result, sys.stdout)
    sys.stdout.flush()


def _data(result: Result) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(result)


def _refuse(why: str, status: int) -> int:
    sys.stderr.write(f"port-worker models: {' '.join(why.split())}\n")
    return status
