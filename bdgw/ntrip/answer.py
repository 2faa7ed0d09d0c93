"""The heads that a caster answers with, in the language of whoever asked.

Version 1 has its own status lines; version 2 is HTTP/1.1; browsers and other HTTP programs get
plain HTTP, because a status line such as ``ICY 200 OK`` is an error to them.

Sources: RTCM 10410.0 (version 1), RTCM 10410.1 (version 2), RFC 9110, RFC 9112.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta

import msgspec

__all__ = [
    "Dialect",
    "Refusal",
    "Said",
    "format_http_date",
    "page",
    "push_head",
    "refuse",
    "stream_head",
    "table",
]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Dialect(enum.StrEnum):
    """How a peer talks, and therefore how it is answered."""

    V1 = "v1"
    """``GET`` as of RTCM 10410.0."""
    SOURCE = "source"
    """``SOURCE``: a base of version 1."""
    V2 = "v2"
    """HTTP with ``Ntrip-Version: Ntrip/2.0``."""
    PLAIN = "plain"
    """HTTP without it: a browser, curl, or a base that posts."""


class Refusal(enum.Enum):
    """Why a request is not served: status and reason phrase of HTTP."""

    BAD_REQUEST = (400, "Bad Request")
    UNAUTHORISED = (401, "Unauthorized")
    FORBIDDEN = (403, "Forbidden")
    NOT_FOUND = (404, "Not Found")
    METHOD_NOT_ALLOWED = (405, "Method Not Allowed")
    CONFLICT = (409, "Conflict")
    HEAD_TOO_LARGE = (431, "Request Header Fields Too Large")
    UNAVAILABLE = (503, "Service Unavailable")

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self.value[0]

    @property
    def phrase(self) -> str:
        """The reason phrase."""
        return self.value[1]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What every head says of the caster: its name and the time."""

    server: str
    date: str


_SOURCE_ERRORS = {
    Refusal.UNAUTHORISED: b"ERROR - Bad Password\r\n",
    Refusal.FORBIDDEN: b"ERROR - Bad Password\r\n",
    Refusal.NOT_FOUND: b"ERROR - Mount Point Taken or Invalid\r\n",
    Refusal.CONFLICT: b"ERROR - Mount Point Taken or Invalid\r\n",
}
_SOURCE_ERROR = b"ERROR - Bad Request\r\n"
_NO_STORE = (
    ("Cache-Control", "no-store, no-cache, max-age=0"),
    ("Pragma", "no-cache"),
    ("Connection", "close"),
)
_PAGE_POLICY = (
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)


def format_http_date(utc_ns: int) -> str:
    """Write POSIX nanoseconds as HTTP wants a date. Source: RFC 9110, clause 5.6.7."""
    at = _EPOCH + timedelta(microseconds=utc_ns // 1000)
    day = f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d}"
    return f"{day} {at:%H:%M:%S} GMT"


def stream_head(dialect: Dialect, said: Said, *, is_chunked: bool) -> bytes:
    """Say that corrections follow."""
    if dialect is Dialect.V1:
        return b"ICY 200 OK\r\n\r\n"
    more = [("Content-Type", "gnss/data")]
    if is_chunked:
        more.append(("Transfer-Encoding", "chunked"))
    return _head(200, "OK", dialect, said, more)


def push_head(dialect: Dialect, said: Said, *, is_continue_due: bool) -> bytes:
    """Say that a base may send."""
    if dialect is Dialect.SOURCE:
        return b"OK\r\n"
    first = b"HTTP/1.1 100 Continue\r\n\r\n" if is_continue_due else b""
    # No length: the reply ends when the stream does.
    return first + _head(200, "OK", dialect, said, [])


def table(dialect: Dialect, said: Said, body: bytes, *, is_head: bool) -> bytes:
    """Give the sourcetable."""
    length = ("Content-Length", str(len(body)))
    sent = b"" if is_head else body
    if dialect is Dialect.V1:
        lines = ["SOURCETABLE 200 OK", f"Server: {said.server}", f"Date: {said.date}"]
        lines += ["Connection: close", "Content-Type: text/plain", f"Content-Length: {len(body)}"]
        return _join(lines) + sent
    kind = "gnss/sourcetable" if dialect is Dialect.V2 else "text/plain; charset=utf-8"
    return _head(200, "OK", dialect, said, [("Content-Type", kind), length]) + sent


def page(said: Said, html: bytes, *, status: int, phrase: str, is_head: bool) -> bytes:
    """Give a page to a browser."""
    more = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(html)))]
    head = _head(status, phrase, Dialect.PLAIN, said, [*more, *_PAGE_POLICY])
    return head + (b"" if is_head else html)


def refuse(
    refusal: Refusal, dialect: Dialect, said: Said, *, realm: str, text: str, is_head: bool
) -> bytes:
    """Say no, and why in ``text`` (which the peer sees)."""
    if dialect is Dialect.SOURCE:
        return _SOURCE_ERRORS.get(refusal, _SOURCE_ERROR)
    body = f"{text}\r\n".encode()
    more = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    if refusal is Refusal.UNAUTHORISED:
        more.append(("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"'))
    if refusal is Refusal.METHOD_NOT_ALLOWED:
        more.append(("Allow", "GET, HEAD, POST, SOURCE"))
    if refusal is Refusal.UNAVAILABLE:
        more.append(("Retry-After", "30"))
    head = _head(refusal.status, refusal.phrase, dialect, said, more)
    return head + (b"" if is_head else body)


def _head(
    status: int, phrase: str, dialect: Dialect, said: Said, more: list[tuple[str, str]]
) -> bytes:
    # A client of version 1 knows HTTP only as the 1.0 of error replies.
    version = "HTTP/1.0" if dialect is Dialect.V1 else "HTTP/1.1"
    lines = [f"{version} {status} {phrase}"]
    if dialect is Dialect.V2:
        lines.append("Ntrip-Version: Ntrip/2.0")
    lines += [f"Server: {said.server}", f"Date: {said.date}"]
    lines += [f"{name}: {value}" for name, value in (*_NO_STORE, *more)]
    return _join(lines)


def _join(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
