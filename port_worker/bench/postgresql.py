"""A real PostgreSQL of one's own, in a temporary folder, from the package `pgserver`: for benches and tests.

PostgreSQL refuses to run as root. There its programs are copied to where anybody may read them, and run as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

_USER = "postgres"
_START_S = 60
_UNPRIVILEGED = "nobody"
# What a crash would lose is of no use to anybody; the rest is for a machine that others share.
_OPTIONS = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


class PostgresqlError(RuntimeError):
    """There is none here, or it does not start."""


class PostgresqlServer:
    """A server on a free port of 127.0.0.1, with a user and a password. It and its folder go at the end."""

    def __init__(self, options: dict[str, str] | None = None) -> None:
        """Raises PostgresqlError."""
        self._options = _OPTIONS | (options or {})
        self._identity = _identity()
        self.password = secrets.token_hex(8)
        self.port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="port_worker-postgresql-"))
        try:
            self._programs = _programs(self._folder, copied=bool(self._identity))
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> PostgresqlServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def location(self, database: str = "postgres", *, password: str | None = None) -> str:
        """The address of a database; `password` instead of the right one."""
        return f"postgresql://{_USER}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers. Raises PostgresqlError."""
        settings = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        given = " ".join(f"-c {name}={value or repr('')}" for name, value in (settings | self._options).items())
        self._run("pg_ctl", "-w", "-t", str(_START_S), "-l", str(self._folder / "log"), "-o", given, "start")

    def stop(self) -> None:
        """Stop it at once: connections are cut, and what was committed is there after `start`."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def close(self) -> None:
        """Stop it, and remove the folder."""
        if (self._folder / "data" / "postmaster.pid").exists():
            with suppress(PostgresqlError):  # of one that ended by itself
                self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        data, password = self._folder / "data", self._folder / "password"
        data.mkdir(mode=0o700)
        password.write_text(self.password)
        if self._identity:
            for path in (self._folder, data, password):
                os.chown(path, self._identity["user"], self._identity["group"])
        self._run(
            "initdb", "-U", _USER, "--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8",
            "--locale", "C", "--no-sync",
        )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [str(self._programs / program), "-D", str(self._folder / "data"), *arguments]
        with tempfile.TemporaryFile() as said:  # not a pipe, which the server would keep open
            ran = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", check=False, **self._identity
            )
            if ran.returncode:
                said.seek(0)
                raise PostgresqlError(f"{program}: {said.read().decode(errors='replace').strip()}")


def is_installed() -> bool:
    """Whether the package that has PostgreSQL is there."""
    return find_spec("pgserver") is not None


def _programs(folder: Path, *, copied: bool) -> Path:
    found = find_spec("pgserver")  # the package itself is not imported: it takes a lock in the user's folders
    if found is None or not found.submodule_search_locations:
        raise PostgresqlError("the package `pgserver`, a development tool, is not installed")
    installed = Path(found.submodule_search_locations[0])
    if not copied:
        return installed / "pginstall" / "bin"
    for name in ("bin", "lib", "share"):
        shutil.copytree(installed / "pginstall" / name, folder / "pgserver" / "pginstall" / name)
    libraries = installed.with_name("pgserver.libs")  # which the programs look for beside the package's folder
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / "pgserver" / "pginstall" / "bin"


def _identity() -> dict[str, Any]:
    """Arguments of `subprocess` that make a child of root one of nobody's; none for others."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port
