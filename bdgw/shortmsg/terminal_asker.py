"""Asks a terminal: which family it is of, and then whatever is due; judges who does not answer."""

from __future__ import annotations

from collections.abc import Callable

from bdgw.shortmsg.family import codec_of
from bdgw.shortmsg.terminal_event import FamilyFound, SessionEvent, SubordinatesRead
from bdgw.shortmsg.terminal_finder import FamilyFinder
from bdgw.shortmsg.terminal_health import TerminalHealth
from bdgw.shortmsg.terminal_inquiry import Inquiry, InquiryPeriods, Question
from bdgw.shortmsg.terminal_line import TerminalLine
from bdgw.shortmsg.terminal_restart import RestartWatch
from bdgw.shortmsg.terminal_subordinate import SubordinateList
from bdgw.shortmsg.vocabulary import Card, Family

__all__ = ["Asker"]


class Asker:
    """The questions of one connection and the clocks behind them."""

    def __init__(
        self,
        *,
        line: TerminalLine,
        health: TerminalHealth,
        restart: RestartWatch,
        periods: InquiryPeriods,
        family: Family | None,
        tell: Callable[[SessionEvent], None],
        note: Callable[[bool], None],
        now: float,
    ) -> None:
        """``tell`` takes events, ``note`` whether the status may have changed."""
        self._line = line
        self._health = health
        self._restart = restart
        self._periods = periods
        self._tell = tell
        self._note = note
        self._list = SubordinateList()
        self._quiet_at_s = now + periods.quiet_s
        self._is_family_given = family is not None
        self._finder: FamilyFinder | None = None
        self.inquiry = Inquiry(periods, now=now)
        """What is to be asked when."""
        self.family: Family | None = None
        """What the terminal speaks; None while that was never found out."""
        if family is None:
            self._seek(now)
        else:
            self._speak(family, at_s=now)

    @property
    def subordinates(self) -> tuple[int, ...] | None:
        """The list of the card, None while it was not read."""
        return self._list.whole

    def heard(self, now: float) -> None:
        """A frame was decoded."""
        self._quiet_at_s = now + self._periods.quiet_s

    def hurry(self, now: float) -> None:
        """Somebody speaks who was thought dead."""
        self.inquiry.want(Question.CARD, at_s=now)
        if self._finder is not None:
            self._finder.hurry(now=now)

    def new_card(self, card: Card, now: float) -> None:
        """Another card, or other rights: read its list."""
        if self._list.begin(card.n_subordinates or 0):
            self.inquiry.want(Question.SUBORDINATES, at_s=now)

    def page_seen(self, addresses: tuple[int, ...], now: float) -> None:
        """A page of the list came; one that nobody asked for is passed by."""
        if not self.inquiry.answered(Question.SUBORDINATES, now=now):
            return
        if self._list.page_seen(addresses):
            self.inquiry.want(Question.SUBORDINATES, at_s=now)
        else:
            self._list_ended()

    def advance(self, *, now: float) -> None:
        """Judge what is overdue, then ask what is due; not to be called while a request is out."""
        if self._finder is not None:
            self._find(self._finder, now)
        expired = None if self._is_seeking() else self.inquiry.expired(now=now)
        if expired is not None:
            self._unanswered(expired, now)
        if self._is_seeking():
            return
        if now >= self._quiet_at_s:
            self._quiet_at_s = now + self._periods.quiet_s
            self.inquiry.want(Question.CARD, at_s=now)
        self._ask(now)

    def deadline(self) -> float | None:
        """When ``advance`` is due."""
        if self._finder is not None:
            return self._finder.deadline()
        due_s = self.inquiry.deadline()
        return self._quiet_at_s if due_s is None else min(due_s, self._quiet_at_s)

    # --- the family ---------------------------------------------------------------------------

    def _speak(self, family: Family, *, at_s: float) -> None:
        self.family = family
        self._line.codec = codec_of(family)
        self.inquiry.want(Question.CARD, at_s=at_s)

    def _seek(self, at_s: float) -> None:
        """Find out the family, from ``at_s`` on; what was known is believed until then."""
        finder = FamilyFinder(at_s=at_s)
        self._finder = finder
        self._line.watch_frames(finder.receive_frame)

    def _is_seeking(self) -> bool:
        return self._finder is not None

    def _find(self, finder: FamilyFinder, now: float) -> None:
        is_new = not finder.has_begun
        finder.advance(now=now)
        data = finder.data_to_send()
        if data:
            if is_new:
                self._health.asked()
            self._restart.card_asked(now)
            self._line.write(data)
        if not finder.is_finished:
            return
        family = finder.family
        if family is None:
            self._note(self._health.nobody_found(now))
            self._seek(now + self._periods.dead_s)
            return
        self._finder = None
        self._line.watch_frames(None)
        if family is not self.family:
            self._tell(FamilyFound(family=family))
        self._speak(family, at_s=now + self._periods.gap_s)

    # --- questions ----------------------------------------------------------------------------

    def _ask(self, now: float) -> None:
        question = self.inquiry.next(now=now)
        while question is not None:
            data = self._words(question)
            if data is not None and self._line.write(data):
                if question is Question.CARD:
                    self._restart.card_asked(now)
                    self._health.asked()
                return
            self.inquiry.drop()
            question = self.inquiry.next(now=now)

    def _words(self, question: Question) -> bytes | None:
        codec = self._line.codec
        if codec is None:
            return None
        match question:
            case Question.CARD:
                return codec.read_card()
            case Question.SUBORDINATES:
                return codec.read_subordinates(self._list.page)
            case Question.SIGNAL:
                return codec.check_signal()
            case Question.SELF_CHECK:
                return codec.self_check()
            case Question.VERSION:
                return codec.read_version()

    def _unanswered(self, question: Question, now: float) -> None:
        want, periods = self.inquiry.want, self._periods
        match question:
            case Question.CARD:
                self._card_unanswered(now)
            case Question.SUBORDINATES:
                self._list_ended()
            case Question.SIGNAL:
                want(question, at_s=now + periods.signal_s)
            case Question.SELF_CHECK:
                want(question, at_s=now + periods.self_check_s)
            case Question.VERSION:
                pass

    def _card_unanswered(self, now: float) -> None:
        want, periods = self.inquiry.want, self._periods
        self._note(self._health.unanswered(now))
        if not self._health.is_row_complete:
            want(Question.SELF_CHECK, at_s=now)
            want(Question.CARD, at_s=now + periods.gap_s)
        elif self._is_family_given:
            want(Question.CARD, at_s=now + periods.dead_s)
        else:
            self._seek(now + periods.dead_s)

    def _list_ended(self) -> None:
        addresses = self._list.end()
        if addresses is not None:
            self._tell(SubordinatesRead(addresses=addresses, is_complete=self._list.is_complete))
