"""What is remembered of each peer's loss, and what is promised with it."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.ledger import Ledger
from bdgw.shortmsg.loss_memory import LossMemory, PeerLoss, slots_expected, slots_spread
from bdgw.shortmsg.message import State
from bdgw.shortmsg.outgoing import Receipt
from bdgw.shortmsg.transfer_state import TransferOptions
from bdgw.store.direct import DirectStore
from tests.shortmsg.service_rig import UTC0_NS
from tests.shortmsg.test_service import SHORE, pair

DAY_NS = 86_400 * 1_000_000_000
SLOT_S = 65.0
"""The interval, the margin, and the 3 s that the terminals of the rig take to answer."""


class Clock:
    ns = UTC0_NS

    def __call__(self) -> int:
        return self.ns


def memory(clock: Clock, store: DirectStore | None = None) -> LossMemory:
    ledger = Ledger(store or DirectStore(), entropy=random.Random(1).randbytes)
    return LossMemory(ledger.values, options=TransferOptions(), utc_ns=clock)


def test_without_experience_the_default_holds_and_is_said() -> None:
    known = memory(Clock()).expected("shore")
    assert (known.share, known.is_measured) == (0.05, False)
    assert "5% loss assumed, without experience" in memory(Clock()).outlook("shore", 100)[1]


def test_what_was_measured_outlives_a_restart_and_is_of_one_peer() -> None:
    store, clock = DirectStore(), Clock()
    memory(clock, store).note("shore", n_units=200, n_lost=80)
    again = memory(clock, store)
    assert again.expected("shore").share == pytest.approx(80.4 / 208)
    assert again.expected("ship").share == 0.05
    options = again.options_for("shore")
    assert options.loss == again.expected("shore").share
    assert options.loss_weight_units == 100.0, "what the transfer sees can outweigh it"


def test_experience_fades_with_time_and_gives_way_to_newer() -> None:
    clock = Clock()
    losses = memory(clock)
    losses.note("shore", n_units=200, n_lost=100)
    clock.ns += 3 * DAY_NS
    assert losses.expected("shore").n_units == pytest.approx(100.0)
    clock.ns += 27 * DAY_NS
    assert not losses.expected("shore").is_measured
    losses.note("shore", n_units=300, n_lost=0)
    assert losses.expected("shore").share < 0.01


@given(
    st.lists(
        st.tuples(st.integers(-5, 2000), st.integers(-5, 2000), st.integers(-(10**18), 10**18)),
        max_size=12,
    )
)
def test_whatever_is_reported_the_share_stays_one(reports: list[tuple[int, int, int]]) -> None:
    clock = Clock()
    losses = memory(clock)
    for n_units, n_lost, later_ns in reports:
        losses.note("p", n_units=n_units, n_lost=n_lost)
        clock.ns = max(0, clock.ns + later_ns)
        known = losses.expected("p")
        assert 0.0 <= known.share <= 0.9
        assert known.n_units <= 2000.0
        losses.options_for("p")


@pytest.mark.parametrize("loss", [0.05, 0.2, 0.4])
def test_slots_and_their_spread_are_those_of_chance(loss: float) -> None:
    """Against a plain count of coin tosses."""
    rng, n_units, took = random.Random(7), 139, []
    for _ in range(600):
        n_sent = n_arrived = 0
        while n_arrived < n_units:
            n_sent += 1
            n_arrived += rng.random() >= loss
        took.append(n_sent)
    n_slots = slots_expected(n_units, loss)
    assert abs(statistics.mean(took) - n_slots) < 2.0
    known = PeerLoss(share=loss, n_units=1e9)
    spread = slots_spread(n_units, known, weight_units=8.0)
    assert 0.92 < sum(abs(one - n_slots) <= spread for one in took) / len(took) < 0.99


def test_a_second_long_message_is_promised_with_the_loss_of_the_first() -> None:
    air, ship, shore = pair(seed=3)
    air.loss = 0.3
    promised, took, explained = [], [], []
    for text in ("甲" * 2000, "乙" * 2000):
        receipt = ship.submit(SHORE, text)
        assert isinstance(receipt, Receipt)
        assert receipt.t_arrival_s is not None
        began_s = air.now
        while ship.message(receipt.id).state is not State.DELIVERED:
            air.run(60.0)
        promised.append((receipt.t_arrival_s - began_s) / SLOT_S)
        took.append((air.now - began_s) / SLOT_S)
        explained.append(receipt.explanation)
        ship.start()
    assert "5% loss assumed" in explained[0]
    assert "as measured" in explained[1]
    assert took[0] - promised[0] > 10.0
    assert abs(took[1] - promised[1]) < 10.0
    assert [one.text for one in shore.heard] == ["甲" * 2000, "乙" * 2000]


def test_the_forecast_follows_what_the_peer_reports() -> None:
    air, ship, _ = pair(seed=4)
    air.loss = 0.5
    receipt = ship.submit(SHORE, "丙" * 2000)
    assert isinstance(receipt, Receipt)
    assert receipt.t_arrival_s is not None
    air.run(30 * SLOT_S)
    promise = ship.service.forecast(air.now)[receipt.id]
    assert promise.t_arrival_s > receipt.t_arrival_s + 5 * SLOT_S
