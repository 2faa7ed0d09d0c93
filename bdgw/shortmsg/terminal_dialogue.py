"""What is said between host and terminal: questions out, answers in, and what follows from them.

A terminal that restarts loses what it was told and the request that it had; it is noticed from a
banner, from a card that nobody asked for, or from free text in the place of a feedback.
"""

from __future__ import annotations

from collections.abc import Callable

from bdgw.errors import EncodeError
from bdgw.shortmsg.terminal_asker import Asker
from bdgw.shortmsg.terminal_card import CardReader
from bdgw.shortmsg.terminal_event import (
    CardChanged,
    Rebooted,
    SentElsewhere,
    SessionEvent,
    StatusChanged,
)
from bdgw.shortmsg.terminal_flight import Flight
from bdgw.shortmsg.terminal_health import TerminalHealth, TerminalStatus
from bdgw.shortmsg.terminal_inquiry import InquiryPeriods, Question
from bdgw.shortmsg.terminal_line import FreeText, LineEvent, SubordinatePage, TerminalLine
from bdgw.shortmsg.terminal_restart import RestartWatch
from bdgw.shortmsg.vocabulary import (
    Accepted,
    Card,
    CardRead,
    Family,
    NoCard,
    OutgoingFrame,
    RefusalReason,
    Refused,
    SelfCheckSeen,
    SignalSeen,
    VersionSeen,
)

__all__ = ["Dialogue"]

_SETTLE_S = 1.0
_BOOT_S = 2.0
"""Ready 1 s after power-up at the earliest (RDSS digest 6)."""
_CARD_COMMANDS = ("ICJC", "ICA", "ICR", "SIM")


class Dialogue:
    """Everything on a connection except the decision to send."""

    def __init__(
        self,
        *,
        line: TerminalLine,
        flight: Flight,
        health: TerminalHealth,
        periods: InquiryPeriods,
        family: Family | None,
        tell: Callable[[SessionEvent], None],
        now: float,
    ) -> None:
        """``tell`` takes the events, in order."""
        self._line = line
        self._flight = flight
        self._health = health
        self._periods = periods
        self._tell = tell
        self._card = CardReader(settle_s=_SETTLE_S)
        self._is_told_no_card = False
        self._has_version = False
        self._restart = RestartWatch()
        self._asker = Asker(
            line=line,
            health=health,
            restart=self._restart,
            periods=periods,
            family=family,
            tell=tell,
            note=self._note,
            now=now,
        )

    # --- what is known ------------------------------------------------------------------------

    @property
    def family(self) -> Family | None:
        """What the terminal speaks; None while that was never found out."""
        return self._asker.family

    @property
    def card(self) -> Card | None:
        """The card that is believed in."""
        return self._card.current

    @property
    def card_settles_at_s(self) -> float | None:
        """When an answer that may change the card will be believed."""
        return self._card.deadline() if self._card.is_in_doubt else None

    @property
    def subordinates(self) -> tuple[int, ...] | None:
        """The whole list, None while it was not read."""
        return self._asker.subordinates

    # --- what the session calls ---------------------------------------------------------------

    def write_request(self, frame: OutgoingFrame) -> None:
        """Write the request for a transmission.

        Raises:
            EncodeError: it cannot be written, or must not be.
        """
        codec = self._line.codec
        if codec is None:
            raise EncodeError("the family of the terminal is not known")
        if not self._line.write(codec.send(frame)):
            raise EncodeError("a command that must never be sent stands in the message")

    def sending(self, *, now: float) -> None:
        """A request has been written: nothing is asked until its feedback."""
        self._asker.inquiry.interrupt(now=now)
        self._restart.sending()

    def receive(self, data: bytes, *, now: float) -> None:
        """Take bytes; ``b""`` means that the port closed."""
        self._health.bytes_seen(len(data))
        if data and self._health.status is TerminalStatus.DEAD:
            self._asker.hurry(now)
        self._line.receive(data, now=now)
        self._take(now)
        if not data:
            self._lose_flight("the port closed before any feedback", now)
            self._note(self._health.closed(now, "the port closed"))

    def advance(self, *, now: float) -> None:
        """Let what is due up to ``now`` act, then ask what is to be asked."""
        self._line.tick(now=now)
        self._take(now)
        settled = self._card.settle(now=now)
        if settled is not None:
            self._card_settled(*settled, now)
        flight_due_s = self._flight.deadline()
        if flight_due_s is not None and now >= flight_due_s:
            self._feedback_lost(now)
        self._note(self._health.tick(now))
        if not self._flight.is_under_way:
            self._asker.advance(now=now)

    def deadline(self) -> float | None:
        """When ``advance`` is due."""
        times_s = [
            self._line.deadline(),
            self._card.deadline(),
            self._flight.deadline(),
            self._health.deadline(),
        ]
        if not self._flight.is_under_way:
            times_s.append(self._asker.deadline())
        return min((at_s for at_s in times_s if at_s is not None), default=None)

    # --- answers ------------------------------------------------------------------------------

    def _take(self, now: float) -> None:
        for event in self._line.found():
            if not isinstance(event, FreeText):
                self._health.frame_decoded()
                self._asker.heard(now)
            self._hear(event, now)

    def _hear(self, event: LineEvent, now: float) -> None:
        match event:
            case FreeText(text=text):
                self._free_text(text, now)
            case CardRead(card=card):
                self._card_shown(card, now)
            case NoCard():
                self._no_card_shown(now)
            case Accepted():
                self._accepted(event, now)
            case Refused():
                self._refused(event, now)
            case SubordinatePage(addresses=addresses):
                self._asker.page_seen(addresses, now)
            case _:
                self._report(event, now)
                self._tell(event)

    def _free_text(self, text: str, now: float) -> None:
        why = self._restart.printed(text, now, is_sending=self._flight.is_under_way)
        self._restarted(why, now)

    def _card_shown(self, card: Card, now: float) -> None:
        is_missing = self._flight.misses_feedback(now)
        why = self._restart.card_shown(now, is_feedback_missing=is_missing)
        self._restarted(why, now)
        self._asker.inquiry.answered(Question.CARD, now=now)
        self._card.card_seen(card, now=now)

    def _no_card_shown(self, now: float) -> None:
        if self._asker.inquiry.answered(Question.CARD, now=now) or self._card.is_settling:
            self._card.no_card_seen(now=now)
        else:
            self._asker.inquiry.want(Question.CARD, at_s=now)

    def _card_settled(self, before: Card | None, card: Card | None, now: float) -> None:
        is_new_life = self._health.status is TerminalStatus.REBOOTING
        self._line.card = card
        has_changed = self._health.answered(now)
        has_changed |= self._health.card_seen(now, is_there=card is not None)
        if card is None:
            self._asker.inquiry.put_off(Question.CARD, until_s=now + self._periods.no_card_s)
            if not self._is_told_no_card:
                self._is_told_no_card = True
                self._tell(NoCard())
            self._note(has_changed)
            return
        self._is_told_no_card = False
        self._asker.inquiry.put_off(Question.CARD, until_s=now + self._periods.card_s)
        if before is None:
            self._tell(CardRead(card=card))
        elif before != card:
            self._tell(CardChanged(before=before, card=card))
        self._note(has_changed)
        if before != card:
            self._asker.new_card(card, now)
        if before != card or is_new_life:
            for question in (Question.SIGNAL, Question.SELF_CHECK):
                self._asker.inquiry.want(question, at_s=now)
            if not self._has_version:
                self._asker.inquiry.want(Question.VERSION, at_s=now)

    def _accepted(self, event: Accepted, now: float) -> None:
        outcome = self._flight.accepted(event, now=now)
        if outcome is None:
            return
        self._tell(outcome)
        if isinstance(outcome, SentElsewhere):
            return
        self._note(self._health.accepted(now))
        self._asker.inquiry.resume(now=now)

    def _refused(self, event: Refused, now: float) -> None:
        if event.command is not None and event.command.endswith(_CARD_COMMANDS):
            self._no_card_shown(now)
            return
        card = self.card
        was_sending = self._flight.is_under_way
        outcome = None if card is None else self._flight.refused(event, card, now=now)
        if outcome is not None:
            self._tell(outcome)
        if was_sending and not self._flight.is_under_way:
            self._note(self._health.refused(event.reason, now))
            self._asker.inquiry.resume(now=now)
        if event.reason is RefusalReason.NO_CARD:
            self._asker.inquiry.want(Question.CARD, at_s=now)
        elif event.reason in (RefusalReason.SUPPRESSED, RefusalReason.SILENT):
            self._asker.inquiry.want(Question.SELF_CHECK, at_s=now)

    def _report(self, event: LineEvent, now: float) -> None:
        periods = self._periods
        match event:
            case SignalSeen():
                self._asker.inquiry.answered(Question.SIGNAL, now=now)
                self._asker.inquiry.put_off(Question.SIGNAL, until_s=now + periods.signal_s)
                self._note(self._health.signal_seen(event, now))
            case SelfCheckSeen():
                if self._asker.inquiry.answered(Question.SELF_CHECK, now=now):
                    self._health.answered_otherwise()
                self._self_check(event, now)
            case VersionSeen():
                self._has_version = True
                if self._asker.inquiry.answered(Question.VERSION, now=now):
                    self._health.answered_otherwise()
            case _:
                pass

    def _self_check(self, event: SelfCheckSeen, now: float) -> None:
        if event.is_suppressed:
            reason: RefusalReason | None = RefusalReason.SUPPRESSED
        elif event.is_silent:
            reason = RefusalReason.SILENT
        else:
            reason = None
        if reason is not None or event.is_suppressed is not None or event.is_silent is not None:
            self._note(self._health.suppression_seen(reason, now))
        is_held = self._health.is_suppressed
        period_s = self._periods.held_s if is_held else self._periods.self_check_s
        self._asker.inquiry.put_off(Question.SELF_CHECK, until_s=now + period_s)

    # --- loss ---------------------------------------------------------------------------------

    def _feedback_lost(self, now: float) -> None:
        self._lose_flight("no feedback in its time", now)
        self._note(self._health.feedback_lost(now))
        self._asker.inquiry.want(Question.CARD, at_s=now)
        self._restarted(self._restart.feedback_lost(now), now)

    def _lose_flight(self, text: str, now: float) -> None:
        outcome = self._flight.give_up(text, now=now)
        if outcome is not None:
            self._tell(outcome)
            self._asker.inquiry.resume(now=now)

    def _restarted(self, why: str | None, now: float) -> None:
        if why is None:
            return
        if not self._card.is_known:
            # It was switched on together with us: there is nothing that it can have forgotten.
            self._asker.inquiry.put_off(Question.CARD, until_s=now + _BOOT_S)
            return
        self._lose_flight(f"the terminal {why}", now)
        self._tell(Rebooted(text=why))
        self._note(self._health.rebooted(now, why))
        self._asker.inquiry.interrupt(now=now)
        self._asker.inquiry.put_off(Question.CARD, until_s=now + _BOOT_S)

    def _note(self, has_changed: bool) -> None:
        if has_changed:
            self._tell(
                StatusChanged(
                    status=self._health.status,
                    reason=self._health.reason,
                    may_send=self._health.blocks_sending() is None,
                )
            )
