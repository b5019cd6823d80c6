"""Who may import whom. An import that this refuses belongs in another room, not in this table."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARROWS = {
    "protocol": set(),
    "port_worker.sources": set(),
    "port_worker.store": set(),
    "port_worker.fixture": {"port_worker.config"},
    "port_worker.serving": {"port_worker.store"},
    "port_worker.evaluation": {"port_worker.serving", "port_worker.store"},
    "port_worker.report": {
        *("port_worker.evaluation.opened", "port_worker.serving", "port_worker.store"),
    },
    "port_worker.training": {
        *("port_worker.sources", "port_worker.store", "port_worker.evaluation"),
        "port_worker.serving.opening",
    },
    "port_worker.host": {"protocol"},
    "port_worker.repl": {
        *("port_worker.host", "port_worker.sources", "port_worker.fixture", "port_worker.config", "protocol"),
        *("port_worker.training.catalogue", "port_worker.training.errors"),
    },
    "port_worker.bench": {
        *("port_worker.host", "port_worker.sources", "port_worker.config", "protocol"),
        "port_worker.allocator",
        # `bench serving`: the arithmetic alone, synthetic models, and networks that are trained for it.
        *("port_worker.serving", "port_worker.store", "port_worker.training"),
    },
    "port_worker.checking": {"port_worker.sources", "port_worker.config"},
    "port_worker.inspection": {"port_worker.host", "port_worker.recording", "port_worker.config", "protocol"},
    "port_worker.conformance": {"protocol.atoms", "protocol.errors"},
    "port_worker.scheduler": {"protocol"},
    "port_worker.stdio": set(),
    "port_worker.recording": {"protocol"},
    "port_worker.status": {"port_worker.scheduler"},
    "port_worker.allocator": {"protocol"},
    "port_worker.toml_table": set(),
    "port_worker.configured_sources": {"port_worker.sources.definition", "port_worker.toml_table"},
    "port_worker.config": {
        *("port_worker.configured_sources", "port_worker.sources.definition", "port_worker.sources.errors"),
        *("port_worker.toml_table", "port_worker.evaluation.policy", "port_worker.training.memory", "protocol"),
    },
    "port_worker.loop": {
        *("port_worker.service", "port_worker.stdio", "port_worker.config", "port_worker.recording", "protocol"),
    },
    "port_worker.worker": {
        *("port_worker.loop", "port_worker.stdio", "port_worker.config", "port_worker.fixture"),
        *("port_worker.recording", "port_worker.allocator"),
    },
    "port_worker.cli": {"port_worker.stdio"},
    "port_worker.__main__": {"port_worker.cli"},
    "port_worker.active_model": {
        *("port_worker.allocator", "port_worker.config", "port_worker.serving", "port_worker.store", "protocol"),
        "port_worker.mirroring.process",
    },
    "port_worker.answering": {
        *("port_worker.scheduler", "port_worker.serving", "port_worker.store.errors", "protocol"),
    },
    "port_worker.feeding": {
        *("port_worker.active_model", "port_worker.answering", "port_worker.scheduler", "port_worker.serving.ids"),
        *("port_worker.store", "protocol"),
    },
    "port_worker.jobs": {"port_worker.answering", "port_worker.scheduler", "port_worker.status", "protocol"},
    "port_worker.retraining": {
        *("port_worker.active_model", "port_worker.config", "port_worker.store", "port_worker.training", "protocol"),
        "port_worker.sources.errors",
    },
    "port_worker.mirroring": {
        "port_worker.store",
        *("port_worker.training.environment", "port_worker.training.lifeline", "port_worker.training.lines"),
    },
    "port_worker.versions": {
        *("port_worker.config", "port_worker.sources", "port_worker.store", "port_worker.report"),
    },
    "port_worker.switching": {"port_worker.active_model", "port_worker.serving.steps", "port_worker.store", "protocol"},
    "port_worker.watching": {"port_worker.store"},
    "port_worker.model_changes": {
        *("port_worker.active_model", "port_worker.answering", "port_worker.config", "port_worker.jobs"),
        *("port_worker.retraining", "port_worker.scheduler", "port_worker.switching", "port_worker.watching"),
        *("port_worker.store", "protocol"),
    },
    "port_worker.rehearsal": {"port_worker.answering", "port_worker.scheduler", "port_worker.serving", "protocol"},
    "port_worker.service": {
        "port_worker.rehearsal",
        *("port_worker.active_model", "port_worker.answering", "port_worker.feeding", "port_worker.jobs"),
        *("port_worker.model_changes", "port_worker.scheduler", "port_worker.status", "port_worker.config"),
        "port_worker.mirroring",
        *("port_worker.serving", "port_worker.store", "protocol"),
    },
}
"""Room to the rooms that it may import. `port_worker` itself (its version) is open to all; `cli` imports by name."""

FOREIGN = {
    "protocol": {"numpy", "msgpack"},
    "port_worker.store": {"numpy", "fsspec"},
    "port_worker.serving": {"numpy", "onnxruntime"},
    "port_worker.training.catalogue": set(),
    "port_worker.training.process": set(),
    "port_worker.evaluation": {"numpy"},
    "port_worker.evaluation.policy": set(),
    "port_worker.sources.definition": set(),
    "port_worker.toml_table": {"tomli"},
}
"""Where only these packages of others may be imported, wherever in the module that is."""

HEAVY = {
    *("numpy", "pandas", "scipy", "sklearn", "tensorflow", "torch", "libreco", "gensim", "pyarrow", "rich"),
    *("prompt_toolkit", "onnxruntime", "psutil", "platformdirs", "erlang", "msgpack", "sqlite3", "asyncio"),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for room in ("protocol", "port_worker") for path in (ROOT / room).rglob("*.py")}


def imports(path: Path) -> Iterator[str]:
    """The names that a module imports, anywhere in it: modules, and names that may be modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else str(node.module) for name in names)


def is_within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def is_allowed(name: str, room: str) -> bool:
    if is_within(name, room) or name == "port_worker":
        return True
    return any(is_within(name, allowed) for allowed in ARROWS[room])


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_the_rooms_that_its_arrows_reach(room: str) -> None:
    members = {name: path for name, path in MODULES.items() if is_within(name, room)}
    assert members, "the room is gone: take it out of the table"
    against = [
        f"{member} imports {name}"
        for member, path in members.items()
        for name in imports(path)
        if name.split(".")[0] in {"protocol", "port_worker"} and not is_allowed(name, room)
    ]
    assert against == []


@pytest.mark.parametrize("room", ARROWS)
def test_no_arrow_leads_where_nobody_goes(room: str) -> None:
    used = {name for member, path in MODULES.items() if is_within(member, room) for name in imports(path)}
    assert [arrow for arrow in ARROWS[room] if not any(is_within(name, arrow) for name in used)] == []


@pytest.mark.parametrize("room", FOREIGN)
def test_some_rooms_need_no_package_or_few(room: str) -> None:
    names = {
        name.split(".")[0] for member, path in MODULES.items() if is_within(member, room) for name in imports(path)
    }
    assert names - {"protocol", "port_worker"} - sys.stdlib_module_names <= FOREIGN[room]


def test_every_room_has_its_arrows() -> None:
    rooms = {".".join(name.split(".")[:2]) for name in MODULES if name.startswith("port_worker.")}
    assert rooms | {"protocol"} == set(ARROWS)


def test_no_module_is_called_by_what_it_is_not() -> None:
    assert not [name for name in MODULES if name.split(".")[-1] in {"utils", "util", "helpers", "common", "misc"}]


@pytest.mark.parametrize("module", ["port_worker.cli", "protocol.messages", "protocol.arguments", "protocol.session"])
def test_nothing_heavy_comes_with(module: str) -> None:
    program = f"import sys, {module}; print(*(set(sys.modules) & {HEAVY!r}))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
