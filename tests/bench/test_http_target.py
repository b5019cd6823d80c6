"""What a URL asks for, and whom it may be asked of."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from port_worker.bench.http.target import addresses_of, header_of, target_of

URL = "http://127.0.0.1:4000/api/recommendations/{user}?n=10"


def test_a_request_has_the_user_in_its_place_and_the_headers_behind() -> None:
    target = target_of(URL, [("Authorization", "Bearer x")])
    assert (target.host, target.port, target.asks_about_users) == ("127.0.0.1", 4000, True)
    assert target.request("ada") == (
        b"GET /api/recommendations/ada?n=10 HTTP/1.1\r\n"
        b"Host: 127.0.0.1:4000\r\nUser-Agent: port-worker-bench\r\nAccept: application/json\r\n"
        b"Authorization: Bearer x\r\n\r\n"
    )


def test_a_user_s_id_cannot_change_the_rest_of_the_request() -> None:
    line = target_of(URL).request("a/b?c d\r\nX: ü").split(b"\r\n")[0]
    assert line == b"GET /api/recommendations/a%2Fb%3Fc%20d%0D%0AX%3A%20%C3%BC?n=10 HTTP/1.1"


def test_the_place_may_be_in_the_query_and_ids_may_be_integers() -> None:
    assert (
        target_of("http://localhost?user={user}").request(7).startswith(b"GET /?user=7 HTTP/1.1\r\nHost: localhost\r\n")
    )


def test_without_a_place_every_request_is_the_same() -> None:
    target = target_of("http://[::1]:4000/health")
    assert not target.asks_about_users
    assert target.request("ada") == target.request("bob")
    assert (target.host, target.port) == ("::1", 4000)


def test_a_header_that_is_given_takes_the_place_of_the_usual_one() -> None:
    request = target_of(URL, [("accept", "text/html")]).request("ada")
    assert request.lower().count(b"accept:") == 1
    assert b"accept: text/html" in request


@pytest.mark.parametrize(
    "url",
    [
        *("127.0.0.1:4000/api", "https://localhost/", "http:///api", "http://localhost:port/", "http://[::1/", ""),
        *("http://me:secret@localhost/", "http://localhost/a#b", "http://localhost/a b", "http://localhost/ü"),
        *("http://localhost/{id}", "http://localhost/{user}/{user}", "http://localhost/{user", "http://{user}/"),
    ],
)
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"argument --url: expected http://HOST.*got"):
        target_of(url)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer a:b", ("Authorization", "Bearer a:b")),
        ("x-empty:", ("x-empty", "")),
        ("a:\tb ", ("a", "b")),
    ],
)
def test_a_header_is_read(text: str, expected: tuple[str, str]) -> None:
    assert header_of(text) == expected


@pytest.mark.parametrize(
    "text", ["Authorization", ": x", "a b: c", "a: b\r\nc: d", "a: ü", "Host: other", "content-length: 3"]
)
def test_another_header_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        header_of(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]"])
def test_loopback_is_allowed(host: str) -> None:
    assert addresses_of(target_of(f"http://{host}:4000/"), allow_remote=False)[0][1][1] == 4000


def test_localhost_is_every_address_that_it_has() -> None:
    found = addresses_of(target_of("http://localhost:4000/"), allow_remote=False)
    assert ("127.0.0.1", 4000) in [place for _family, place in found]


def test_another_machine_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_host: Any, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("127.0.0.1", "192.0.2.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    target = target_of("http://app.example/")
    with pytest.raises(ValueError, match=r"loopback, got app\.example \(192\.0\.2\.1\); --allow-remote"):
        addresses_of(target, allow_remote=False)
    assert len(addresses_of(target, allow_remote=True)) == 2


def test_a_host_that_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_host: Any, **_options: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ValueError, match="expected a host that is known, got 'no-such-host'"):
        addresses_of(target_of("http://no-such-host/"), allow_remote=False)
