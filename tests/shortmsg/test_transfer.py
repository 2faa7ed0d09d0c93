"""The sender of long messages: what goes next, when to ask, when to stop."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import EncodeError
from bdgw.shortmsg.erasure import place
from bdgw.shortmsg.held_map import HeldMap
from bdgw.shortmsg.reassembly import Reassembler
from bdgw.shortmsg.reassembly_state import Completed, ReassemblyLimits
from bdgw.shortmsg.segment import (
    Abandoned,
    Complete,
    Progress,
    Refusal,
    RefusalCause,
    Segment,
    pack,
    pack_progress,
    parse,
)
from bdgw.shortmsg.transfer import OutgoingTransfer
from bdgw.shortmsg.transfer_state import Outcome, TransferOptions, TransferState
from bench.segments import PAYLOAD_BYTES, send_erasure_coded

UNIT_BYTES = 77
SLOT_S = 60.0


def transfer_of(n_bytes: int = 1000, *, message_id: int = 5, unit_bytes: int = UNIT_BYTES, **more):
    payload = random.Random(n_bytes).randbytes(n_bytes)
    options = TransferOptions(**more)
    return OutgoingTransfer(message_id, payload, unit_bytes=unit_bytes, options=options), payload


def sent(transfer: OutgoingTransfer, n: int, *, now: float = 0.0) -> list[Segment]:
    units = []
    for i in range(n):
        data = transfer.next_unit(now + i * SLOT_S)
        assert data is not None
        assert len(data) == UNIT_BYTES
        unit = parse(data)
        assert isinstance(unit, Segment)
        units.append(unit)
    return units


def complete(transfer: OutgoingTransfer, **other) -> bytes:
    fields = {
        "message_id": transfer.message_id,
        "n_data": transfer.n_data,
        "check": transfer.check,
        "n_arrived": transfer.n_data,
    }
    return pack(Complete(**(fields | other)))


def progress(transfer: OutgoingTransfer, *needs: int, n_arrived: int = 0, held: int = 0) -> bytes:
    return pack(
        Progress(
            message_id=transfer.message_id,
            n_data=transfer.n_data,
            n_arrived=n_arrived,
            needs=needs,
            held=HeldMap(start=0, stop=held.bit_length(), held=held),
        )
    )


def exchange(transfer, machine, lose, *, slots: int = 6000) -> list[bytes]:
    """A slot a minute on both sides until the transfer is over."""
    received = []
    for slot in range(slots):
        now = slot * SLOT_S
        unit = transfer.next_unit(now)
        if transfer.outcome is not None:
            break
        if unit is not None and not lose(now):
            events = machine.receive(1, unit, now)
            received += [one.payload for one in events if isinstance(one, Completed)]
        machine.tick(now)
        for due in machine.controls_due(now, limit=1):
            if not lose(now):
                transfer.receive_control(due.unit)
    return received


# --- order and number -------------------------------------------------------------------------


def test_data_goes_first_then_parity_and_no_unit_twice():
    transfer, _payload = transfer_of(1000, unanswered_max=1000)
    units = sent(transfer, 255)
    assert [unit.index for unit in units] == [*range(255)]
    assert transfer.n_data == math.ceil(1005 / 71)


def test_a_reply_is_asked_for_once_the_receiver_should_have_had_enough():
    transfer, _payload = transfer_of(1000, loss=0.2, margin_sigma=2.0)
    n = transfer.n_data
    planned = math.ceil((n + 2 * math.sqrt(0.2 * n)) / 0.8)
    units = sent(transfer, planned + 3)
    assert [unit.wants_reply for unit in units] == [False] * (planned - 1) + [True] * 4


def test_a_long_message_asks_early_whether_anybody_is_there():
    transfer, _payload = transfer_of(10_000, hello_after_units=8)
    units = sent(transfer, 10)
    assert [unit.wants_reply for unit in units] == [False] * 7 + [True] * 3
    assert transfer.receive_control(progress(transfer, 133, n_arrived=8, held=0xFF))
    assert not any(unit.wants_reply for unit in sent(transfer, 100))


def test_nobody_there_costs_few_units_then_one_now_and_then_and_then_none():
    transfer, _payload = transfer_of(10_000, silence_s=86_400.0)
    slots_s = [minute * SLOT_S for minute in range(3000)]
    at_s = [now for now in slots_s if transfer.next_unit(now) is not None]
    # Seven units, sixteen that ask, then 10, 20, 40, 80 and 120 minutes apart.
    assert at_s[:23] == [60.0 * i for i in range(23)]
    pauses = [b - a for a, b in pairwise(at_s[22:])]
    assert pauses[:6] == [600.0, 1200.0, 2400.0, 4800.0, 7200.0, 7200.0]
    assert transfer.outcome is Outcome.SILENT
    assert transfer.n_sent == len(at_s) < 40
    assert transfer.deadline() is None


def test_a_fast_card_waits_for_the_reply_where_a_unit_could_be_one_too_many():
    transfer, _payload = transfer_of(100, reply_s=20.0)
    assert transfer.n_data == 2
    assert transfer.next_unit(0.0) is not None
    assert transfer.deadline() is None
    assert transfer.next_unit(1.0) is not None
    assert transfer.deadline() == 21.0
    assert transfer.next_unit(20.9) is None
    assert transfer.next_unit(21.0) is not None


def test_further_parity_is_sent_on_request_and_asks_again_at_its_end():
    transfer, _payload = transfer_of(1000, loss=0.0, loss_weight_units=1000.0)
    sent(transfer, 15)
    transfer.receive_control(progress(transfer, 4, n_arrived=11, held=0b111_1111_1111))
    units = sent(transfer, 5, now=1000.0)
    assert [unit.index for unit in units] == [15, 16, 17, 18, 19]
    assert [unit.wants_reply for unit in units] == [False, False, False, False, True]


def test_repeats_are_only_of_units_that_the_receiver_has_not():
    transfer, _payload = transfer_of(1000, unanswered_max=1000)
    sent(transfer, 255)
    held = (1 << 255) - 1 & ~(1 << 17) & ~(1 << 90) & ~(1 << 200)
    transfer.receive_control(progress(transfer, 2, n_arrived=250, held=held))
    assert [unit.index for unit in sent(transfer, 4, now=20_000.0)] == [17, 90, 200, 17]


def test_what_is_known_to_be_missing_goes_before_what_is_in_doubt():
    transfer, _payload = transfer_of(1000, unanswered_max=1000)
    sent(transfer, 255)
    held = ((1 << 40) - 1) << 100 & ~(1 << 103) & ~(1 << 120)
    window = HeldMap(start=100, stop=140, held=held)
    part, cut = pack_progress(
        Progress(message_id=5, n_data=15, n_arrived=200, needs=(9,), held=window), 20
    )
    assert cut is None
    # The same with the bit that says that nothing is told of what follows.
    at = 6 + 2 + 1
    part = part[:at] + bytes((part[at] | 0x20,)) + part[at + 1 :]
    assert transfer.receive_control(part)
    units = sent(transfer, 4, now=20_000.0)
    assert [unit.index for unit in units] == [103, 120, 0, 1]
    assert [unit.wants_reply for unit in units] == [False, True, True, True]


def test_a_receiver_that_dropped_what_it_held_gets_it_again():
    transfer, _payload = transfer_of(1000, unanswered_max=1000)
    sent(transfer, 255)
    transfer.receive_control(progress(transfer, 2, n_arrived=250, held=(1 << 255) - 1 & ~0x30))
    sent(transfer, 1, now=20_000.0)
    transfer.receive_control(progress(transfer, 15, n_arrived=251))
    assert [unit.index for unit in sent(transfer, 3, now=30_000.0)] == [0, 1, 2]


def test_blocks_that_are_done_get_no_more_units():
    transfer, _payload = transfer_of(20_000)
    n = transfer.n_data
    assert [place(unit.index, n)[0] for unit in sent(transfer, 6)] == [0, 1, 0, 1, 0, 1]
    transfer.receive_control(progress(transfer, 0, 3, n_arrived=6))
    assert {place(unit.index, n)[0] for unit in sent(transfer, 3, now=500.0)} == {1}


# --- controls ---------------------------------------------------------------------------------


def test_only_the_right_check_makes_it_delivered():
    transfer, _payload = transfer_of()
    sent(transfer, 1)
    assert transfer.receive_control(complete(transfer))
    assert (transfer.outcome, transfer.is_complete) == (Outcome.DELIVERED, True)
    assert transfer.next_unit(1e6) is None
    assert transfer.expected_units == 0
    for other in ({"check": 1}, {"n_data": 800}):
        transfer, _payload = transfer_of()
        assert transfer.receive_control(complete(transfer, **other))
        assert transfer.outcome is Outcome.ID_IN_USE


def test_refusals_end_it():
    for cause, outcome, is_retryable in (
        (RefusalCause.FULL, Outcome.FULL, True),
        (RefusalCause.TOO_LARGE, Outcome.REFUSED, False),
        (RefusalCause.CHECK, Outcome.REFUSED, False),
    ):
        transfer, _payload = transfer_of()
        refusal = Refusal(message_id=5, n_data=transfer.n_data, cause=cause)
        assert transfer.receive_control(pack(refusal))
        assert transfer.outcome is outcome
        assert outcome.is_retryable is is_retryable


def test_abandoning_is_said_once_and_a_late_acknowledgement_still_counts():
    transfer, _payload = transfer_of()
    transfer.abandon()
    assert transfer.next_unit(0.0) is None
    transfer, _payload = transfer_of()
    sent(transfer, 1)
    transfer.abandon()
    farewell = transfer.next_unit(60.0)
    assert farewell is not None
    assert parse(farewell) == Abandoned(message_id=5, n_data=transfer.n_data)
    assert transfer.next_unit(120.0) is None
    transfer.receive_control(progress(transfer, 3))
    assert transfer.outcome is Outcome.ABANDONED
    transfer.receive_control(complete(transfer))
    assert transfer.is_complete


def test_what_is_not_for_this_message_is_counted():
    transfer, _payload = transfer_of()
    others = [
        b"",
        complete(transfer, message_id=6),
        pack(Abandoned(message_id=5, n_data=transfer.n_data)),
        pack(Progress(message_id=5, n_data=3, n_arrived=0, needs=(1,), held=EMPTY)),
    ]
    assert not any(transfer.receive_control(unit) for unit in others)
    assert transfer.n_bad_controls == len(others)


EMPTY = HeldMap(start=0, stop=0, held=0)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.tuples(st.integers(1, 255), st.integers(0, (1 << 255) - 1), st.booleans()),
        ),
        max_size=20,
    )
)
def test_any_controls_are_safe_and_it_goes_on(controls):
    transfer, _payload = transfer_of(2000, unanswered_max=1000)
    now = 0.0
    for control in controls:
        if isinstance(control, bytes):
            transfer.receive_control(control)
            transfer.receive_control(b"\xbd\x61\xd0\x00\x00\x05" + control)
        else:
            need, held, _flag = control
            transfer.receive_control(progress(transfer, need, n_arrived=need, held=held))
        now += SLOT_S
        if transfer.outcome is None:
            unit = transfer.next_unit(now)
            assert unit is not None
            assert len(unit) == UNIT_BYTES
            assert transfer.expected_units >= 1
            assert 0.0 <= transfer.measured_loss <= 0.9


def test_the_loss_is_measured():
    transfer, _payload = transfer_of(10_000, loss=0.1, loss_weight_units=10.0)
    assert transfer.measured_loss == pytest.approx(0.1)
    assert transfer.expected_units == math.ceil(141 / 0.9)
    sent(transfer, 20)
    transfer.receive_control(progress(transfer, 131, n_arrived=10))
    assert transfer.measured_loss == pytest.approx((1.0 + 10) / 30)
    assert transfer.expected_units == math.ceil(131 / (1 - 11 / 30))


# --- end to end -------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [0.0, 0.2, 0.6])
@pytest.mark.parametrize(("n_bytes", "control_bytes"), [(0, 77), (60, 20), (15_700, 20)])
def test_every_size_arrives(loss, n_bytes, control_bytes):
    for seed in range(4):
        rng = random.Random(seed)
        transfer, payload = transfer_of(n_bytes)
        machine = Reassembler(control_bytes=control_bytes)
        assert exchange(transfer, machine, lambda _now, rng=rng: rng.random() < loss) == [payload]
        assert transfer.outcome is Outcome.DELIVERED


@pytest.mark.parametrize("loss", [0.0, 0.25, 0.5])
def test_four_blocks_arrive_near_the_bound(loss):
    rng = random.Random(f"{loss}")
    transfer, payload = transfer_of(60_000)
    assert transfer.n_data > 3 * 224
    machine = Reassembler(control_bytes=UNIT_BYTES, limits=ReassemblyLimits(sender_bytes=1 << 20))
    assert exchange(transfer, machine, lambda _now: rng.random() < loss) == [payload]
    assert transfer.n_sent <= 1.1 * transfer.n_data / (1.0 - loss)


def test_an_outage_in_the_middle_is_survived():
    rng = random.Random(3)
    transfer, payload = transfer_of(4000)
    machine = Reassembler(control_bytes=UNIT_BYTES)

    def lose(now: float) -> bool:
        return 2000.0 < now < 40_000.0 or rng.random() < 0.1

    assert exchange(transfer, machine, lose) == [payload]
    assert transfer.outcome is Outcome.DELIVERED


def test_ten_kilobytes_at_20_percent_loss_stay_within_1_15_of_the_bound():
    runs = []
    for seed in range(30):
        rng = random.Random(seed)
        runs.append(send_erasure_coded(rng.randbytes(PAYLOAD_BYTES), 0.2, rng))
    assert all(run.is_intact for run in runs)
    assert sum(run.n_units for run in runs) / len(runs) <= 1.15 * 129 / 0.8


# --- across a restart -------------------------------------------------------------------------


def restarted(transfer: OutgoingTransfer, payload: bytes) -> OutgoingTransfer:
    kept = msgspec.msgpack.encode(transfer.state())
    state = msgspec.msgpack.decode(kept, type=TransferState)
    return OutgoingTransfer.restore(state, payload, options=transfer.options)


def test_a_restart_changes_nothing_but_the_waits():
    rng = random.Random(8)
    one, payload = transfer_of(3000, unanswered_max=1000)
    other, _payload = transfer_of(3000, unanswered_max=1000)
    for slot in range(400):
        now = slot * SLOT_S
        other = restarted(other, payload)
        assert one.next_unit(now) == other.next_unit(now)
        if rng.random() < 0.1:
            held = rng.getrandbits(255)
            control = progress(one, rng.randrange(1, 43), n_arrived=rng.randrange(300), held=held)
            assert one.receive_control(control) is other.receive_control(control) is True
    assert one.state() == other.state()


def test_a_receiver_that_holds_more_than_a_restarted_sender_knows():
    transfer, payload = transfer_of(1000)
    sent(transfer, 5)
    old = restarted(transfer, payload)
    sent(transfer, 5, now=300.0)
    old.receive_control(progress(old, 5, n_arrived=10, held=0b11_1111_1111))
    assert [unit.index for unit in sent(old, 3, now=900.0)] == [10, 11, 12]


def test_a_receiver_that_lost_everything_gets_everything():
    transfer, payload = transfer_of(14_000, unanswered_max=1000)
    sent(transfer, 150)
    machine = Reassembler(control_bytes=UNIT_BYTES)
    transfer.receive_control(progress(transfer, transfer.n_data))
    assert exchange(transfer, machine, lambda _now: False) == [payload]


def test_a_state_is_held_against_its_payload():
    transfer, payload = transfer_of()
    with pytest.raises(EncodeError):
        OutgoingTransfer.restore(transfer.state(), payload + b"x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": 1.0},
        {"loss": -0.1},
        {"loss_weight_units": 0.0},
        {"probe_first_s": 9000.0},
        {"reply_s": -1.0},
        {"unanswered_max": 0},
    ],
)
def test_options_must_make_sense(wrong):
    with pytest.raises(ValueError):
        TransferOptions(**wrong)


def test_ids_have_16_bits():
    for message_id in (-1, 1 << 16):
        with pytest.raises(EncodeError):
            transfer_of(message_id=message_id)
