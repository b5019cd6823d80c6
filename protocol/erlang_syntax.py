"""Terms as people write them: Erlang's syntax, printed and read.

What `to_text` prints, an Erlang shell reads. What `parse_text` reads is the same without variables, expressions and
comments; `"..."` and `<<"...">>` are both binaries in UTF-8, because this protocol has no charlists.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from protocol.atoms import Atom
from protocol.errors import ProtocolError
from protocol.limits import TermLimits

_Sliced = TypeVar("_Sliced", bytes, str)
_LIMITS = TermLimits()
_CHUNK = 1_024
_MOST_TEXT = 65_536
_RESERVED = re.compile(
    "after|and|andalso|band|begin|bnot|bor|bsl|bsr|bxor|case|catch|cond|div|else|end|fun|if|let|maybe|not|of|or|orelse"
    "|receive|rem|try|when|xor"
)
_BARE_ATOM = re.compile(r"[a-z][A-Za-z0-9_@]*")
_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": "\\\\"}
_UNESCAPES = {**{written[1]: character for character, written in _ESCAPES.items()}, "e": "\x1b", "s": " ", "0": "\0"}
_CONSTANTS: dict[str, Any] = {"nil": None, "true": True, "false": False}
_NAMES = {value: name for name, value in _CONSTANTS.items()}


def to_text(term: Any) -> str:
    """Print a term: `{call,1,recommend,#{n => 10,user => <<"ada">>},infinity}`."""
    return "".join(pieces(term))


def shorten(term: Any, most: int = 80) -> str:
    """Print the beginning of a term, at most `most` characters; the work is bounded too."""
    text = ""
    for piece in pieces(term):
        text += piece
        if len(text) > most:
            return text[: most - 3] + "..."
    return text


def pieces(term: Any) -> Iterator[str]:
    """What `to_text` prints, piece by piece, for who may stop early."""
    if isinstance(term, Atom):
        yield _atom(term)
    elif isinstance(term, bool | None):
        yield _NAMES[term]
    elif isinstance(term, float):
        yield _float(term)
    elif isinstance(term, (bytes, str)):
        yield from _binary(term if isinstance(term, bytes) else term.encode("utf-8", "backslashreplace"))
    elif isinstance(term, dict):
        yield from _bracketed("#{", ((key, value) for key, value in term.items()), "}", _pair)
    elif isinstance(term, (list, tuple)):
        first, last = "[]" if isinstance(term, list) else "{}"
        yield from _bracketed(first, term, last, pieces)
    else:
        yield str(term)


def _bracketed(first: str, elements: Iterable[Any], last: str, pieces: Callable[[Any], Iterator[str]]) -> Iterator[str]:
    yield first
    for index, element in enumerate(elements):
        if index:
            yield ","
        yield from pieces(element)
    yield last


def _pair(pair: tuple[Any, Any]) -> Iterator[str]:
    yield from pieces(pair[0])
    yield " => "
    yield from pieces(pair[1])


def _atom(name: str) -> str:
    if _BARE_ATOM.fullmatch(name) and not _RESERVED.fullmatch(name):
        return str(name)
    return f"'{_escaped(name, quote=chr(39))}'"


def _float(value: float) -> str:
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{e}{exponent}"


def _binary(raw: bytes) -> Iterator[str]:
    text = _printable(raw)
    if not text:
        yield from _bracketed("<<", _chunks(raw), ">>", lambda chunk: iter((",".join(map(str, chunk)),)))
        return
    yield '<<"'
    for chunk in _chunks(text):
        yield _escaped(chunk, quote='"')
    yield '">>' if text.isascii() else '"/utf8>>'


def _chunks(whole: _Sliced) -> Iterator[_Sliced]:
    """A column of 16 MiB must not become as many pieces."""
    return (whole[start : start + _CHUNK] for start in range(0, len(whole), _CHUNK))


def _printable(raw: bytes) -> str | None:
    """The text of a binary; None for what is none, or is too long for anybody to read."""
    if len(raw) > _MOST_TEXT:
        return None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() or text.translate(dict.fromkeys(map(ord, "\n\r\t"), " ")).isprintable() else None


def _escaped(text: str, quote: str) -> str:
    return "".join(_escaped_character(character, quote) for character in text)


def _escaped_character(character: str, quote: str) -> str:
    if character == quote:
        return "\\" + quote
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\x{{{ord(character):x}}}"


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<float>-?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?)
      | (?P<integer>-?[0-9]+)
      | (?P<atom>[a-z][A-Za-z0-9_@]*)
      | (?P<quoted>'(?:[^'\\]|\\.)*')
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<mark><<|>>|\#\{|=>|/utf8|[\[\]{},])
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)


def parse_text(text: str) -> Any:
    """Read one term. Raises ProtocolError(`malformed_term`) that names the character where it went wrong."""
    parser = _Parser(text)
    term = parser.term(0)
    parser.take("end", "", "the end")
    return term


class _Parser:
    """Recursive descent over the tokens of `text`, as deep as a decoded term may be."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._advance()

    def _advance(self) -> None:
        token = _TOKEN.match(self._text, self._position)
        if token is None:
            spaces = len(self._text[self._position :]) - len(self._text[self._position :].lstrip())
            raise self._refuse("a term", self._position + spaces)
        self._kind = str(token.lastgroup)
        self._token = token[self._kind]
        self._start = token.start(self._kind)
        self._position = token.end()

    def _refuse(self, expected: str, at: int | None = None) -> ProtocolError:
        offset = self._start if at is None else at
        got = self._text[offset : offset + 20] or "the end"
        return ProtocolError(
            "malformed_term",
            f"text: expected {expected}, got {got} at character {offset}",
            {"field": "text", "offset": offset, "expected": expected, "got": got},
        )

    def take(self, kind: str, token: str, expected: str) -> None:
        """Go past a token that has to be there."""
        if (self._kind, self._token) != (kind, token):
            raise self._refuse(expected)
        if kind != "end":
            self._advance()

    def _taken(self, mark: str) -> bool:
        if (self._kind, self._token) != ("mark", mark):
            return False
        self._advance()
        return True

    def term(self, depth: int) -> Any:
        """Read the term that starts here."""
        if depth > _LIMITS.max_depth:
            raise self._refuse(f"at most {_LIMITS.max_depth} levels of nesting")
        if self._kind == "mark":
            return self._compound(depth)
        read = _SCALARS.get(self._kind)
        if read is None:
            raise self._refuse("a term")
        try:
            value = read(self._token)
        except ValueError as error:
            raise self._refuse(str(error)) from None
        self._advance()
        return value

    def _compound(self, depth: int) -> Any:
        if self._taken("["):
            return self._elements("]", lambda: self.term(depth + 1))
        if self._taken("{"):
            return tuple(self._elements("}", lambda: self.term(depth + 1)))
        if self._taken("<<"):
            return b"".join(self._elements(">>", self._segment))
        start = self._start
        if not self._taken("#{"):
            raise self._refuse("a term")
        pairs = self._elements("}", lambda: self._pair(depth + 1))
        if not all(isinstance(key, int | float | bytes | Atom | None) for key, _value in pairs):
            raise self._refuse("atoms, binaries, integers or floats as keys", start)
        if len(dict(pairs)) != len(pairs):
            raise self._refuse("keys that differ", start)
        return dict(pairs)

    def _elements(self, last: str, read: Callable[[], Any]) -> list[Any]:
        elements: list[Any] = []
        if self._taken(last):
            return elements
        while True:
            elements.append(read())
            if self._taken(last):
                return elements
            self.take("mark", ",", f", or {last}")

    def _pair(self, depth: int) -> tuple[Any, Any]:
        key = self.term(depth)
        self.take("mark", "=>", "=>")
        return key, self.term(depth)

    def _segment(self) -> bytes:
        if self._kind == "string":
            value: bytes = self.term(0)
            self._taken("/utf8")
            return value
        if self._kind != "integer" or not 0 <= int(self._token[:4]) < 256 or len(self._token) > 3:
            raise self._refuse("a string or a byte")
        return bytes((self.term(0),))


def _read_integer(token: str) -> int:
    digits = len(token)
    if digits > 3 * _LIMITS.max_bignum_bytes or int(token).bit_length() > 8 * _LIMITS.max_bignum_bytes:
        raise ValueError(f"an integer of at most {_LIMITS.max_bignum_bytes} bytes")
    return int(token)


def _read_float(token: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise ValueError("a finite float")
    return value


def _read_atom(token: str) -> Any:
    if _RESERVED.fullmatch(token):
        raise ValueError(f"an atom ({token} is a word of the language: write it in quotes)")
    return _named(token)


def _named(name: str) -> Any:
    if len(name) > 255:
        raise ValueError("an atom of at most 255 characters")
    return _CONSTANTS.get(name, Atom(name))


def _unescaped(token: str) -> str:
    return _ESCAPE.sub(_character, token[1:-1])


def _character(escape: re.Match[str]) -> str:
    code, character = escape.groups()
    if code is None:
        return _UNESCAPES.get(character, character)
    if int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) < 0xE000:
        raise ValueError("a character of Unicode")
    return chr(int(code, 16))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "integer": _read_integer,
    "float": _read_float,
    "atom": _read_atom,
    "quoted": lambda token: _named(_unescaped(token)),
    "string": lambda token: _unescaped(token).encode(),
}
