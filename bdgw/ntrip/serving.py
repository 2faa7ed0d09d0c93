"""The caster's side of one connection: a request in, an answer out, then a stream either way.

A session (``bdgw.wire.session``): it owns no socket and decides nobody's rights. It says what is
asked (``Asked``), and its owner answers with one of ``accept_stream``, ``accept_push``,
``send_table``, ``send_page`` and ``refuse``. Corrections to a client do not pass through here:
the owner writes them itself, in chunks where ``is_chunked`` says so.

Sources: RTCM 10410.0 and 10410.1; RFC 9112 for HTTP.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

import msgspec

from bdgw.ntrip import answer
from bdgw.ntrip.answer import Dialect, Refusal, Said
from bdgw.ntrip.chunk import LAST_CHUNK, ChunkDecoder
from bdgw.ntrip.head import Head, HeadReader, printable
from bdgw.ntrip.serving_request import Request, Unreadable, Want, read_request
from bdgw.ntrip.uplink import Budget, ClientPosition, Uplink

__all__ = [
    "Asked",
    "Ended",
    "Event",
    "Moved",
    "Pushed",
    "ServingLimits",
    "ServingSession",
]

_HELD_MAX_BYTES = 65_536
_TLS_HANDSHAKE = 0x16


class Asked(msgspec.Struct, frozen=True):
    """The request is whole; nothing goes on until it is answered."""

    request: Request


class Moved(msgspec.Struct, frozen=True):
    """The client has said where it is."""

    position: ClientPosition


class Pushed(msgspec.Struct, frozen=True):
    """Bytes of a base, without their transfer coding."""

    data: bytes


class Ended(msgspec.Struct, frozen=True):
    """Nothing more will come of this connection: send what is to be sent, and close."""

    reason: str


Event = Asked | Moved | Pushed | Ended


class ServingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds, rates in bytes a second on average."""

    head_s: float = 10.0
    pusher_silence_s: float = 60.0
    uplink_bytes_per_s: float = 2_048.0
    push_bytes_per_s: float = 262_144.0


class _State(enum.Enum):
    HEAD = enum.auto()
    ASKED = enum.auto()
    STREAMING = enum.auto()
    PUSHING = enum.auto()
    OVER = enum.auto()


class ServingSession:
    """One connection to a caster; ``http_date`` gives the time as HTTP writes it."""

    def __init__(
        self,
        *,
        server: str,
        http_date: Callable[[], str],
        now: float,
        limits: ServingLimits | None = None,
    ) -> None:
        self._server = server
        self._http_date = http_date
        self._limits = limits or ServingLimits()
        self._state = _State.HEAD
        self._reader = HeadReader()
        self._is_begun = False
        self._request: Request | None = None
        self._events: list[Event] = []
        self._out = bytearray()
        self._held = b""
        self._due_s: float | None = now + self._limits.head_s
        self._uplink = Uplink()
        self._budget = Budget(self._limits.uplink_bytes_per_s, now=now)
        self._chunks: ChunkDecoder | None = None
        self._body_left: int | None = None
        self.is_chunked = False
        """What is written to this client must be chunked."""

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes from the peer; ``b""`` means that the peer closed."""
        if self._state is _State.OVER:
            return
        if not data:
            self._end("the peer closed")
        elif self._state is _State.HEAD:
            self._receive_head(data)
        elif self._state is _State.ASKED:
            self._hold(data)
        elif self._state is _State.STREAMING:
            self._receive_uplink(data, now)
        else:
            self._receive_push(data, now)

    def tick(self, *, now: float) -> None:
        """End what has taken too long."""
        if self._due_s is None or now < self._due_s:
            return
        if self._state is _State.HEAD:
            self._end(f"no whole request within {self._limits.head_s:g} s")
        elif self._state is _State.PUSHING:
            self._end(f"the base has sent nothing for {self._limits.pusher_silence_s:g} s")

    def events(self) -> Iterator[Event]:
        """Drain what has happened since the last call."""
        events, self._events = self._events, []
        return iter(events)

    def data_to_send(self) -> bytes:
        """Drain the bytes that must go to the peer."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def deadline(self) -> float | None:
        """When ``tick`` is due next, or None while nothing is waited for."""
        return self._due_s

    @property
    def is_waiting_for_answer(self) -> bool:
        """A request stands and has not been answered: read no more from the peer."""
        return self._state is _State.ASKED

    def accept_stream(self, *, now: float) -> None:
        """Serve the stream that was asked for."""
        request = self._answered(Want.STREAM)
        if request is None:
            return
        is_old = request.dialect is Dialect.V1 or request.is_http_1_0
        self.is_chunked = not is_old and not request.is_head
        self._out += answer.stream_head(request.dialect, self._said(), is_chunked=not is_old)
        if request.is_head:
            self._end("served")
            return
        self._state = _State.STREAMING
        held, self._held = self._held, b""
        if held:
            self._receive_uplink(held, now)

    def accept_push(self, *, now: float) -> None:
        """Let the base send."""
        request = self._answered(Want.PUSH)
        if request is None:
            return
        self._out += answer.push_head(
            request.dialect, self._said(), is_continue_due=request.is_continue_due
        )
        self._state = _State.PUSHING
        self._chunks = ChunkDecoder() if request.is_body_chunked else None
        self._body_left = request.body_bytes
        self._budget = Budget(self._limits.push_bytes_per_s, now=now)
        self._due_s = now + self._limits.pusher_silence_s
        held, self._held = self._held, b""
        if held:
            self._receive_push(held, now)

    def send_table(self, body: bytes) -> None:
        """Answer with the sourcetable: also what version 1 says of an unknown mount."""
        if self._request is not None and self._state is _State.ASKED:
            request = self._request
            self._out += answer.table(request.dialect, self._said(), body, is_head=request.is_head)
            self._end("served the table")

    def send_page(self, html: bytes, *, refusal: Refusal | None = None) -> None:
        """Answer a browser; ``refusal`` gives the status where it is not 200."""
        if self._request is not None and self._state is _State.ASKED:
            status, phrase = (200, "OK") if refusal is None else refusal.value
            is_head = self._request.is_head
            self._out += answer.page(
                self._said(), html, status=status, phrase=phrase, is_head=is_head
            )
            self._end("served the page")

    def refuse(self, refusal: Refusal, text: str) -> None:
        """Answer no; ``text`` is for the peer to see."""
        if self._state is _State.ASKED:
            self._refuse(refusal, text)

    def stream_end(self) -> bytes:
        """What ends the stream to this client in good order."""
        return LAST_CHUNK if self._state is _State.STREAMING and self.is_chunked else b""

    def _answered(self, want: Want) -> Request | None:
        request = self._request
        if self._state is not _State.ASKED or request is None:
            return None
        if request.want is not want:
            raise ValueError(f"a {request.want} was asked for, not a {want}")
        return request

    def _said(self) -> Said:
        return Said(server=self._server, date=self._http_date())

    def _end(self, reason: str) -> None:
        self._state = _State.OVER
        self._due_s = None
        self._held = b""
        self._events.append(Ended(reason))

    def _refuse(self, refusal: Refusal, text: str) -> None:
        request = self._request
        dialect = Dialect.PLAIN if request is None else request.dialect
        self._out += answer.refuse(
            refusal,
            dialect,
            self._said(),
            realm="" if request is None else f"/{printable(request.mount)}".replace('"', ""),
            text=text,
            is_head=request is not None and request.is_head,
        )
        self._end(f"refused: {refusal.status} {text}")

    def _receive_head(self, data: bytes) -> None:
        if not self._is_begun:
            data = data.lstrip(b"\r\n")  # RFC 9112, clause 2.2: empty lines before a request
            if data[:1] and not data[:1].isalpha():
                is_tls = data[0] == _TLS_HANDSHAKE
                self._refuse(
                    Refusal.BAD_REQUEST,
                    "TLS on a port without TLS" if is_tls else "this is no request",
                )
                return
        if not data:
            return
        self._is_begun = True
        head = self._reader.feed(data)
        if self._reader.fault is not None:
            self._refuse(Refusal.HEAD_TOO_LARGE, self._reader.fault)
        elif head is not None:
            self._due_s = None
            self._read_request(head)
            if self._state is _State.ASKED and self._reader.rest:
                self._hold(self._reader.rest)

    def _hold(self, data: bytes) -> None:
        if len(self._held) + len(data) > _HELD_MAX_BYTES:
            self._refuse(Refusal.BAD_REQUEST, "too much was sent before the answer")
        else:
            self._held += data

    def _read_request(self, head: Head) -> None:
        request = read_request(head)
        if isinstance(request, Unreadable):
            self._refuse(request.refusal, request.text)
            return
        self._request = request
        self._state = _State.ASKED
        self._events.append(Asked(request))

    def _receive_uplink(self, data: bytes, now: float) -> None:
        if not self._budget.take(len(data), now):
            self._end("the client sends more than positions")
            return
        position = self._uplink.feed(data)
        if position is not None:
            self._events.append(Moved(position))

    def _receive_push(self, data: bytes, now: float) -> None:
        if not self._budget.take(len(data), now):
            rate = self._limits.push_bytes_per_s
            self._end(f"the base sends more than {rate:g} bytes a second")
            return
        self._due_s = now + self._limits.pusher_silence_s
        body = self._body_of(data)
        if body:
            self._events.append(Pushed(body))
        if self._chunks is not None and self._chunks.fault is not None:
            self._end(f"the base's chunks cannot be read: {self._chunks.fault}")
        elif self._body_left == 0 or (self._chunks is not None and self._chunks.is_ended):
            self._end("the base has ended its stream")

    def _body_of(self, data: bytes) -> bytes:
        if self._chunks is not None:
            return self._chunks.feed(data)
        if self._body_left is not None:
            data = data[: self._body_left]
            self._body_left -= len(data)
        return data
