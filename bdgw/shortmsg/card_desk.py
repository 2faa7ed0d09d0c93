"""Cards that come, go and change their terminal: who may send, and from when. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bdgw.shortmsg.budget import AirBudget
from bdgw.shortmsg.card_pool import CardPool
from bdgw.shortmsg.fleet import Fleet
from bdgw.shortmsg.interval import FEEDBACK_LIMIT_S
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

    def card_in(self, terminal: str, card: Card, *, now: float) -> None:
        """A terminal has shown its card."""
        left = self._pool.insert(terminal, card)
        if left is not None:
            self._gone(left)
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
        self._restore_timer(card, now)
        intervals = {Service.REGIONAL: float(card.interval_s)}
        if card.global_interval_s:
            intervals[Service.GLOBAL] = float(card.global_interval_s)
        self._budget.set_card(card.address, intervals)
        self._fleet.replan()

    def _gone(self, card: int) -> None:
        self._budget.unset_card(card)
        self._fleet.unbind(card)

    def _restore_timer(self, card: Card, now: float) -> None:
        """When an earlier run used this card; the ledger knows the request, not the answer."""
        if self._budget.timer(card.address, Service.REGIONAL) is not None:
            return
        sent_utc_ns = self._ledger.values.last_sent_utc_ns(card.address)
        if sent_utc_ns is None:
            return
        now_utc_s = self._utc_ns() / _NS_PER_S
        asked_s = since_restart(sent_utc_ns / _NS_PER_S, now_utc_s=now_utc_s, now=now)
        sent_s = min(now, asked_s + FEEDBACK_LIMIT_S)
        self._budget.restore_sent(card.address, Service.REGIONAL, sent_s, float(card.interval_s))
        if card.global_interval_s:
            self._budget.restore_sent(
                card.address, Service.GLOBAL, sent_s, float(card.global_interval_s)
            )
