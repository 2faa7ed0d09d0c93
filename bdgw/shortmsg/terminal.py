"""One terminal on one connection: reads its card, keeps its interval, sends and receives.

A session by the contract of ``bdgw.wire.session``. It holds no queue: a request that cannot go
out now is refused at once with the reason and the waiting time, because what is to be sent next
is decided elsewhere, at the moment when the card allows it.

Source: RDSS digest 1, 2.3 and 7.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bdgw.shortmsg.interval import FEEDBACK_LIMIT_S, IntervalRules, SendMark
from bdgw.shortmsg.terminal_dialogue import Dialogue
from bdgw.shortmsg.terminal_event import (
    Refused,
    SessionEvent,
)
from bdgw.shortmsg.terminal_flight import Flight
from bdgw.shortmsg.terminal_health import TerminalHealth, TerminalHealthLimits, TerminalStatus
from bdgw.shortmsg.terminal_inquiry import InquiryPeriods
from bdgw.shortmsg.terminal_line import LineCounters, TerminalLine
from bdgw.shortmsg.vocabulary import Card, Family, OutgoingFrame, RefusalReason, Service

__all__ = ["TerminalSession", "TerminalSpec"]


class TerminalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a terminal is driven."""

    family: Family | None = None
    """None: it is found out, which costs nothing on air."""
    intervals: IntervalRules = IntervalRules()
    periods: InquiryPeriods = InquiryPeriods()
    limits: TerminalHealthLimits = TerminalHealthLimits()
    feedback_s: float = FEEDBACK_LIMIT_S

    def __post_init__(self) -> None:
        if not 0.0 < self.feedback_s < float("inf"):
            raise ValueError("feedback_s must be above 0")


class TerminalSession:
    """Bytes of a terminal in, events and bytes to it out; ``now`` is monotonic seconds."""

    def __init__(
        self,
        spec: TerminalSpec,
        *,
        now: float,
        marks: tuple[SendMark, ...] = (),
        first_ticket: int = 1,
    ) -> None:
        """Begin when the port is open; the first question is ready to be sent.

        Args:
            spec: what is configured.
            now: monotonic seconds.
            marks: of the time before, as events gave them; see ``SendMark`` for restarts.
            first_ticket: number of the first request of this connection.
        """
        self._events: list[SessionEvent] = []
        self._line = TerminalLine()
        self._flight = Flight(
            spec.intervals, feedback_s=spec.feedback_s, marks=marks, first_ticket=first_ticket
        )
        self._health = TerminalHealth(spec.limits, now=now)
        self._dialogue = Dialogue(
            line=self._line,
            flight=self._flight,
            health=self._health,
            periods=spec.periods,
            family=spec.family,
            tell=self._events.append,
            now=now,
        )
        self._dialogue.advance(now=now)

    # --- what is known ------------------------------------------------------------------------

    @property
    def family(self) -> Family | None:
        """What the terminal speaks; None while that is being found out."""
        return self._dialogue.family

    @property
    def card(self) -> Card | None:
        """The card in the terminal; None while none was read, or none is there."""
        return self._dialogue.card

    @property
    def subordinates(self) -> tuple[int, ...] | None:
        """指挥机: whom the card commands; None while that was not read."""
        return self._dialogue.subordinates

    @property
    def status(self) -> TerminalStatus:
        """What the terminal is doing."""
        return self._health.status

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self._health.reason

    @property
    def since_s(self) -> float:
        """When the status last changed, monotonic seconds."""
        return self._health.since_s

    @property
    def is_over(self) -> bool:
        """The port was closed; a new connection needs a new session."""
        return self._health.status is TerminalStatus.CLOSED

    @property
    def is_sending(self) -> bool:
        """A request awaits its feedback."""
        return self._flight.is_under_way

    @property
    def marks(self) -> tuple[SendMark, ...]:
        """What the intervals count from; for the session after this one."""
        return self._flight.timer.marks

    @property
    def counters(self) -> LineCounters:
        """What passed over the line."""
        return self._line.counters

    @property
    def n_stray_feedback(self) -> int:
        """Feedback that answers no request of ours."""
        return self._flight.n_stray

    # --- sending ------------------------------------------------------------------------------

    def can_send_at(
        self, now: float, *, service: Service = Service.REGIONAL, is_express: bool = False
    ) -> float | None:
        """Give when a request may be submitted, ``now`` at the earliest.

        None while no time can be told: no card, no such service on it, suppressed, deaf, not
        answering. A change of that comes as an event.
        """
        card = self._dialogue.card
        if card is None or self.family is None or self._health.blocks_sending() is not None:
            return None
        ready_s = self._flight.ready_at_s(card, service, is_express=is_express)
        if ready_s is None:
            return None
        flight_s, settle_s = self._flight.deadline(), self._dialogue.card_settles_at_s
        return max(now, ready_s, *(at_s for at_s in (flight_s, settle_s) if at_s is not None))

    def submit(self, frame: OutgoingFrame, *, now: float) -> int:
        """Request a transmission; returns its ticket, whose one outcome comes as an event.

        What cannot go out now is ``Refused`` at once, with the reason and, if known, how long to
        wait.

        Raises:
            EncodeError: the family cannot carry it, or a command that must never be sent stands
                in it; there is no ticket then, and trying again is useless.
        """
        self.tick(now=now)
        refusal = self._why_not(frame, now)
        if refusal is not None:
            self._events.append(refusal)
            return refusal.ticket
        self._dialogue.write_request(frame)
        requested = self._flight.start(frame, now=now)
        self._events.append(requested)
        self._dialogue.sending(now=now)
        return requested.ticket

    def _why_not(self, frame: OutgoingFrame, now: float) -> Refused | None:
        refuse = self._flight.refuse
        if self._flight.is_under_way:
            return refuse(frame, RefusalReason.BUSY, None, "another request awaits its feedback")
        blocked = self._health.blocks_sending()
        if blocked is not None:
            return refuse(frame, blocked, None, f"{self.status}: {self.reason}")
        card = self._dialogue.card
        settles_s = self._dialogue.card_settles_at_s
        if card is None or self.family is None or settles_s is not None:
            wait_s = None if settles_s is None else max(0.0, settles_s - now)
            return refuse(frame, RefusalReason.BUSY, wait_s, "the card is being read")
        ready_s = self._flight.ready_at_s(card, frame.service, is_express=frame.is_express)
        if ready_s is None:
            text = f"card {card.address} has no {frame.service} service"
            return refuse(frame, RefusalReason.NO_CARD, None, text)
        if now < ready_s:
            text = f"the card allows the next request in {ready_s - now:.1f} s"
            return refuse(frame, RefusalReason.TOO_EARLY, ready_s - now, text)
        return None

    # --- session ------------------------------------------------------------------------------

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes of the terminal; ``b""`` means that the port closed."""
        if self.is_over:
            return
        self._dialogue.advance(now=now)
        self._dialogue.receive(data, now=now)
        if data:
            self._dialogue.advance(now=now)

    def tick(self, *, now: float) -> None:
        """Let what is due up to ``now`` act."""
        if not self.is_over:
            self._dialogue.advance(now=now)

    def events(self) -> Iterator[SessionEvent]:
        """Drain what has happened, in order."""
        events = tuple(self._events)
        self._events.clear()
        return iter(events)

    def data_to_send(self) -> bytes:
        """Drain what goes to the terminal."""
        return self._line.data_to_send()

    def deadline(self) -> float | None:
        """When ``tick`` is due, None once the port is closed."""
        return None if self.is_over else self._dialogue.deadline()
