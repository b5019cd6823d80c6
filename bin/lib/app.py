"""What bin/app does: the application of `elixir_example/app` on a database of its own, with a world in it.

It has `mix` do the work, so Elixir 1.17 and hex have to be there; what is missing is said first. PostgreSQL is that of
the package `pgserver`, in a temporary folder, unless --database names another.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "elixir_example" / "app"
NEEDED = (1, 17)
DATABASE = "sekai"
ADMIN = "admin"
_READY_S = 120.0
_POLL_S = 0.2
_STOP_S = 30.0

EPILOG = """\
examples:
  bin/app                                      serve http://127.0.0.1:4000, load a world, train a first model
  bin/app --users 200 --items 150 --visits 5000
  bin/app --test -- --only worker              some of the tests
  bin/app --test --serializable                all of them, as CockroachDB would have it
"""


class CannotRunError(Exception):
    """Something is missing or failed; the message is for the user."""


def arguments(given: list[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="app",
        description="Bring the Phoenix application up on a throwaway PostgreSQL with a made-up world in it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--test", action="store_true", help="run the application's tests instead; `--` before mix's own"
    )
    parser.add_argument("--database", metavar="URL", help="postgresql://... to use instead of a throwaway")
    parser.add_argument(
        "--serializable", action="store_true", help="every transaction is SERIALIZABLE, as on CockroachDB"
    )
    parser.add_argument("--port", metavar="N", type=int, default=4000, help="of the page and the API (default: 4000)")
    parser.add_argument("--home", metavar="DIR", type=Path, help="of the workers (default: a temporary one)")
    parser.add_argument(
        "--placement", choices=["flame", "local"], default="flame", help="where workers run (default: flame)"
    )
    parser.add_argument("--no-train", action="store_true", help="leave the first training to you")
    for size in ("users", "items", "visits"):
        parser.add_argument(f"--{size}", metavar="N", type=int, help=f"how many {size} the world has")
    own, rest = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    found = parser.parse_args(own)
    if rest and not found.test:
        parser.error("arguments after -- are for `mix test`: give --test")
    found.rest = rest
    return found


def main() -> int:
    """Exit status 0; that of mix where it fails; 1 where something is missing."""
    asked = arguments(sys.argv[1:])
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if missing := lacking():
            raise CannotRunError(missing)
        with database(asked.database) as url, home(asked.home) as folder:
            return test(asked, url) if asked.test else serve(asked, url, folder)
    except CannotRunError as error:
        sys.stderr.write(f"app: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _terminated(number: int, _frame: object) -> None:
    """Leave by the same way as otherwise: database, server and folder go."""
    raise SystemExit(128 + number)


def lacking() -> str:
    """Which of Elixir and hex is missing or too old; nothing where all is there."""
    if shutil.which("mix") is None:
        return "Elixir 1.17 or newer is needed, and there is no `mix`"
    said = subprocess.run(["elixir", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Elixir (\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < NEEDED:
        return f"Elixir 1.17 or newer is needed, found {version[0]}.{version[1]}"
    no_hex = subprocess.run(["mix", "hex.info"], stdin=subprocess.DEVNULL, capture_output=True, cwd="/", check=False)
    return "hex is needed: mix local.hex" if no_hex.returncode else ""


@contextmanager
def database(given: str | None) -> Iterator[str]:
    """The address of a database: the given one, or that of a throwaway."""
    if given:
        yield given
        return
    sys.path.insert(0, str(ROOT))
    from port_worker.bench.postgresql import PostgresqlError, PostgresqlServer, is_installed

    if not is_installed():
        raise CannotRunError("there is no PostgreSQL for this platform to throw away: name one with --database URL")
    try:
        with PostgresqlServer() as server:
            yield server.location(DATABASE)
    except PostgresqlError as error:
        raise CannotRunError(str(error)) from error


@contextmanager
def home(given: Path | None) -> Iterator[Path]:
    """The workers' home: the given folder, or one that goes at the end."""
    if given:
        yield given.expanduser().absolute()
        return
    with tempfile.TemporaryDirectory(prefix="sekai-home-") as folder:
        yield Path(folder)


def test(asked: argparse.Namespace, url: str) -> int:
    """`mix test` on that database."""
    mix(["deps.get"], os.environ)
    environment = os.environ | isolation(asked) | {"TEST_DATABASE_URL": url, "MIX_ENV": "test"}
    return subprocess.run(["mix", "test", *asked.rest], cwd=APP, env=environment, check=False).returncode


def serve(asked: argparse.Namespace, url: str, folder: Path) -> int:
    """Database, world, server, a first model; then until it is stopped."""
    environment = os.environ | isolation(asked) | {
        "DATABASE_URL": url, "SEKAI_DATABASE_URL": url, "PORT": str(asked.port),
        "RECOMMENDER_HOME": str(folder), "PLACEMENT": asked.placement,
    }  # fmt: skip
    mix(["deps.get"], environment)
    mix(["do", "ecto.create", "--quiet", "+", "ecto.migrate", "--quiet"], environment)
    sizes = [f"--{size}={value}" for size in ("users", "items", "visits") if (value := getattr(asked, size))]
    mix(["sekai.fixture", *sizes], environment)
    token = mix_output(["sekai.token", ADMIN, "--admin", "--create"], environment).split()[-1]
    with running(["mix", "phx.server"], environment) as server:
        address = f"http://127.0.0.1:{asked.port}"
        wait_for(server, f"{address}/healthz")
        if not asked.no_train:
            first_training(address, token)
        sys.stdout.write(f"\n{address}/login?token={token}\n\n")
        sys.stdout.flush()
        return server.wait()


def isolation(asked: argparse.Namespace) -> dict[str, str]:
    """The environment variable that has the application ask for it."""
    return {"DATABASE_ISOLATION": "serializable"} if asked.serializable else {}


def mix(command: list[str], environment: os._Environ[str] | dict[str, str]) -> None:
    """Run a task, its output shown. Raises CannotRunError where it fails."""
    sys.stdout.write(f"== mix {' '.join(command)}\n")
    sys.stdout.flush()
    if subprocess.run(["mix", *command], cwd=APP, env=environment, check=False).returncode:
        raise CannotRunError(f"mix {command[0]} failed")


def mix_output(command: list[str], environment: dict[str, str]) -> str:
    """Run a task, and what it prints. Raises CannotRunError where it fails."""
    ran = subprocess.run(["mix", *command], cwd=APP, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode:
        raise CannotRunError(f"mix {command[0]} failed")
    return ran.stdout


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to end at the end, and made to."""
    process = subprocess.Popen(command, cwd=APP, env=environment, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    """Until the address answers. Raises CannotRunError where the server ends before, or takes too long."""
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        if server.poll() is not None:
            raise CannotRunError(f"mix phx.server ended with status {server.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_S)
    raise CannotRunError(f"{url} did not answer within {_READY_S:.0f} s")


def first_training(address: str, token: str) -> None:
    """Ask for one; that there is one already is as good."""
    request = urllib.request.Request(  # noqa: S310  our own address
        f"{address}/api/retrain",
        data=json.dumps({"algorithm": "ALS"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"app: the first training was refused: {error.read().decode(errors='replace')}\n")


if __name__ == "__main__":
    sys.exit(main())
