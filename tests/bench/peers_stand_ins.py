"""Stand-ins for the bench of peers: a world, and programs in place of those that are not installed everywhere."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from port_worker.bench.serving.world import Size, World, synthesise

SIZE = Size(items=300, factors=8, users=80, met=12)


def small_world(home: Path) -> World:
    """A synthetic model that is ranked in no time."""
    return synthesise(home, SIZE)


def program(folder: Path, name: str, source: str) -> Path:
    """An executable of that name, in Python."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{textwrap.dedent(source)}", encoding="utf-8")
    path.chmod(0o755)
    return path


LISTENS = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
while True:
    listening.accept()[0].close()
"""
"""In place of redis-server: it takes connections until it is ended."""

FAILS = """
import sys
sys.exit("cannot bind here")
"""

SERVES = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

if "-m" not in sys.argv:  # the loader, or the look for what is installed
    sys.exit(0)
folder = Path(os.environ["PYTHONPATH"])
assert os.environ["REDIS_HOST"].startswith("127.0.0.1:")
assert (folder / "sanic_serving" / "embed_deploy.py").is_file()
users, items = (json.loads((folder / "export" / f"{name}.json").read_text()) for name in ("user2id", "id2item"))

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        first = users[asked["user"]]
        found = [items[str(first + place)] for place in range(asked["n_rec"])]
        body = json.dumps({f"Recommend result for user {asked['user']}": found}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

[port] = [word.partition("=")[2] for word in sys.argv if word.startswith("--port=")]
ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
"""
"""In place of a Python with Sanic: user number r gets the items r, r + 1, ... of the export."""
