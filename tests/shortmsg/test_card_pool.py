"""Terminals and the cards in them."""

from __future__ import annotations

import pytest

from bdgw.shortmsg.card_pool import CardPool
from bdgw.shortmsg.vocabulary import Card, Family


def pool() -> CardPool:
    return CardPool({"a": Family.BD1, "b": None})


def card(address: int) -> Card:
    return Card(address=address, interval_s=60, level=3)


def test_a_card_is_in_one_terminal_only() -> None:
    cards = pool()
    assert cards.insert("a", card(1)) is None
    assert cards.insert("b", card(1)) is None
    assert cards["a"].card is None
    assert cards.own_addresses() == frozenset([1])
    seat = cards.seat_of(1)
    assert seat is not None
    assert seat.name == "b"


def test_a_card_that_is_replaced_or_taken_out_is_named() -> None:
    cards = pool()
    cards.insert("a", card(1))
    assert cards.insert("a", card(2)) == 1
    assert cards.insert("a", card(2)) is None
    assert cards.eject("a") == 2
    assert cards.eject("a") is None
    assert cards.card(2) is None


def test_who_may_send() -> None:
    cards = pool()
    told = [cards["a"].may_send]
    cards.insert("a", card(1))
    told.append(cards["a"].may_send)
    cards["a"].is_suppressed = True
    told.append(cards["a"].may_send)
    cards["a"].is_suppressed = False
    cards["a"].is_alive = False
    told.append(cards["a"].may_send)
    assert told == [False, True, False, False]
    with pytest.raises(KeyError):
        cards["c"]


def test_waits_double_up_to_two_minutes_and_distress_waits_five_seconds() -> None:
    cards = pool()
    waits = []
    for n in range(8):
        now = 1000.0 * n
        cards.failed("a", now=now)
        waits.append(cards.open_at_s("a", is_urgent=False) - now)
        assert cards.open_at_s("a", is_urgent=True) == now + 5.0
    assert waits == [5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 120.0, 120.0]
    cards.worked("a")
    assert cards.open_at_s("a", is_urgent=False) == float("-inf")
