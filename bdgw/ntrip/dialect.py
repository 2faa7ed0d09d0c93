"""In which dialect a caster has answered, told by the form of its reply. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bdgw.ntrip.client_event import Dialect
from bdgw.ntrip.reply import ReplyKind, ReplyReader
from bdgw.ntrip.request import NtripVersion, Request

__all__ = ["read_dialect", "reply_version"]


def read_dialect(
    reader: ReplyReader, request: Request, quote: Callable[[str], str]
) -> Dialect | None:
    """Say how a request was answered, None before the first line.

    ``quote`` makes the peer's words fit to be shown.
    """
    if reader.kind is None and reader.status is None:
        return None
    return Dialect(
        version=reply_version(reader),
        status_line=quote(reader.line) if reader.is_line_whole else "",
        server=quote(reader.header("server") or ""),
        content_type=quote(reader.header("content-type") or ""),
        is_chunked=reader.is_chunked,
        quirks=(*_form_quirks(reader, request), *map(quote, reader.quirks.texts)),
    )


def reply_version(reader: ReplyReader) -> NtripVersion:
    """Which version a reply is of, whatever was asked."""
    says_v2 = "2" in (reader.header("ntrip-version") or "")
    is_http11 = reader.status is not None and reader.status.protocol == "HTTP/1.1"
    return NtripVersion.V2 if says_v2 or is_http11 else NtripVersion.V1


def _form_quirks(reader: ReplyReader, request: Request) -> tuple[str, ...]:
    status = reader.status
    if status is None:
        return ()
    found = []
    if request.version is NtripVersion.V2 and status.protocol == "ICY":
        found.append("ICY answer to a version 2 request")
    if status.protocol == "SOURCETABLE" and reader.header("ntrip-version"):
        found.append("SOURCETABLE answer with version 2 headers")
    is_text = (reader.header("content-type") or "").lower().startswith("text/")
    if status.protocol.startswith("HTTP") and reader.kind is ReplyKind.TABLE and is_text:
        found.append("table typed as text")
    return tuple(found)
