"""What is asked: a URL with a place for the user, and the bytes of a request for one of them."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from port_worker.bench.users import Id

USER = "{user}"

_EXPECTED = f"http://HOST[:PORT]/PATH[?QUERY] in printable ASCII, with {USER} where the user's id belongs"
_PRINTABLE = re.compile(r"[!-~]+")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*)")  # a token, as RFC 9110 has it
_OWN_HEADERS = ("host", "connection", "content-length", "transfer-encoding")

Address = tuple[socket.AddressFamily, tuple[str, int]]
"""As `socket.socket` and `connect` take them."""


@dataclass(frozen=True)
class Target:
    """Where requests go, and their bytes before and behind the user's id; `behind` is None where there is no place.

    `url` is as typed.
    """

    url: str
    host: str
    port: int
    before: bytes
    behind: bytes | None

    @property
    def asks_about_users(self) -> bool:
        """Whether the URL has a place for the user."""
        return self.behind is not None

    def request(self, user: Id) -> bytes:
        """A whole GET request; of a URL without a place for the user, always the same."""
        return self.before if self.behind is None else self.before + quote(str(user), safe="").encode() + self.behind


def target_of(url: str, headers: Sequence[tuple[str, str]] = ()) -> Target:
    """Read the URL. Raises ValueError that says what was expected."""
    try:
        parts = urlsplit(url)
        port = 80 if parts.port is None else parts.port
    except ValueError:  # a port that is none, or half of an IPv6 address
        raise _refused(url) from None
    braces = re.findall(r"\{[^}]*\}?|\}", parts.path + parts.query)
    named = parts.scheme == "http" and parts.hostname and not parts.username and not parts.fragment
    if not named or not _PRINTABLE.fullmatch(url) or "{" in parts.netloc or braces not in ([], [USER]):
        raise _refused(url)
    assert parts.hostname is not None
    asked = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tail = _tail(parts.netloc, headers)
    before, place, behind = f"GET {asked}".partition(USER)
    if not place:
        return Target(url, parts.hostname, port, (before + tail).encode(), None)
    return Target(url, parts.hostname, port, before.encode(), (behind + tail).encode())


def _refused(url: str) -> ValueError:
    return ValueError(f"argument --url: expected {_EXPECTED}, got {url!r}")


def _tail(host: str, headers: Sequence[tuple[str, str]]) -> str:
    """The request behind what is asked for."""
    names = {name.lower() for name, _value in headers}
    usual = [("User-Agent", "port-worker-bench"), ("Accept", "application/json")]
    sent = [("Host", host), *(one for one in usual if one[0].lower() not in names), *headers]
    return " HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent) + "\r\n"


def header_of(text: str) -> tuple[str, str]:
    """`Name: value`. Raises ValueError for what is no header, or one that the client itself sends."""
    form = _HEADER.fullmatch(text)
    if form is None:
        raise ValueError(f"expected 'Name: value' in printable ASCII, got {text!r}")
    if form[1].lower() in _OWN_HEADERS:
        raise ValueError(
            f"expected a header other than {', '.join(_OWN_HEADERS)}, which the client sends, got {text!r}"
        )
    return form[1], form[2].strip()


def addresses_of(target: Target, *, allow_remote: bool) -> list[Address]:
    """Where its host is, at least one. Raises ValueError for a host that is not there, or that is another machine."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"argument --url: expected a host that is known, got {target.host!r}: {error}") from None
    addresses: list[Address] = [(family, (str(place[0]), int(place[1]))) for family, _, _, _, place in found]
    for _family, (ip, _port) in addresses:
        if not (allow_remote or ipaddress.ip_address(ip.partition("%")[0]).is_loopback):
            raise ValueError(
                f"argument --url: expected an address of this machine's loopback, got {target.host} ({ip}); "
                "--allow-remote puts the load on another machine, which has to be yours"
            )
    return addresses
