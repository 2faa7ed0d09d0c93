"""The head of an HTTP-like message: a start line, header lines, a blank line.

Used by both sides: a caster reads requests with it, a client reads replies. What comes from the
network is bounded in length and number, and ``printable`` makes it fit to be shown.
"""

from __future__ import annotations

import re

import msgspec

__all__ = [
    "Head",
    "HeadReader",
    "RequestLine",
    "StatusLine",
    "parse_header_line",
    "parse_request_line",
    "parse_status_line",
    "printable",
]

HEAD_MAX_BYTES = 8192
_LINES_MAX = 64
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110, section 5.6.2."""
_STATUS = re.compile(
    r"(ICY|SOURCETABLE|HTTP/\d\.\d|RTSP/\d\.\d)[ \t]+(\d{3})(?:[ \t]+(.*))?\Z", re.I
)


class StatusLine(msgspec.Struct, frozen=True):
    """The first line of a reply."""

    protocol: str
    """``ICY``, ``SOURCETABLE``, ``HTTP/1.0`` …, in capitals."""
    status: int
    reason: str
    """As the peer wrote it: not to be trusted, see ``printable``."""


class RequestLine(msgspec.Struct, frozen=True):
    """The first line of a request; ``target`` is not decoded."""

    method: str
    target: str
    version: str
    """``HTTP/1.1`` …; empty where the line gives none."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A start line and the headers, as Latin-1 text; names in small letters, in order."""

    start: str
    headers: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The first header of that name (small letters), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Every header of that name (small letters)."""
        return tuple(value for key, value in self.headers if key == name)

    def has_token(self, name: str, token: str) -> bool:
        """Whether a list header such as Transfer-Encoding holds ``token`` (small letters)."""
        return any(
            token == part.strip().lower() for value in self.all(name) for part in value.split(",")
        )


class HeadReader:
    """Collects bytes up to the blank line, however they are cut."""

    def __init__(self, max_bytes: int = HEAD_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self.head: Head | None = None
        self.rest = b""
        """Where ``head`` is set: what came after the blank line."""
        self.fault: str | None = None
        """Why this will never be a head."""

    def feed(self, data: bytes) -> Head | None:
        """Add bytes; the head once it is whole. Nothing may be fed after that, or after a fault."""
        if self.head is not None or self.fault is not None:
            raise ValueError("the head has been read already")
        seen = max(0, len(self._buffer) - 3)
        self._buffer += data[: self._max_bytes + 1]
        end = _blank_line(self._buffer, seen)
        if end is None:
            if len(self._buffer) > self._max_bytes:
                self._fail(f"the head has more than {self._max_bytes} bytes")
            return None
        if end > self._max_bytes:
            self._fail(f"the head has more than {self._max_bytes} bytes")
            return None
        self.rest = bytes(self._buffer[end:]) + data[self._max_bytes + 1 :]
        lines = [line.rstrip(b"\r") for line in bytes(self._buffer[:end]).split(b"\n")[:-2]]
        self._buffer.clear()
        self._parse(lines)
        return self.head

    def _parse(self, lines: list[bytes]) -> None:
        if not lines or not lines[0]:
            self._fail("the first line is empty")
            return
        if len(lines) - 1 > _LINES_MAX:
            self._fail(f"the head has more than {_LINES_MAX} header lines")
            return
        headers = [parse_header_line(line) for line in lines[1:]]
        # A line that is no header is left out: it is nobody's reason to refuse the rest.
        kept = tuple(header for header in headers if header is not None)
        self.head = Head(start=lines[0].decode("latin-1"), headers=kept)

    def _fail(self, fault: str) -> None:
        self.fault = fault
        self._buffer.clear()


def _blank_line(buffer: bytearray, start: int) -> int | None:
    """Find the end of the first blank line (CRLF or LF) at or after ``start``."""
    found = [
        position + len(mark)
        for mark in (b"\n\r\n", b"\n\n")
        if (position := buffer.find(mark, start)) >= 0
    ]
    for empty in (b"\r\n", b"\n"):
        if buffer.startswith(empty):
            return len(empty)
    return min(found, default=None)


def parse_header_line(line: bytes) -> tuple[str, str] | None:
    """Give (name in small letters, value) of a header line without its end; None if it is none."""
    name, colon, value = line.partition(b":")
    if not colon or _TOKEN.fullmatch(name) is None:
        return None
    return name.decode("ascii").lower(), value.strip(b" \t\r").decode("latin-1")


def parse_status_line(line: str) -> StatusLine | None:
    """Read the first line of a reply; None when it is not of a known form."""
    match = _STATUS.match(line.strip())
    if match is None:
        return None
    return StatusLine(match[1].upper(), int(match[2]), (match[3] or "").strip())


def parse_request_line(line: str) -> RequestLine | None:
    """Read ``GET /MOUNT HTTP/1.1``; None when there are not two or three words.

    A version 1 push (``SOURCE password /MOUNT``) has its own form and is not read here.
    """
    words = line.split()
    if len(words) == 2:
        return RequestLine(words[0].upper(), words[1], "")
    if len(words) == 3 and re.fullmatch(r"[A-Za-z]+/\d\.\d", words[2]):
        return RequestLine(words[0].upper(), words[1], words[2].upper())
    return None


def printable(text: str, max_chars: int = 100) -> str:
    """Make a peer's words fit for a log or a status: one line, printable ASCII, bounded."""
    shown = "".join(character if " " <= character <= "~" else " " for character in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= max_chars else shown[: max_chars - 3] + "..."
