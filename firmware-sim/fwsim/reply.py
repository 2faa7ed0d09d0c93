"""What a caster answers, in every dialect seen in the field, byte for byte.

Pure. A dialect is the form of the answer and what happens after it; the examples of the NTRIP
reference (10410.0, 10410.1 and real casters) are its tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SERVER = "NTRIP fwsim/1.0"
# A fixed date: the same scenario gives the same bytes.
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
CRLF = "\r\n"

V2 = ("Ntrip-Version: Ntrip/2.0",)
V2_FULL = (
    *V2,
    f"Server: {SERVER}",
    f"Date: {DATE}",
    "Cache-Control: no-store,no-cache,max-age=0",
    "Pragma: no-cache",
    "Connection: close",
)
STREAM_TYPE = "Content-Type: gnss/data"
CHUNKED = "Transfer-Encoding: chunked"
PAGE = (
    "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to answer a request for a stream.

    ``form`` names the answer; ``is_stream`` tells whether data follow. ``is_final`` marks an answer
    that a retry cannot change. ``dies``: the connection ends soon after the answer.
    """

    form: str
    is_stream: bool = True
    is_final: bool = False
    needs_gga: bool = False
    stops_without_gga: bool = False
    has_stray_text: bool = False
    dies: bool = False
    is_mute: bool = False


def _refusal(form: str, *, is_final: bool = True) -> Dialect:
    return Dialect(form=form, is_stream=False, is_final=is_final)


DIALECTS: Mapping[str, Dialect] = {
    # As asked: ICY for version 1, full HTTP/1.1 and chunks for version 2.
    "auto": Dialect(form="auto"),
    "icy": Dialect(form="icy"),
    # Data right behind the status line, without a blank line.
    "icy_bare": Dialect(form="icy_bare"),
    "icy_headers": Dialect(form="icy_headers"),
    "http_plain": Dialect(form="http_plain"),
    "http_chunked": Dialect(form="http_chunked"),
    # Whatever was asked, also with version 2: the answer decides.
    "icy_to_v2": Dialect(form="icy"),
    "sourcetable_v1": _refusal("sourcetable_v1"),
    "sourcetable_v2": _refusal("sourcetable_v2"),
    "sourcetable_hybrid": _refusal("sourcetable_hybrid"),
    "unauthorised_v1": _refusal("unauthorised_v1"),
    "unauthorised_v2": _refusal("unauthorised_v2"),
    "unauthorised_table": _refusal("unauthorised_table"),
    "bad_password": _refusal("bad_password"),
    "forbidden": _refusal("forbidden"),
    "not_found": _refusal("not_found"),
    "invalid_mount": _refusal("invalid_mount"),
    "taken": _refusal("taken", is_final=False),
    "already_connected": _refusal("already_connected", is_final=False),
    "unavailable": _refusal("unavailable", is_final=False),
    "html": _refusal("html", is_final=False),
    "waits_for_gga": Dialect(form="auto", needs_gga=True),
    "closes_at_once": _refusal("nothing", is_final=False),
    "stops_without_gga": Dialect(form="auto", stops_without_gga=True),
    "stray_text": Dialect(form="auto", has_stray_text=True),
    # Looks well and ends within a second: who takes the answer for a success comes back at once.
    "dies_after_accept": Dialect(form="auto", dies=True),
    # Connects and says nothing, whatever comes.
    "no_reply": Dialect(form="nothing", is_stream=False, is_mute=True),
    # Understands version 1 only: silence for version 2.
    "v1_only": Dialect(form="v1_only"),
    # Understands version 2 only: refuses version 1.
    "v2_only": Dialect(form="v2_only"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes, and whether what follows them comes in chunks."""

    data: bytes
    is_chunked: bool = False


def head(status: str, headers: Sequence[str] = ()) -> bytes:
    """Write a status line, headers and the blank line."""
    return CRLF.join((status, *headers, "", "")).encode("latin-1")


def stream_answer(form: str, version: int) -> Answer:
    """Write the answer after which data follow."""
    if form == "auto":
        form = "full" if version == 2 else "icy"
    if form == "full":
        return Answer(head("HTTP/1.1 200 OK", (*V2_FULL, STREAM_TYPE, CHUNKED)), True)
    if form == "http_chunked":
        return Answer(head("HTTP/1.1 200 OK", (*V2, STREAM_TYPE, CHUNKED)), True)
    if form == "http_plain":
        return Answer(head("HTTP/1.1 200 OK", (STREAM_TYPE, "Connection: close")))
    if form == "icy_headers":
        return Answer(head("ICY 200 OK", ("Server: x", f"Date: {DATE}")))
    if form == "icy_bare":
        return Answer(b"ICY 200 OK\r\n")
    return Answer(head("ICY 200 OK"))


def table_answer(form: str, body: bytes, *, length: int | None = None) -> bytes:
    """Write a source table; ``length`` replaces the true one, as some casters count wrongly."""
    size = len(body) if length is None else length
    if form == "sourcetable_v2":
        headers = (*V2, "Content-Type: gnss/sourcetable", f"Content-Length: {size}")
        return head("HTTP/1.1 200 OK", headers) + body
    # The first line of version 1 with the headers of version 2 exists too.
    first = V2 if form == "sourcetable_hybrid" else ()
    second = ("Server: NTRIP Caster 2.0", "Content-Type: text/plain", f"Content-Length: {size}")
    return head("SOURCETABLE 200 OK", (*first, *second)) + body


def refusal_answer(form: str, mount: str) -> bytes:
    """Write an answer without data; empty for none at all."""
    fixed = {
        "unauthorised_v1": head("HTTP/1.0 401 Unauthorized"),
        "unauthorised_v2": head(
            "HTTP/1.1 401 Unauthorized", (f'WWW-Authenticate: Basic realm="/{mount}"',)
        ),
        "unauthorised_table": head("SOURCETABLE 401 Unauthorized"),
        "bad_password": b"ERROR - Bad Password\r\n",
        "forbidden": head("HTTP/1.1 403 Forbidden", V2),
        "not_found": head("HTTP/1.1 404 Not Found", V2),
        "invalid_mount": b"ERROR - Mount Point Taken or Invalid\r\n",
        "taken": head("HTTP/1.1 409 Conflict"),
        "already_connected": b"ERROR - User already connected\r\n",
        "unavailable": head("HTTP/1.1 503 Service Unavailable"),
        "old_version": head("HTTP/1.1 400 Bad Request", V2),
        "malformed": head("HTTP/1.1 400 Bad Request", ("Connection: close",)),
        "push": head("HTTP/1.1 501 Not Implemented", V2),
        "html": page_answer("Service error"),
    }
    return fixed.get(form, b"")


def challenge_answer(realm: str, nonce: str, algorithm: str) -> bytes:
    """Ask for Digest credentials (RFC 7616 clause 3.3)."""
    cells = f'realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"'
    return head("HTTP/1.1 401 Unauthorized", (*V2, f"WWW-Authenticate: Digest {cells}"))


def page_answer(title: str) -> bytes:
    """Write a page with status 200, for a browser or in place of data."""
    body = PAGE.format(title=title).encode()
    headers = ("Content-Type: text/html; charset=utf-8", f"Content-Length: {len(body)}")
    return head("HTTP/1.1 200 OK", (*headers, "Connection: close")) + body


def chunk(data: bytes) -> bytes:
    """Write one chunk (RFC 9112 clause 7.1); no data end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(data: bytes, borders: Sequence[int]) -> bytes:
    """Write data as chunks that end at the given places; a place at either end is none."""
    parts = []
    begin = 0
    for border in (*sorted({place for place in borders if 0 < place < len(data)}), len(data)):
        if data[begin:border]:
            parts.append(chunk(data[begin:border]))
        begin = border
    return b"".join(parts)
