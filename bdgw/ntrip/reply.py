"""Reads what a caster answers, in whatever form, and decides by that alone what it is.

Casters answer a version 2 request with version 1 forms and the other way round, leave out the
blank line, send their table where a stream was asked for, and pages meant for people. The reader
takes bytes however they are cut; every decision hangs on the bytes, or on their staying away.
"""

from __future__ import annotations

import enum

import msgspec

from bdgw.ntrip.chunk import ChunkDecoder
from bdgw.ntrip.head import StatusLine, parse_header_line, parse_status_line
from bdgw.ntrip.sniff import TEXT_BYTES, ReplyKind, kind_of_doubtful, sniff
from bdgw.ntrip.table_reader import is_table_start

__all__ = ["ReplyKind", "ReplyReader"]

LINE_MAX_BYTES = 1024
HEAD_MAX_BYTES = 8192
_HEADERS_MAX = 64
_SNIFF_BYTES = 256
_RTCM_PREAMBLE = 0xD3
_TLS_ALERT = b"\x15\x03"
_TOKEN_BYTES = frozenset(
    b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
_STREAM_TYPES = ("gnss/data", "application/octet-stream")


class _Part(enum.Enum):
    STATUS = enum.auto()
    HEADERS = enum.auto()
    SNIFF = enum.auto()
    BODY = enum.auto()


class Quirks(msgspec.Struct, kw_only=True):
    """What was seen that the standard does not foresee, in plain words and in order."""

    texts: list[str] = []

    def note(self, text: str) -> None:
        """Remember once."""
        if text not in self.texts:
            self.texts.append(text)


def _may_become_status(line: str) -> bool:
    """Whether the beginning of a line may yet turn out to be a status line."""
    text = line.upper()
    return any(
        text.startswith(word) or word.startswith(text) for word in ("HTTP/", "ICY ", "SOURCETABLE ")
    )


class ReplyReader:
    """One reply: ``feed`` bytes, ask ``kind``, take body bytes with ``take_body``."""

    def __init__(self, *, is_for_table: bool) -> None:
        self._is_for_table = is_for_table
        self._part = _Part.STATUS
        self._buffer = bytearray()
        self._body = bytearray()
        self._n_head = 0
        self._decoder: ChunkDecoder | None = None
        self.kind: ReplyKind | None = None
        self.status: StatusLine | None = None
        self.headers: list[tuple[str, str]] = []
        self.line = ""
        """The first line, or the beginning of a page; the peer's words."""
        self.is_line_whole = False
        self.is_page = False
        """Markup, or text with status 200."""
        self.is_chunked = False
        self.quirks = Quirks()
        self.fault: str | None = None
        """The body's coding broke."""
        self.is_ended = False
        """The body's coding says that it is over."""

    @property
    def is_waiting(self) -> bool:
        """Bytes came and more are needed to decide what they are."""
        if self._part is _Part.BODY:
            return False
        return self._part is not _Part.STATUS or bool(self._buffer)

    def header(self, name: str) -> str | None:
        """The first header of that name (small letters)."""
        return next((value for key, value in self.headers if key == name), None)

    def all_headers(self, name: str) -> list[str]:
        """Every header of that name."""
        return [value for key, value in self.headers if key == name]

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        if self._part is _Part.BODY:
            self._decode(data)
            return
        if self._part is _Part.SNIFF:
            self._decode(data)
        else:
            self._buffer += data
        while self._advance():
            pass

    def may_settle(self, *, is_pause: bool) -> bool:
        """Whether what came so far can be decided upon.

        ``is_pause``: nothing more came for a while; a head may then lack its blank line, but it
        does not end in the middle of a line. Without a pause it is still coming, and too slowly.
        """
        if self._part is _Part.STATUS:
            line = bytes(self._buffer[:LINE_MAX_BYTES]).decode("latin-1")
            status = parse_status_line(line)
            if status is None:
                return not _may_become_status(line)
            return status.status != 200 or status.protocol == "ICY"
        if self._part is _Part.HEADERS:
            is_decided = self.kind is not None or self._is_refusal
            return is_decided or (is_pause and not self._buffer)
        return True

    def settle(self) -> None:
        """Decide with what there is: nothing more came for a while, or the peer closed."""
        if self._part is _Part.STATUS and self._buffer:
            line = bytes(self._buffer)
            self._buffer.clear()
            self._end_status_line(line, is_whole=False)
        if self._part is _Part.HEADERS:
            self._end_headers("no blank line after the head")
        if self._part is _Part.SNIFF:
            self._decide_sniffed(is_final=True)

    def take_body(self) -> bytes:
        """Drain the decoded body."""
        body = bytes(self._body)
        self._body.clear()
        return body

    # --- the head ------------------------------------------------------------------------------

    def _advance(self) -> bool:
        """Make one step; False when more bytes are needed, or the head is behind us."""
        match self._part:
            case _Part.STATUS:
                return self._read_status()
            case _Part.HEADERS:
                return self._read_header()
            case _Part.SNIFF:
                return self._decide_sniffed(is_final=False)
            case _Part.BODY:
                return False

    def _read_status(self) -> bool:
        buffer = self._buffer
        while buffer and buffer[0] in b"\r\n":
            del buffer[:1]
        if buffer[:1] == bytes([_RTCM_PREAMBLE]) and not self._is_for_table:
            return self._begin_without_reply()
        if buffer.startswith(_TLS_ALERT):
            return self._decide(ReplyKind.TLS)
        if buffer[:1] == b"<":
            self.is_page = True
            return self._decide(ReplyKind.TEXT)
        end = buffer.find(b"\n", 0, LINE_MAX_BYTES)
        if end < 0:
            return self._decide(ReplyKind.TOO_LONG) if len(buffer) >= LINE_MAX_BYTES else False
        line = bytes(buffer[: end + 1])
        if is_table_start(line) and not line.startswith(b"SOURCETABLE"):
            self.quirks.note("table without any head")
            return self._begin_body(ReplyKind.TABLE)
        del buffer[: end + 1]
        self._n_head += len(line)
        self._end_status_line(line, is_whole=True)
        return True

    def _begin_without_reply(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer[1] & 0xFC:
            return self._decide(ReplyKind.TEXT)
        self.quirks.note("data without any reply before it")
        return self._begin_body(ReplyKind.STREAM)

    def _end_status_line(self, line: bytes, *, is_whole: bool) -> None:
        self.line = line.decode("latin-1").strip()
        self.is_line_whole = is_whole
        self.status = parse_status_line(self.line)
        if self.status is None:
            self._decide(ReplyKind.TEXT)
            return
        self._part = _Part.HEADERS
        if self._is_icy_stream:
            # The line alone says it: a caster may now wait for a position before it says more.
            self.kind = ReplyKind.STREAM

    @property
    def _is_icy_stream(self) -> bool:
        status = self.status
        return (
            status is not None
            and (status.protocol, status.status) == ("ICY", 200)
            and not self._is_for_table
        )

    @property
    def _is_refusal(self) -> bool:
        return self.status is not None and self.status.status != 200

    def _read_header(self) -> bool:
        buffer = self._buffer
        for blank in (b"\r\n", b"\n"):
            if buffer.startswith(blank):
                del buffer[: len(blank)]
                return self._end_headers(None)
        if not buffer or buffer == b"\r":
            return False
        if buffer[0] not in _TOKEN_BYTES and buffer[0] not in b" \t":
            return self._end_headers("no blank line after the head")
        end = buffer.find(b"\n", 0, HEAD_MAX_BYTES)
        line = bytes(buffer if end < 0 else buffer[: end + 1])
        if self._is_body_already(line):
            return self._end_headers("no blank line after the head")
        if self._n_head + len(line) > HEAD_MAX_BYTES or len(self.headers) == _HEADERS_MAX:
            return self._give_up_head()
        if end < 0:
            return False
        del buffer[: end + 1]
        self._n_head += len(line)
        self._keep_header(line)
        return True

    def _is_body_already(self, line: bytes) -> bool:
        """Whether a line among the headers can only be the beginning of the body."""
        if is_table_start(line) and not line.startswith(b"SOURCETABLE"):
            return True
        if self.status is None or self.status.protocol != "ICY":
            return False
        # Binary data begins without a blank line: a name that is none, or bytes that are no text.
        name, colon, value = line.partition(b":")
        is_name = all(byte in _TOKEN_BYTES for byte in name)
        return not (is_name and (colon or not line.endswith(b"\n"))) or any(
            byte not in TEXT_BYTES for byte in value
        )

    def _keep_header(self, line: bytes) -> None:
        header = parse_header_line(line.rstrip(b"\r\n"))
        if header is None:
            self.quirks.note("a line among the headers that is none")
        else:
            self.headers.append(header)

    def _give_up_head(self) -> bool:
        if self._is_icy_stream:
            return self._end_headers("no blank line after the head")
        return self._decide(ReplyKind.TOO_LONG)

    def _end_headers(self, quirk: str | None) -> bool:
        if quirk is not None:
            self.quirks.note(quirk)
        status = self.status
        if status is None or status.status != 200:
            return self._decide(ReplyKind.STATUS)
        codings = ",".join(self.all_headers("transfer-encoding")).lower()
        if "chunked" in codings:
            self.is_chunked = True
            self._decoder = ChunkDecoder()
        if status.protocol == "ICY":
            return self._begin_body(ReplyKind.STREAM)
        if status.protocol == "SOURCETABLE":
            return self._begin_body(ReplyKind.TABLE)
        media = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if media in _STREAM_TYPES:
            return self._begin_body(ReplyKind.STREAM)
        if media == "gnss/sourcetable":
            return self._begin_body(ReplyKind.TABLE)
        self._part = _Part.SNIFF
        self._decode_buffer()
        return True

    # --- the body ------------------------------------------------------------------------------

    def _decide_sniffed(self, *, is_final: bool) -> bool:
        """Tell by its first bytes what a body is whose type says nothing, or too little."""
        body = bytes(self._body[:_SNIFF_BYTES])
        kind = sniff(body)
        is_all = is_final or len(body) == _SNIFF_BYTES or self.is_ended or self.fault is not None
        if kind is None and not is_all:
            return False
        if kind is None:
            kind = kind_of_doubtful(body, self._media, is_for_table=self._is_for_table)
        if kind is ReplyKind.STREAM:
            self.quirks.note(f"content type {self._media or 'missing'} for a stream")
        elif kind is ReplyKind.TEXT:
            line, end, _ = body.lstrip().partition(b"\n")
            self.line, self.is_line_whole = line.decode("latin-1").strip(), bool(end)
            self.is_page = True
        return self._decide(kind)

    @property
    def _media(self) -> str:
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    def _begin_body(self, kind: ReplyKind) -> bool:
        self._decide(kind)
        self._decode_buffer()
        return False

    def _decide(self, kind: ReplyKind) -> bool:
        self.kind = kind
        self._part = _Part.BODY
        return False

    def _decode_buffer(self) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        self._decode(data)

    def _decode(self, data: bytes) -> None:
        decoder = self._decoder
        if decoder is None:
            self._body += data
            return
        self._body += decoder.feed(data)
        self.is_ended = decoder.is_ended
        if decoder.fault is None:
            return
        self._decoder = None
        if decoder.n_chunks:
            self.fault = decoder.fault
        else:
            self.quirks.note("chunks announced, but the body has none")
            self.is_chunked = False
            self._body += decoder.unread
