"""What a connection to a caster comes to, as values: events, limits, ways to end."""

from __future__ import annotations

import enum

import msgspec

from bdgw.ntrip.authentication import Challenge
from bdgw.ntrip.refusal import RefusalKind
from bdgw.ntrip.request import NtripVersion
from bdgw.ntrip.sourcetable import Sourcetable

__all__ = [
    "END_TEXT",
    "Accepted",
    "Body",
    "ClientEvent",
    "ClientLimits",
    "Dialect",
    "EndKind",
    "Ended",
    "Refused",
    "TableReceived",
]


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session waits; seconds."""

    reply_s: float = 10.0
    """For the first byte of a reply."""
    settle_s: float = 3.0
    """For the rest of a head that lacks its blank line, of a line without end, of a page."""
    idle_s: float = 30.0
    """For the next byte of a stream."""
    table_s: float = 10.0
    """For the next byte of a table without an end."""
    head_s: float = 30.0
    """For a whole head, from its first byte."""

    def __post_init__(self) -> None:
        if min(self.reply_s, self.settle_s, self.idle_s, self.table_s, self.head_s) <= 0.0:
            raise ValueError("every limit of an NTRIP client is above 0 s")


class EndKind(enum.StrEnum):
    """Why a connection is over that was not refused."""

    NO_REPLY = "no_reply"
    """Not a byte came back."""
    CLOSED_UNANSWERED = "closed_unanswered"
    """Closed before the first byte."""
    CLOSED_EMPTY = "closed_empty"
    """Accepted, then closed before any data."""
    CLOSED = "closed"
    IDLE = "idle"
    UNFINISHED = "unfinished_reply"
    """The reply broke off, or came too slowly, in the middle of its head."""
    BAD_CODING = "bad_coding"
    """The chunks of the body cannot be told apart any more."""

    @property
    def is_without_reply(self) -> bool:
        """Whether nothing is known of what the caster speaks."""
        return self in (EndKind.NO_REPLY, EndKind.CLOSED_UNANSWERED)


END_TEXT = {
    EndKind.NO_REPLY: "no answer to the request (a port that speaks TLS, or not a caster?)",
    EndKind.CLOSED_UNANSWERED: "closed without an answer (banned for asking too often?)",
    EndKind.CLOSED_EMPTY: "accepted, then closed without data (banned, account in use elsewhere?)",
    EndKind.CLOSED: "the caster closed the connection",
    EndKind.IDLE: "nothing came for {idle_s:g} s",
    EndKind.UNFINISHED: "the caster's answer broke off in its head",
    EndKind.BAD_CODING: "the caster's chunked coding is broken: {fault}",
}


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a caster answered; texts are printable and without our secret."""

    version: NtripVersion
    """Of the reply: what was asked in may differ."""
    status_line: str = ""
    server: str = ""
    content_type: str = ""
    is_chunked: bool = False
    quirks: tuple[str, ...] = ()


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A stream was granted; data may follow, or wait for a position."""

    version: NtripVersion


class Body(msgspec.Struct, frozen=True):
    """Bytes of the stream, with every transfer coding taken off."""

    data: bytes


class TableReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The caster's table, asked for or sent instead of a stream."""

    table: Sourcetable
    is_cut: bool
    """Longer than is kept."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Not granted; the connection is over."""

    kind: RefusalKind
    status: int | None
    text: str
    challenge: Challenge | None = None
    """The Digest challenge to answer, where the caster asked for one."""
    retry_after_s: float | None = None


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The connection is over without a refusal."""

    kind: EndKind
    text: str


ClientEvent = Accepted | Body | TableReceived | Refused | Ended
