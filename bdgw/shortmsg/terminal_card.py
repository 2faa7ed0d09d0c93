"""The card as a terminal shows it, sometimes in two dialects at once.

A box may answer one question with the sentences of two families, of which one may even say that
there is no card. So the answers of a short time are taken together before anything is believed.
"""

from __future__ import annotations

import msgspec

from bdgw.shortmsg.vocabulary import Card

__all__ = ["CardReader"]


class CardReader:
    """Collects what a terminal says about its card and gives one verdict for each answer."""

    def __init__(self, *, settle_s: float) -> None:
        """``settle_s``: how long after the first sentence others may follow, seconds."""
        self._settle_s = settle_s
        self._heard: Card | None = None
        self._decide_at_s: float | None = None
        self.current: Card | None = None
        """The card that is believed in; None while none is, or none is there."""
        self.is_known = False
        """The terminal has spoken about its card at least once."""

    @property
    def is_settling(self) -> bool:
        """An answer has begun and is not believed yet."""
        return self._decide_at_s is not None

    @property
    def is_in_doubt(self) -> bool:
        """What was begun to be told may be another card, or one that is slower."""
        if not self.is_settling:
            return False
        heard, current = self._heard, self.current
        if heard is None or current is None:
            return True
        return heard.address != current.address or heard.interval_s > current.interval_s

    def card_seen(self, card: Card, *, now: float) -> None:
        """A sentence shows a card."""
        self._begin(now)
        before = self._heard
        same = before is not None and before.address == card.address
        self._heard = _merged(before, card) if same and before is not None else card

    def no_card_seen(self, *, now: float) -> None:
        """A sentence says that there is no card; one that shows a card outweighs it."""
        self._begin(now)

    def deadline(self) -> float | None:
        """When ``settle`` is due, None while no answer is open."""
        return self._decide_at_s

    def settle(self, *, now: float) -> tuple[Card | None, Card | None] | None:
        """Give (the card before, the card now) once an answer is complete, else None."""
        if self._decide_at_s is None or now < self._decide_at_s:
            return None
        before, self.current = self.current, self._heard
        self._heard = self._decide_at_s = None
        self.is_known = True
        return before, self.current

    def _begin(self, now: float) -> None:
        if self._decide_at_s is None:
            self._decide_at_s = now + self._settle_s


def _merged(first: Card, second: Card) -> Card:
    """Join two views of one card: what only one knows is kept, the longer interval holds."""
    rich, poor = (first, second) if first.global_interval_s is not None else (second, first)
    missing = {
        name: getattr(poor, name)
        for name in Card.__struct_fields__
        if getattr(rich, name) is None and getattr(poor, name) is not None
    }
    return msgspec.structs.replace(
        rich, **{**missing, "interval_s": max(rich.interval_s, poor.interval_s)}
    )
