"""What of a card's interval outlives a restart: no slot is lost, and none is early."""

from __future__ import annotations

import pytest

from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.outgoing import Peer
from bdgw.shortmsg.service import ServiceSpec
from bdgw.shortmsg.vocabulary import Family
from tests.shortmsg.service_rig import Air, Gateway, card
from tests.shortmsg.test_service import HANDSET, SHIP, accepted

PERIOD_S = 62.0
"""The interval of the card and the margin."""
FEEDBACK_S = 15.0


def ship_with_two(terminals: tuple[str, ...] = ("t1",)) -> tuple[Air, Gateway]:
    air = Air()
    ship = Gateway(air, ServiceSpec(terminals=dict.fromkeys(terminals, Family.BD1)))
    ship.insert("t1", card(SHIP))
    accepted(ship.submit(HANDSET, "一"))
    accepted(ship.submit(HANDSET, "二"))
    return air, ship


def gap_s(air: Air) -> float:
    (first_s, *_), (second_s, *_) = air.log[:2]
    return second_s - first_s


def test_after_an_answer_the_next_slot_is_where_it_was() -> None:
    air, ship = ship_with_two()
    air.run(10.0)
    ship.start()
    air.run(200.0)
    assert gap_s(air) == pytest.approx(PERIOD_S)
    assert air.too_early == 0


def test_without_an_answer_the_whole_wait_for_it_counts() -> None:
    air, ship = ship_with_two()
    air.run(1.0)
    air.now += 30.0
    ship.start()
    air.run(200.0)
    assert gap_s(air) == pytest.approx(PERIOD_S + FEEDBACK_S)


def test_in_another_terminal_the_whole_wait_counts() -> None:
    air, ship = ship_with_two(("t1", "t2"))
    air.run(30.0)
    ship.cards["t2"] = ship.cards.pop("t1")
    air.gateways[SHIP] = (ship, "t2")
    ship.start()
    air.run(200.0)
    assert gap_s(air) == pytest.approx(PERIOD_S + FEEDBACK_S)


def test_after_an_unknown_it_counts_from_the_end_of_the_wait() -> None:
    air, ship = ship_with_two()
    ship.answer = lambda _: "silent_sent"
    air.run(16.0)
    ship.start()
    ship.answer = lambda _: "accept"
    air.run(200.0)
    assert gap_s(air) >= PERIOD_S + FEEDBACK_S
    assert air.too_early == 0


def test_a_refused_request_costs_no_slot_but_the_wait_for_a_second_answer() -> None:
    air, ship = ship_with_two()
    air.run(PERIOD_S - 1.0)
    ship.answer = lambda _: "no lock"
    air.run(5.0)
    asked_s = 1000.0 + PERIOD_S
    assert len(air.log) == 1
    ship.answer = lambda _: "accept"
    ship.start()
    air.run(200.0)
    assert air.log[1][0] == pytest.approx(asked_s + FEEDBACK_S)


def test_what_was_asked_for_a_peer_after_the_answer_counts_in_full() -> None:
    """A receipt to a peer has no step to be written with: its answer is not kept."""
    air, ship = ship_with_two()
    ship.spec = ServiceSpec(
        terminals={"t1": Family.BD1}, peers=(Peer(name="p", addresses=frozenset([1])),)
    )
    air.run(10.0)
    noted_ns = air.utc_ns()
    ship.ledger.values.note_sent(SHIP, at_utc_ns=noted_ns)
    air.now += 30.0
    ship.start()
    accepted(ship.submit(HANDSET, "急", priority=Priority.DISTRESS))
    air.run(200.0)
    assert gap_s(air) == pytest.approx(10.0 + FEEDBACK_S + PERIOD_S)
