"""The client of libserving's server: connections that stay open, beside a real server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from port_worker.bench.peers.http_link import HttpLink, body_of, post
from port_worker.bench.serving.closed_loop import closed_loop
from port_worker.bench.serving.pipe import NoAnswerError


class Handler(BaseHTTPRequestHandler):
    """Doubles `number`, in pieces; 13 is an error, and of /quiet nothing is said of the length."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        number = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["number"]
        body = json.dumps({"doubled": 2 * number}).encode()
        self.send_response(500 if number == 13 else 200)
        if self.path != "/quiet":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body:
            self.wfile.write(bytes([byte]))

    def log_message(self, *_words: object) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    """Its clients go when they have seen enough."""

    def handle_error(self, *_words: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("in_flight", [1, 5])
def test_every_request_is_answered_and_timed(port: int, in_flight: int) -> None:
    with HttpLink(port, connections=5) as link:
        flow = closed_loop(link, [(number, post("/double", {"number": number})) for number in range(12)], in_flight)
    assert len(flow.ms) == 12
    assert all(0 < ms <= flow.seconds * 1e3 for ms in flow.ms)


def test_an_answer_is_whole_and_has_the_id_of_its_request(port: int) -> None:
    with HttpLink(port, connections=1) as link:
        link.send_encoded([(7, post("/double", {"number": 21}))])
        [answer] = link.some_answers()
    assert link.id_of(answer) == 7
    assert body_of(answer[1]) == {"doubled": 42}


def test_an_error_is_no_answer(port: int) -> None:
    with HttpLink(port, connections=1) as link, pytest.raises(NoAnswerError, match=r"expected HTTP status 200.* 500 "):
        closed_loop(link, [(1, post("/double", {"number": 13}))], 1)


def test_a_response_without_its_length_cannot_be_read(port: int) -> None:
    with HttpLink(port, connections=1) as link, pytest.raises(NoAnswerError, match="Content-Length"):
        closed_loop(link, [(1, post("/quiet", {"number": 1}))], 1)
