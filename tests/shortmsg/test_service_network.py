"""The service, its sessions and the simulated terminals keep one interval, and promises hold."""

from __future__ import annotations

import itertools
import random

import pytest

from bdgw.shortmsg.budget import Priority
from bdgw.shortmsg.outgoing import Peer, Receipt
from bdgw.shortmsg.terminal_event import Accepted, Refused, Requested
from bench.short_link import Side, Yard
from fwsim.rdss_card import Card, Family
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_spec import NetworkSpec, TerminalSpec

SHIP, SPARE, SHORE, HANDSET = 175607, 175608, 210001, 300001
INTERVAL_S, MARGIN_S = 60, 2.0
SLOT_S = INTERVAL_S + MARGIN_S
FAMILIES = list(Family)


def terminal(
    network: SimNetwork, name: str, family: Family, address: int, *, interval_s: int = INTERVAL_S
):
    card = Card(address=address, interval_s=interval_s, level=3)
    return network.add(TerminalSpec(name=name, family=family, card=card, power_every_s=0.0))


def ship_of(family: Family, *, seed: str = "0") -> tuple[Yard, Side]:
    network = SimNetwork(NetworkSpec(seed=seed))
    yard = Yard(network, seed=seed)
    ship = Side(yard, {"t1": terminal(network, "ship", family, SHIP)})
    yard.run(30.0)
    return yard, ship


def times_on_air(network: SimNetwork, address: int) -> list[float]:
    return [one.t_s for one in network.truth if one.sender == address]


@pytest.mark.parametrize("family", FAMILIES)
def test_slots_follow_each_other_without_a_second_lost_and_none_is_refused(family) -> None:
    yard, ship = ship_of(family)
    for n in range(20):
        assert isinstance(ship.submit(HANDSET, f"第{n}"), Receipt)
    yard.run(25 * SLOT_S)
    times = times_on_air(yard.network, SHIP)
    assert len(times) == 20
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert min(gaps) >= INTERVAL_S
    assert max(gaps) <= SLOT_S + 0.1
    assert not [event for _, _, event in ship.said if isinstance(event, Refused)]
    assert yard.network.counters["interval_violations"] == 0
    assert (ship.service.n_misplanned, ship.service.n_too_early) == (0, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_promised_time_is_kept_within_one_slot(family) -> None:
    yard, ship = ship_of(family)
    rng = random.Random(str(family))
    promised: dict[str, Receipt] = {}
    for n in range(30):
        receipt = ship.submit(HANDSET, f"货单{n}", priority=Priority.DATA)
        assert isinstance(receipt, Receipt)
        promised[receipt.id] = receipt
        yard.run(rng.uniform(0.0, 80.0))
    yard.run(30 * SLOT_S)
    sent = dict(zip(promised, times_on_air(yard.network, SHIP), strict=True))
    for message_id, receipt in promised.items():
        assert receipt.t_send_s is not None
        assert abs(sent[message_id] - receipt.t_send_s) <= SLOT_S


def test_a_long_message_arrives_when_it_was_promised() -> None:
    network = SimNetwork(NetworkSpec(seed="long"))
    yard = Yard(network)
    ship = Side(
        yard,
        {"t1": terminal(network, "ship", Family.BD1, SHIP)},
        peers=(Peer(name="shore", addresses=frozenset([SHORE])),),
    )
    shore = Side(
        yard,
        {"t1": terminal(network, "shore", Family.BD2, SHORE)},
        peers=(Peer(name="ship", addresses=frozenset([SHIP])),),
    )
    yard.run(30.0)
    receipt = ship.submit(SHORE, "水位报告。" * 60)
    assert isinstance(receipt, Receipt)
    assert receipt.t_arrival_s is not None
    yard.run(20 * SLOT_S)
    ((at_s, heard),) = shore.heard
    assert heard.text == "水位报告。" * 60
    assert abs(at_s - receipt.t_arrival_s) <= SLOT_S


def test_a_terminal_that_sends_of_its_own_moves_the_slot() -> None:
    """A box that reports its own position: its feedback answers none of our requests."""
    yard, ship = ship_of(Family.BD2)
    assert isinstance(ship.submit(HANDSET, "一"), Receipt)
    yard.run(40.0)
    sim = ship.sims["t1"]
    body = b"BDFKI,101010,TCQ,Y,0,0000"
    check = 0
    for byte in body:
        check ^= byte
    sim._out += b"$" + body + b"*%02X\r\n" % check
    sim._gate._allowed_s[SHIP, False] = yard.now + INTERVAL_S
    moved_s = yard.now
    assert isinstance(ship.submit(HANDSET, "二"), Receipt)
    yard.run(200.0)
    requested = [at for at, _, event in ship.said if isinstance(event, Requested)]
    assert requested[1] >= moved_s + SLOT_S - 1.0
    assert (ship.service.n_misplanned, ship.service.n_too_early) == (0, 0)


def test_another_card_in_the_terminal_waits_as_its_session_does() -> None:
    yard, ship = ship_of(Family.BD1)
    assert isinstance(ship.submit(HANDSET, "一"), Receipt)
    yard.run(20.0)
    other = Card(address=SPARE, interval_s=INTERVAL_S, level=3)
    yard.network.fault("ship", "swap", card=other, for_s=1.0)
    assert isinstance(ship.submit(HANDSET, "二"), Receipt)
    yard.run(800.0)
    assert len(times_on_air(yard.network, SPARE)) + len(times_on_air(yard.network, SHIP)) == 2
    accepted = [event for _, _, event in ship.said if isinstance(event, Accepted)]
    assert len(accepted) == 2
    assert ship.service.n_misplanned == 0


FAULTS = ("lose_feedback", "late_feedback", "brownout", "reboot", "no_lock", "battery", "deaf")


@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_terminals_do_no_slot_is_planned_that_the_session_refuses(family) -> None:
    yard, ship = ship_of(family, seed=f"faults {family}")
    rng = random.Random(str(family))
    for n in range(60):
        ship.submit(HANDSET, f"第{n}", n_repeats=1)
        if rng.random() < 0.4:
            yard.network.fault("ship", rng.choice(FAULTS), for_s=rng.uniform(5.0, 200.0))
        yard.run(rng.uniform(1.0, 150.0))
    yard.run(4000.0)
    assert len(times_on_air(yard.network, SHIP)) > 40
    assert yard.network.counters["interval_violations"] == 0
    assert ship.service.n_misplanned == 0
