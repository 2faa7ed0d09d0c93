"""HTTP/1.1 chunked transfer coding, both ways.

Source: RFC 9112, section 7.1. Chunk borders mean nothing to what is inside: an RTCM frame may lie
across several chunks, so the body is a stream of bytes and nothing else.
"""

from __future__ import annotations

import enum

__all__ = ["LAST_CHUNK", "ChunkDecoder", "encode_chunk"]

LAST_CHUNK = b"0\r\n\r\n"
_LINE_MAX_BYTES = 256
_SIZE_MAX_DIGITS = 8
_HEX = frozenset(b"0123456789abcdefABCDEF")


class _Part(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    OVER = enum.auto()


def encode_chunk(data: bytes) -> bytes:
    """Wrap ``data`` as one chunk; nothing for no data, because a chunk of size 0 ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


class ChunkDecoder:
    """Takes the coding off, however the bytes are cut; holds at most one size line."""

    def __init__(self) -> None:
        self._part = _Part.SIZE
        self._line = bytearray()
        self._left = 0
        self.n_chunks = 0
        """Size lines read."""
        self.is_ended = False
        """The last chunk came; what follows it belongs to nobody."""
        self.fault: str | None = None
        """What was wrong with the coding; nothing is decoded after it."""
        self.unread = b""
        """Where ``fault`` is set: the bytes from the broken size line on."""

    def feed(self, data: bytes) -> bytes:
        """Give the body bytes in ``data``; empty after the end or a fault."""
        body = bytearray()
        position = 0
        while position < len(data) and self._part is not _Part.OVER:
            if self._part is _Part.DATA:
                piece = data[position : position + self._left]
                body += piece
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._part = _Part.DATA_END
            else:
                position = self._read_line(data, position)
        return bytes(body)

    def _read_line(self, data: bytes, position: int) -> int:
        before = bytes(self._line)
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end + 1
        self._line += data[position : min(stop, position + _LINE_MAX_BYTES + 1)]
        if self._is_impossible() or len(self._line) > _LINE_MAX_BYTES:
            what = "chunk size" if self._part is _Part.SIZE else "line end after a chunk"
            return self._fail(f"no {what} where one is due", before, data, position)
        if end >= 0 and not self._end_line():
            return self._fail("no chunk size where one is due", before, data, position)
        return stop

    def _is_impossible(self) -> bool:
        """Whether the line's beginning already says that it is not what must stand here."""
        line = bytes(self._line[:2])
        if self._part is _Part.DATA_END:
            return line not in (b"\r", b"\r\n", b"\n")
        return bool(line) and line[0] not in _HEX

    def _end_line(self) -> bool:
        """Read the whole line; False when it is not a size."""
        line = bytes(self._line)
        self._line.clear()
        if self._part is _Part.DATA_END:
            self._part = _Part.SIZE
            return True
        digits = line.partition(b";")[0].strip()
        if set(digits) - _HEX or not digits or len(digits.lstrip(b"0")) > _SIZE_MAX_DIGITS:
            return False
        self.n_chunks += 1
        self._left = int(digits, 16)
        self._part = _Part.DATA
        if not self._left:
            self.is_ended = True
            self._part = _Part.OVER
        return True

    def _fail(self, fault: str, before: bytes, data: bytes, position: int) -> int:
        self.unread = before + data[position:]
        self.fault = fault
        self._line.clear()
        self._part = _Part.OVER
        return len(data)
