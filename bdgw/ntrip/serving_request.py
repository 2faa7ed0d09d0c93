"""What a peer asks of a caster, read from the head of its request.

Tolerant where deployed software is careless (blanks in ``SOURCE``, a version behind it, an
absolute target), strict about anything that says how long a body is.
"""

from __future__ import annotations

import enum
import re

import msgspec

from bdgw.ntrip.account import Account
from bdgw.ntrip.address import read_mount_path
from bdgw.ntrip.answer import Dialect, Refusal
from bdgw.ntrip.authentication import read_basic
from bdgw.ntrip.head import Head, RequestLine, parse_request_line, printable
from bdgw.ntrip.uplink import ClientPosition, read_gga

__all__ = ["Request", "Unreadable", "Want", "read_request"]

_BROWSERS = ("mozilla/", "curl/", "wget/", "opera/")
_SOURCE_VERSION = re.compile(r"\s+(?:HTTP|NTRIP)/\d\.\d\s*\Z", re.I)
_LENGTH = re.compile(r"[0-9]{1,15}").fullmatch
_NO_MOUNT = "\ufffd"
"""A target that names no mount; no mount has this name."""


class Want(enum.StrEnum):
    """What a request is for."""

    TABLE = "table"
    STREAM = "stream"
    PUSH = "push"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request, understood. ``mount`` is empty for the table."""

    want: Want
    dialect: Dialect
    mount: str = ""
    account: Account | None = None
    """None where the peer names none, or in a way that cannot be read."""
    agent: str = ""
    """What the peer calls itself, fit to be shown."""
    is_html: bool = False
    """A person is looking: a page says more than a table."""
    is_head: bool = False
    is_http_1_0: bool = False
    """Chunks are not understood."""
    position: ClientPosition | None = None
    """From Ntrip-GGA."""
    is_body_chunked: bool = False
    body_bytes: int | None = None
    """How long a pushed body is; None is until the connection ends."""
    is_continue_due: bool = False
    """The base waits for 100 before it sends."""


class Unreadable(msgspec.Struct, frozen=True):
    """A head that is no request, and what to answer."""

    refusal: Refusal
    text: str


def read_request(head: Head) -> Request | Unreadable:
    """Understand the head of a request; never raises."""
    if head.start[:6].upper() == "SOURCE" and head.start[6:7].isspace():
        return _read_source(head)
    line = parse_request_line(head.start)
    if line is None or not (line.version == "" or line.version.startswith("HTTP/1.")):
        return Unreadable(Refusal.BAD_REQUEST, "the request line cannot be read")
    if line.method in ("GET", "HEAD"):
        return _read_get(line, head)
    if line.method == "POST":
        return _read_post(line, head)
    return Unreadable(Refusal.METHOD_NOT_ALLOWED, "only GET, HEAD, POST and SOURCE are known")


def _read_post(line: RequestLine, head: Head) -> Request | Unreadable:
    codings = [part for value in head.all("transfer-encoding") for part in value.split(",")]
    length = head.get("content-length")
    # Source: RFC 9112, clause 6.3: both at once is how requests are smuggled.
    if codings and (
        length is not None or [part.strip().lower() for part in codings] != ["chunked"]
    ):
        text = "a body is chunked, or has a length, or neither"
        return Unreadable(Refusal.BAD_REQUEST, text)
    if length is not None and not _LENGTH(length):
        return Unreadable(Refusal.BAD_REQUEST, "Content-Length is no number")
    return Request(
        want=Want.PUSH,
        dialect=_dialect_of_push(head),
        mount=_mount_of(line.target) or _NO_MOUNT,
        account=_account_of(head),
        agent=printable(head.get("user-agent") or ""),
        is_body_chunked=bool(codings),
        body_bytes=None if length is None else int(length),
        is_continue_due=head.has_token("expect", "100-continue"),
    )


def _read_get(line: RequestLine, head: Head) -> Request:
    mount = _mount_of(line.target)
    dialect = _dialect_of(head)
    gga = head.get("ntrip-gga")
    accept = head.get("accept") or ""
    return Request(
        want=Want.TABLE if mount is None else Want.STREAM,
        # HEAD is of HTTP, so whoever says it wants HTTP back.
        dialect=Dialect.PLAIN if line.method == "HEAD" and dialect is Dialect.V1 else dialect,
        mount=mount or "",
        account=_account_of(head),
        agent=printable(head.get("user-agent") or ""),
        is_html=dialect is Dialect.PLAIN and "text/html" in accept.lower(),
        is_head=line.method == "HEAD",
        is_http_1_0=line.version != "HTTP/1.1",
        position=None if gga is None else read_gga(gga.encode("latin-1")),
    )


def _read_source(head: Head) -> Request:
    """Read ``SOURCE password /MOUNT``: blanks and an HTTP version in it are what some send."""
    *password, mount = _SOURCE_VERSION.sub("", head.start[6:]).split() or [""]
    try:
        account = Account("", " ".join(password))
    except ValueError:
        account = None
    return Request(
        want=Want.PUSH,
        dialect=Dialect.SOURCE,
        mount=_mount_of(mount) or _NO_MOUNT,
        account=account,
        agent=printable(head.get("source-agent") or head.get("user-agent") or ""),
    )


def _mount_of(target: str) -> str | None:
    try:
        return read_mount_path(target)
    except ValueError:
        return _NO_MOUNT


def _account_of(head: Head) -> Account | None:
    value = head.get("authorization")
    return None if value is None else read_basic(value)


def _dialect_of(head: Head) -> Dialect:
    """Tell how the peer talks, by what it says of itself and never by the HTTP version."""
    if "ntrip/2" in (head.get("ntrip-version") or "").lower():
        return Dialect.V2
    agent = (head.get("user-agent") or "").strip().lower()
    if agent.startswith("ntrip"):
        return Dialect.V1
    is_browser = agent.startswith(_BROWSERS) or "text/html" in (head.get("accept") or "").lower()
    return Dialect.PLAIN if is_browser else Dialect.V1


def _dialect_of_push(head: Head) -> Dialect:
    # POST is HTTP, whoever says it.
    return Dialect.V2 if _dialect_of(head) is Dialect.V2 else Dialect.PLAIN
