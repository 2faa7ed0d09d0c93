"""What a body is, told by its first bytes where its type says nothing, or too little. Pure."""

from __future__ import annotations

import enum

from bdgw.ntrip.table_reader import is_table_start

__all__ = ["TEXT_BYTES", "ReplyKind", "kind_of_doubtful", "sniff"]

TEXT_BYTES = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n")


class ReplyKind(enum.Enum):
    """What an answer turned out to be."""

    STREAM = enum.auto()
    TABLE = enum.auto()
    STATUS = enum.auto()
    """A status other than 200."""
    TEXT = enum.auto()
    """A line that is no status line, or a page with status 200."""
    TLS = enum.auto()
    """Bytes of TLS."""
    TOO_LONG = enum.auto()


def sniff(body: bytes) -> ReplyKind | None:
    """Tell by what ``body`` begins with; None while it could be anything."""
    text = body.lstrip(b"\r\n\t ")
    if not text:
        return None
    if is_table_start(text):
        return ReplyKind.TABLE
    if text[:1] == b"<":
        return ReplyKind.TEXT
    return ReplyKind.STREAM if any(byte not in TEXT_BYTES for byte in text) else None


def kind_of_doubtful(body: bytes, media: str, *, is_for_table: bool) -> ReplyKind:
    """Decide where the bytes do not tell; ``media`` is the type as stated, in small letters."""
    if is_for_table and media != "text/html":
        return ReplyKind.TABLE
    if not body.strip():
        # Silence after a 200: a caster that waits for a position, unless it said it is a page.
        return ReplyKind.TEXT if media == "text/html" else ReplyKind.STREAM
    return ReplyKind.TEXT if media.startswith("text/") else ReplyKind.STREAM
