"""One connection to a caster as a session: request out; stream, table or refusal in.

Offers what it is told to offer (version 1 or 2) and decides everything by the reply. Owns no
socket and no clock. The stream itself is not looked at: stray text between RTCM frames is for the
framer, and only time without bytes ends a stream, never its age.
"""

from __future__ import annotations

from collections.abc import Iterator

from bdgw.ntrip.authentication import Challenge, choose_digest, parse_challenges
from bdgw.ntrip.client_event import (
    END_TEXT,
    Accepted,
    Body,
    ClientEvent,
    ClientLimits,
    Dialect,
    Ended,
    EndKind,
    Refused,
    TableReceived,
)
from bdgw.ntrip.dialect import read_dialect, reply_version
from bdgw.ntrip.refusal import (
    REFUSAL_TEXT,
    RefusalKind,
    classify_status,
    classify_text,
    hide_secrets,
    quote_peer,
)
from bdgw.ntrip.reply import ReplyKind, ReplyReader
from bdgw.ntrip.request import Request, encode_request, secrets_of
from bdgw.ntrip.table_reader import TABLE_MAX_BYTES, TableReader

__all__ = [
    "Accepted",
    "Body",
    "ClientEvent",
    "ClientLimits",
    "ClientSession",
    "Dialect",
    "EndKind",
    "Ended",
    "Refused",
    "TableReceived",
]

_RETRY_AFTER_MAX_S = 86_400


class ClientSession:
    """One request and its answer."""

    def __init__(self, request: Request, *, now: float, limits: ClientLimits | None = None) -> None:
        """Begin at ``now``, when the connection stands; the request is ready to be sent."""
        self._request = request
        self._secrets = secrets_of(request)
        self._limits = limits or ClientLimits()
        self._reader = ReplyReader(is_for_table=request.mount is None)
        self._events: list[ClientEvent] = []
        self._out = bytearray(encode_request(request))
        self._table = TableReader(hide=self._without_secrets)
        self._is_accepted = False
        self._has_body = False
        self._first_at_s: float | None = None
        self._last_at_s = now
        self.is_over = False

    @property
    def is_accepted(self) -> bool:
        """A stream was granted."""
        return self._is_accepted

    @property
    def has_more(self) -> bool:
        """A long table is being read: ``tick`` is due at once, again and again."""
        return self._is_in_table and not self.is_over and self._table.has_more

    @property
    def dialect(self) -> Dialect | None:
        """How the caster answered, None before its first line."""
        return read_dialect(self._reader, self._request, self._quote)

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` means that the caster closed."""
        if self.is_over:
            return
        if not data:
            self._closed()
            return
        if self._first_at_s is None:
            self._first_at_s = now
        self._last_at_s = now
        self._reader.feed(data)
        self._look()

    def tick(self, *, now: float) -> None:
        """Let the waiting times up to ``now`` act."""
        due_s = self.deadline()
        if due_s is None or now < due_s:
            return
        if self._first_at_s is None:
            self._end(EndKind.NO_REPLY)
        elif self._reader.is_waiting:
            is_pause = now >= self._last_at_s + self._limits.settle_s
            self._settle(is_possible=self._reader.may_settle(is_pause=is_pause))
        elif self.has_more:
            self._read_table()
        elif self._is_in_table:
            self._close_table()
        else:
            self._end(EndKind.IDLE)

    def events(self) -> Iterator[ClientEvent]:
        """Drain what has happened."""
        events, self._events = self._events, []
        return iter(events)

    def data_to_send(self) -> bytes:
        """Drain what must go out; it holds the account, so never show it."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def send_position(self, line: bytes) -> bool:
        """Queue a GGA line (with its line end); False while no stream is granted."""
        if not self._is_accepted or self.is_over:
            return False
        self._out += line
        return True

    def deadline(self) -> float | None:
        """When ``tick`` is due, None once the session is over."""
        limits = self._limits
        if self.is_over:
            return None
        if self._first_at_s is None:
            return self._last_at_s + limits.reply_s
        if self._reader.is_waiting:
            head_due_s = self._first_at_s + limits.head_s
            if not self._reader.may_settle(is_pause=True):
                return head_due_s
            return min(self._last_at_s + limits.settle_s, head_due_s)
        if self.has_more:
            return self._last_at_s
        if self._is_in_table:
            wait_s = limits.settle_s if self._is_length_reached() else limits.table_s
            return self._last_at_s + wait_s
        return self._last_at_s + limits.idle_s

    # --- what the reader found ---------------------------------------------------------------

    @property
    def _is_in_table(self) -> bool:
        return self._reader.kind is ReplyKind.TABLE

    def _look(self) -> None:
        """Turn what the reader knows by now into events."""
        match self._reader.kind:
            case ReplyKind.STREAM:
                self._stream()
            case ReplyKind.TABLE:
                self._collect_table()
            case None:
                pass
            case kind:
                self._refuse_answer(kind)

    def _stream(self) -> None:
        reader = self._reader
        if self._request.mount is None:
            self._refuse(RefusalKind.NOT_A_CASTER, "a stream came where the table was asked for")
            return
        if not self._is_accepted:
            self._is_accepted = True
            self._events.append(Accepted(version=reply_version(reader)))
        body = reader.take_body()
        if body:
            self._has_body = True
            self._events.append(Body(body))
        if reader.fault is not None:
            self._end(EndKind.BAD_CODING)
        elif reader.is_ended:
            self._end(EndKind.CLOSED if self._has_body else EndKind.CLOSED_EMPTY)

    def _refuse_answer(self, kind: ReplyKind) -> None:
        reader = self._reader
        has_account = self._request.account is not None
        if kind is ReplyKind.TLS:
            self._refuse(RefusalKind.WANTS_TLS)
        elif kind is ReplyKind.STATUS and reader.status is not None:
            self._refuse_status()
        elif kind is ReplyKind.TEXT and not reader.is_page:
            self._refuse(classify_text(reader.line, has_account=has_account))
        elif kind is ReplyKind.TEXT:
            found = classify_text(reader.line, has_account=has_account)
            is_told = found is not RefusalKind.UNREADABLE and reader.line[:1] != "<"
            self._refuse(found if is_told else RefusalKind.NOT_A_CASTER)
        else:
            self._refuse(RefusalKind.UNREADABLE)

    def _refuse_status(self) -> None:
        status = self._reader.status
        if status is None:
            return
        account = self._request.account
        kind = classify_status(status, has_account=account is not None)
        challenge = None
        if kind is RefusalKind.BAD_ACCOUNT:
            offered = parse_challenges(self._reader.all_headers("www-authenticate"))
            challenge = choose_digest(offered)
            has_basic = any(each.scheme == "basic" for each in offered)
            # A nonce that was good once may have grown old; a fresh one that fails is the account.
            digest = self._request.digest
            is_failed = digest is not None and digest.count == 1
            if challenge is not None and (challenge.is_stale or not (is_failed or has_basic)):
                kind = RefusalKind.NEEDS_DIGEST
            else:
                challenge = None
        self._refuse(kind, challenge=challenge, retry_after_s=self._retry_after_s())

    def _retry_after_s(self) -> float | None:
        """Retry-After in seconds; its form with a date would need a clock and is left out."""
        text = (self._reader.header("retry-after") or "").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 8):
            return None
        return float(min(int(text), _RETRY_AFTER_MAX_S))

    # --- the table ---------------------------------------------------------------------------

    def _collect_table(self) -> None:
        reader, table = self._reader, self._table
        table.feed(reader.take_body())
        if reader.is_ended or reader.fault is not None or table.n_bytes > TABLE_MAX_BYTES:
            table.close()
        self._read_table()

    def _close_table(self) -> None:
        """Nothing more of the table comes."""
        self._table.close()
        self._read_table()

    def _read_table(self) -> None:
        """Do one step of reading, and end when it was the last."""
        table = self._table
        if table.has_more:
            table.step()
        if table.is_complete or (table.is_closed and not table.has_more):
            self._end_table()

    def _without_secrets(self, data: bytes) -> bytes:
        return hide_secrets(data, self._secrets)

    def _is_length_reached(self) -> bool:
        text = (self._reader.header("content-length") or "").strip()
        is_number = text.isascii() and text.isdigit() and len(text) < 12
        return is_number and self._table.n_bytes >= int(text)

    def _end_table(self) -> None:
        is_cut, table = self._table.is_cut, self._table.table()
        mount = self._request.mount
        n_records = len(table.streams) + len(table.casters) + len(table.networks)
        if not n_records and not table.is_complete:
            self._refuse(RefusalKind.NOT_A_CASTER)
            return
        self._events.append(TableReceived(table=table, is_cut=is_cut))
        if mount is None:
            self.is_over = True
        elif any(stream.mount == mount for stream in table.streams):
            self._refuse(RefusalKind.NO_DATA)
        else:
            near = table.find(mount)
            hint = "" if near is None else f"; there is {quote_peer(near.mount, self._secrets)}"
            n_mounts = len(table.streams)
            text = f"{REFUSAL_TEXT[RefusalKind.NO_SUCH_MOUNT]} among the caster's {n_mounts}{hint}"
            self._refuse(RefusalKind.NO_SUCH_MOUNT, text)

    # --- the end -----------------------------------------------------------------------------

    def _settle(self, *, is_possible: bool) -> None:
        if is_possible:
            self._reader.settle()
            self._look()
        if self._reader.kind is None and not self.is_over:
            self._end(EndKind.UNFINISHED)

    def _closed(self) -> None:
        if self._reader.is_waiting:
            self._settle(is_possible=self._reader.may_settle(is_pause=False))
        if self.is_over:
            return
        if self._is_in_table:
            self._close_table()
        elif not self._is_accepted:
            self._end(EndKind.CLOSED_UNANSWERED)
        else:
            self._end(EndKind.CLOSED if self._has_body else EndKind.CLOSED_EMPTY)

    def _end(self, kind: EndKind) -> None:
        self.is_over = True
        text = END_TEXT[kind].format(idle_s=self._limits.idle_s, fault=self._reader.fault)
        self._events.append(Ended(kind=kind, text=text))

    def _refuse(
        self,
        kind: RefusalKind,
        text: str | None = None,
        *,
        challenge: Challenge | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.is_over = True
        reader = self._reader
        text = text or REFUSAL_TEXT[kind]
        status = None if reader.status is None else reader.status.status
        is_telling = reader.is_line_whole and not reader.is_page and status != 200
        said = self._quote(reader.line) if is_telling else ""
        self._events.append(
            Refused(
                kind=kind,
                status=status,
                text=f'{text}; it said "{said}"' if said else text,
                challenge=challenge,
                retry_after_s=retry_after_s,
            )
        )

    def _quote(self, text: str) -> str:
        return quote_peer(text, self._secrets)
