"""Cards that come, go and change their terminal: who may send, and from when. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bdgw.shortmsg.budget import AirBudget
from bdgw.shortmsg.card_pool import CardPool
from bdgw.shortmsg.fleet import Fleet
from bdgw.shortmsg.interval import FEEDBACK_LIMIT_S, IntervalRules, IntervalTimer, SendMark
from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.slot import since_restart
from bdgw.shortmsg.vocabulary import Card, Service

__all__ = ["CardDesk"]

_NS_PER_S = 1_000_000_000


class CardDesk:
    """Keeps the budget told of the cards that can be used."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        pool: CardPool,
        budget: AirBudget,
        fleet: Fleet,
        utc_ns: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._pool = pool
        self._budget = budget
        self._fleet = fleet
        self._utc_ns = utc_ns
        self._was_in: dict[int, str] = {}
        """The terminal that showed a card last."""

    def card_in(self, terminal: str, card: Card, *, now: float) -> None:
        """A terminal has shown its card."""
        left = self._pool.insert(terminal, card)
        if left is not None:
            self._gone(left)
        if self._was_in.setdefault(card.address, terminal) != terminal:
            self._was_in[card.address] = terminal
            for service in Service:
                timer = self._budget.timer(card.address, service)
                if timer is not None:
                    timer.moved()
        self.refresh(terminal, now=now)

    def card_out(self, terminal: str, *, now: float) -> None:
        """A terminal has no card."""
        left = self._pool.eject(terminal)
        if left is not None:
            self._gone(left)
        self.refresh(terminal, now=now)

    def refresh(self, terminal: str, *, now: float) -> None:
        """What is known of a terminal has changed."""
        seat = self._pool[terminal]
        card = seat.card
        if card is None:
            return
        if not seat.may_send or seat.family is None:
            self._budget.unset_card(card.address)
            if self._budget.usable_cards():
                self._fleet.unbind(card.address)
            return
        intervals_s = _intervals_s(card)
        self._restore_timer(terminal, card, intervals_s, now)
        self._budget.set_card(card.address, intervals_s)
        for service, mark_s in seat.marks_s.items():
            self._hold(card.address, service, mark_s)
        self._fleet.replan()

    def marked(self, terminal: str, mark: SendMark | None) -> None:
        """The session of a terminal counts an interval anew; another card in it has to wait too."""
        if mark is None:
            return
        seat = self._pool[terminal]
        seat.marks_s[mark.service] = max(mark.at_s, seat.marks_s.get(mark.service, mark.at_s))
        if seat.address is not None:
            self._hold(seat.address, mark.service, mark.at_s)

    def _hold(self, card: int, service: Service, mark_s: float) -> None:
        timer = self._budget.timer(card, service)
        if timer is not None:
            timer.counts_from(mark_s)

    def _gone(self, card: int) -> None:
        self._budget.unset_card(card)
        self._fleet.unbind(card)

    def _restore_timer(
        self, terminal: str, card: Card, intervals_s: Mapping[Service, float], now: float
    ) -> None:
        """When an earlier run used this card; the answer to its last request may be missing."""
        if self._budget.timer(card.address, Service.REGIONAL) is not None:
            return
        sent_utc_ns = self._ledger.values.last_sent_utc_ns(card.address)
        if sent_utc_ns is None:
            return
        now_utc_s = self._utc_ns() / _NS_PER_S
        asked_s = since_restart(sent_utc_ns / _NS_PER_S, now_utc_s=now_utc_s, now=now)
        sent_s = min(now, asked_s + FEEDBACK_LIMIT_S)
        mark_utc_ns = self._ledger.values.counted_from_utc_ns(card.address, terminal=terminal)
        if mark_utc_ns is not None:
            sent_s = since_restart(mark_utc_ns / _NS_PER_S, now_utc_s=now_utc_s, now=now)
        for service, interval_s in intervals_s.items():
            # Also after a refusal: a second answer to that request may come.
            self._budget.restore_sent(
                card.address,
                service,
                sent_s,
                interval_s,
                not_before_s=asked_s + FEEDBACK_LIMIT_S,
            )


def _intervals_s(card: Card) -> dict[Service, float]:
    """The services of a card, by the rules of the session that drives its terminal."""
    timer = IntervalTimer(IntervalRules())
    intervals_s = {service: timer.interval_s(card, service) for service in Service}
    return {service: value for service, value in intervals_s.items() if value is not None}
