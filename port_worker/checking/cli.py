"""`port-worker sources`: its options and how a run ends. Nothing but the standard library is imported before `run`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from port_worker.config import Settings
    from port_worker.sources.errors import SourceError

DONE, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

_EPILOG = """Exit status: 0 done; 1 the source cannot be read, or there is too little in it; 2 unusable arguments or
configuration; 130 interrupted. Sources are the tables [sources.NAME] of port_worker.toml, which is in the home or where
--config or PORT_WORKER_CONFIG says."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the program's options; imports nothing but the standard library."""
    parser.description = "Show which sources of interactions are configured, and read one to see what it holds."
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="name them", epilog=_EPILOG)
    checking = actions.add_parser("check", help="read one, as a training would, and say what it holds", epilog=_EPILOG)
    checking.add_argument("name", metavar="NAME", nargs="?", help="of a source (default: the one that retrain reads)")
    for action in (listing, checking):
        action.add_argument("--json", action="store_true", help="print one JSON object")
        action.add_argument("--config", metavar="FILE", type=Path, help="TOML (default: the home's port_worker.toml)")
        action.add_argument("--home", metavar="DIR", type=Path, help="where data lives (default: one per user)")


def run(args: argparse.Namespace) -> int:
    """List or check. Returns the exit status, which `--help` explains."""
    from port_worker.config import settings
    from port_worker.sources.errors import SourceError

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's encoding lacks is no reason to end
    try:
        chosen = settings(args.home, config=args.config)
        return _list(chosen, args) if args.action == "list" else _check(chosen, args)
    except SourceError as error:
        return _failed(error, args)
    except ValueError as error:
        sys.stderr.write(f"port-worker sources: {error}\n")
        return UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED


def _list(chosen: Settings, args: argparse.Namespace) -> int:
    if args.json:
        sources = {
            name: {"location": definition.shown_location, "default": name == chosen.default_source}
            for name, definition in chosen.sources.items()
        }
        _write({"sources": sources})
        return DONE
    from port_worker.checking.report import show_list

    show_list(chosen.sources, chosen.default_source, sys.stdout)
    return DONE


def _check(chosen: Settings, args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from port_worker.checking.finding import check
    from port_worker.checking.report import reading, show_finding

    definition = chosen.source if args.name is None else chosen.source_named(args.name)
    with reading(definition.name, sys.stderr) as progress:
        found = check(definition, progress)
    if args.json:
        _write(asdict(found))
    else:
        show_finding(found, sys.stdout)
    return DONE if found.enough else FAILED


def _failed(error: SourceError, args: argparse.Namespace) -> int:
    if args.json:
        _write({"error": {"code": error.code, "message": error.message, "details": error.details}})
    else:
        sys.stderr.write(f"port-worker sources: {error.message}\n")
    return UNUSABLE if error.code == "invalid_argument" else FAILED


def _write(document: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(document)}\n")
