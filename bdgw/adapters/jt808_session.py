"""The terminal's side of one connection to a platform of JT/T 808. Pure.

Registers where it has no code yet, authenticates, then sends reports until they are answered:
those of now one by one, those of before the connection in batches, at a limited rate and never so
many at once that one of now must wait. ``now`` is monotonic seconds.

Source: JT/T 808-2019, clauses 4.3 and 4.4 (answers, repetition) and 6 (communication).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator

import msgspec

from bdgw.adapters import jt808_message as message
from bdgw.adapters.jt808_frame import FrameStream, Received, encode_frame
from bdgw.adapters.jt808_message import MessageId, Reply
from bdgw.adapters.jt808_queue import Report, ReportQueue
from bdgw.adapters.spec import Edition, Jt808Terminal
from bdgw.errors import DecodeError

__all__ = ["CodeIssued", "CodeRefused", "Event", "Failed", "Jt808Session", "Ready"]

_ANSWER_S = 10.0
_N_REPEATS = 2
"""A message is repeated twice; the standard multiplies the wait by 2, then by 3 (clause 4.4)."""
_WINDOW = 8
"""Reports, or batches of them, without an answer."""
_BATCH_LIMIT = 40
_BACKLOG_WINDOW = 2
"""Of these, how many may be of the backlog."""
_BACKLOG_PER_S = 100.0
"""Reports of the backlog: a day at 10 s in a minute and a half."""
_DONE = (0, 4)
_NOT_SUPPORTED = 3
_REGISTRATION_RESULTS = {
    1: "the vehicle is registered already",
    2: "the platform does not know the vehicle",
    3: "the terminal is registered already",
    4: "the platform does not know the terminal",
}


class CodeIssued(msgspec.Struct, frozen=True):
    """The platform has registered the terminal."""

    code: str


class CodeRefused(msgspec.Struct, frozen=True):
    """The code is not good any more."""


class Ready(msgspec.Struct, frozen=True):
    """The platform takes reports now."""


class Failed(msgspec.Struct, frozen=True):
    """The connection is of no use any more."""

    reason: str
    is_refusal: bool = False
    """The platform does not want this terminal: coming back at once helps nobody."""


Event = CodeIssued | CodeRefused | Ready | Failed


class _Phase(enum.Enum):
    REGISTERING = enum.auto()
    AUTHENTICATING = enum.auto()
    READY = enum.auto()
    OVER = enum.auto()


class _Pending(msgspec.Struct):
    """A message that has not been answered."""

    message_id: MessageId
    frame: bytes
    due_s: float
    wait_s: float = _ANSWER_S
    n_repeats: int = 0
    reports: tuple[int, ...] = ()
    is_backlog: bool = False


class Jt808Session:
    """Lives for one connection; the queue and the serial numbers go on."""

    def __init__(
        self,
        terminal: Jt808Terminal,
        edition: Edition,
        queue: ReportQueue,
        *,
        code: str | None,
        software: str,
        heartbeat_s: float,
        next_serial: Callable[[], int],
        now: float,
    ) -> None:
        self._terminal = terminal
        self._edition = edition
        self._queue = queue
        self._code = code
        self._software = software
        self._heartbeat_s = heartbeat_s
        self._next_serial = next_serial
        self._stream = FrameStream()
        self._pending: dict[int, _Pending] = {}
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._boundary = 0
        """The youngest report of before the connection stood."""
        self._can_batch = True
        self._next_backlog_s = now
        self._last_sent_s = now
        self.n_unsupported = 0
        """Requests of the platform that were answered with: not supported."""
        self._phase = _Phase.REGISTERING
        if code is None:
            self._ask(MessageId.REGISTER, message.encode_registration(terminal, edition), now)
        else:
            self._authenticate(code, now)

    @property
    def n_bad(self) -> int:
        """Stretches between flags that were no frames."""
        return self._stream.n_bad

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes of the platform; ``b""`` means that it has closed."""
        if not data:
            self._fail("the platform closed the connection")
        for received in self._stream.receive(data):
            if self._phase is _Phase.OVER:
                return
            try:
                self._on_message(received, now)
            except DecodeError:
                self._stream.n_bad += 1
        self._fill(now)

    def tick(self, *, now: float) -> None:
        """Repeat what is not answered, give up what never is, and keep the connection alive."""
        for pending in tuple(self._pending.values()):
            if now < pending.due_s or self._phase is _Phase.OVER:
                continue
            if pending.n_repeats == _N_REPEATS:
                self._fail(f"no answer to {pending.message_id:#06x}")
                return
            pending.n_repeats += 1
            pending.wait_s *= pending.n_repeats + 1
            pending.due_s = now + pending.wait_s
            self._send(pending.frame, now)
        if self._phase is _Phase.READY and now - self._last_sent_s >= self._heartbeat_s:
            self._ask(MessageId.HEARTBEAT, b"", now)
        self._fill(now)

    def events(self) -> Iterator[Event]:
        """Drain what has happened."""
        while self._events:
            yield self._events.pop(0)

    def data_to_send(self) -> bytes:
        """Drain what must go out."""
        out, self._out = b"".join(self._out), []
        return out

    def deadline(self) -> float | None:
        """When ``tick`` is due."""
        if self._phase is _Phase.OVER:
            return None
        due = [pending.due_s for pending in self._pending.values()]
        if self._phase is _Phase.READY:
            due.append(self._last_sent_s + self._heartbeat_s)
            if self._may_send_backlog() and self._queue.backlog(self._boundary, 1):
                due.append(self._next_backlog_s)
        return min(due, default=None)

    def flush(self, *, now: float) -> None:
        """Send what has come into the queue."""
        self._fill(now)

    # What the platform says

    def _on_message(self, received: Received, now: float) -> None:
        if not received.is_readable:
            self._refuse(received, now)
        elif received.message_id == MessageId.PLATFORM_REPLY:
            self._on_reply(message.decode_reply(received.body), now)
        elif received.message_id == MessageId.REGISTER_REPLY:
            self._on_registered(*message.decode_registration_reply(received.body), now)
        else:
            self._refuse(received, now)

    def _on_registered(self, serial: int, result: int, code: str, now: float) -> None:
        pending = self._pending.get(serial)
        if pending is None or pending.message_id is not MessageId.REGISTER:
            return
        del self._pending[serial]
        if result != 0 or not code:
            why = _REGISTRATION_RESULTS.get(result, f"result {result}, code {code!r}")
            self._fail(f"not registered: {why}", is_refusal=True)
            return
        self._events.append(CodeIssued(code))
        self._authenticate(code, now)

    def _on_reply(self, reply: Reply, now: float) -> None:
        pending = self._pending.get(reply.serial)
        if pending is None or pending.message_id != reply.message_id:
            return
        del self._pending[reply.serial]
        is_done = reply.result in _DONE
        if pending.message_id is MessageId.REGISTER:
            # Some platforms refuse a registration in this way; with 0 the code is yet to come.
            if not is_done:
                self._fail(f"not registered: result {reply.result}", is_refusal=True)
            else:
                self._pending[reply.serial] = pending
        elif pending.message_id is MessageId.AUTHENTICATE:
            self._on_authenticated(reply.result)
        elif pending.message_id is MessageId.LOCATION:
            (self._queue.ack if is_done else self._queue.reject)(pending.reports)
        elif pending.message_id is MessageId.LOCATION_BATCH:
            if is_done:
                self._queue.ack(pending.reports)
            else:
                # One bad report must not take the others with it: each is asked by itself.
                self._can_batch = False
                self._queue.release(pending.reports)
        self._fill(now)

    def _on_authenticated(self, result: int) -> None:
        if result not in _DONE:
            self._events.append(CodeRefused())
            self._fail(f"not authenticated: result {result}", is_refusal=True)
            return
        self._phase = _Phase.READY
        self._boundary = self._queue.last_id
        self._events.append(Ready())

    def _refuse(self, received: Received, now: float) -> None:
        self.n_unsupported += 1
        reply = Reply(serial=received.serial, message_id=received.message_id, result=_NOT_SUPPORTED)
        self._say(MessageId.TERMINAL_REPLY, message.encode_reply(reply), now)

    # What is said

    def _authenticate(self, code: str, now: float) -> None:
        self._phase = _Phase.AUTHENTICATING
        body = message.encode_authentication(
            code, self._terminal, self._edition, software=self._software
        )
        self._ask(MessageId.AUTHENTICATE, body, now)

    def _fill(self, now: float) -> None:
        while self._phase is _Phase.READY and self._n_in_flight() < _WINDOW:
            report = self._queue.take_live(self._boundary)
            if report is not None:
                self._ask(MessageId.LOCATION, report.body, now, (report,))
                continue
            if now < self._next_backlog_s or not self._may_send_backlog():
                return
            backlog = self._queue.backlog(self._boundary, _BATCH_LIMIT if self._can_batch else 1)
            if not backlog:
                return
            batch = backlog[: message.batch_length([each.body for each in backlog])]
            self._queue.take(batch)
            self._next_backlog_s = now + len(batch) / _BACKLOG_PER_S
            message_id, body = MessageId.LOCATION, batch[0].body
            if self._can_batch:
                message_id = MessageId.LOCATION_BATCH
                body = message.encode_batch([each.body for each in batch])
            self._ask(message_id, body, now, tuple(batch), is_backlog=True)

    def _may_send_backlog(self) -> bool:
        n_in_flight = sum(pending.is_backlog for pending in self._pending.values())
        return n_in_flight < _BACKLOG_WINDOW

    def _n_in_flight(self) -> int:
        return sum(bool(pending.reports) for pending in self._pending.values())

    def _ask(
        self,
        message_id: MessageId,
        body: bytes,
        now: float,
        reports: tuple[Report, ...] = (),
        *,
        is_backlog: bool = False,
    ) -> None:
        serial, frame = self._say(message_id, body, now)
        self._pending[serial] = _Pending(
            message_id=message_id,
            frame=frame,
            due_s=now + _ANSWER_S,
            reports=tuple(report.id for report in reports),
            is_backlog=is_backlog,
        )

    def _say(self, message_id: MessageId, body: bytes, now: float) -> tuple[int, bytes]:
        serial = self._next_serial()
        frame = encode_frame(
            message_id, body, phone=self._terminal.phone, serial=serial, edition=self._edition
        )
        self._send(frame, now)
        return serial, frame

    def _send(self, frame: bytes, now: float) -> None:
        self._out.append(frame)
        self._last_sent_s = now

    def _fail(self, reason: str, *, is_refusal: bool = False) -> None:
        if self._phase is not _Phase.OVER:
            self._phase = _Phase.OVER
            self._pending.clear()
            self._queue.release_all()
            self._events.append(Failed(reason, is_refusal=is_refusal))
