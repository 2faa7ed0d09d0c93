"""For whom a message was, seen from the card that received it."""

from __future__ import annotations

from bdgw.shortmsg.vocabulary import Card

__all__ = ["addressee"]


def addressee(to: int | None, card: Card | None) -> int | None:
    """Give the address a message was for, None where it was for us.

    A 指挥机 also gets what its subordinates get, under their addresses. Where the card is not
    known the address is given as it is written; 0 says nothing.
    """
    if not to or (card is not None and to in (card.address, card.broadcast)):
        return None
    return to
