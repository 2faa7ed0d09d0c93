"""The receiver of long messages: rebuilds, acknowledges, keeps to its bounds."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.erasure import DATA_MAX, Encoder
from bdgw.shortmsg.reassembly import Reassembler
from bdgw.shortmsg.reassembly_state import (
    Completed,
    Missing,
    MissingCause,
    Progressed,
    ReassemblerState,
    ReassemblyEvent,
    ReassemblyLimits,
    Rejected,
    RejectedCause,
)
from bdgw.shortmsg.segment import (
    Abandoned,
    Complete,
    Progress,
    Refusal,
    RefusalCause,
    Segment,
    check_of,
    pack,
    parse,
    split_payload,
)

UNIT_BYTES = 26
PAYLOAD = bytes(range(200))
N = 11
"""205 bytes in pieces of 20."""


def units_of(
    payload: bytes = PAYLOAD, *, message_id: int = 5, unit_bytes: int = UNIT_BYTES
) -> list[Segment]:
    """The first 255 units of a message."""
    chunks = split_payload(payload, unit_bytes)
    encoder = Encoder(chunks)
    return [
        Segment(message_id=message_id, n_data=len(chunks), index=i, chunk=encoder.unit(i))
        for i in range(255)
    ]


def reassembler(**limits) -> Reassembler:
    return Reassembler(control_bytes=77, limits=ReassemblyLimits(**limits))


def give(machine: Reassembler, *segments: Segment, sender: int = 1, now: float = 0.0):
    return [event for one in segments for event in machine.receive(sender, pack(one), now)]


def controls(machine: Reassembler, now: float = 0.0):
    return [parse(due.unit) for due in machine.controls_due(now)]


def completed(events) -> list[bytes]:
    return [event.payload for event in events if isinstance(event, Completed)]


def causes(events) -> list[RejectedCause | MissingCause]:
    return [event.cause for event in events if isinstance(event, Rejected | Missing)]


@given(st.permutations(range(255)))
def test_any_units_in_any_order_rebuild_a_message_once_there_are_enough(order):
    units = units_of()
    assert units[0].n_data == N
    machine = reassembler()
    events = give(machine, *(units[i] for i in order[: N - 1]))
    assert [event.n_held for event in events if isinstance(event, Progressed)] == [*range(1, N)]
    assert not machine.has_controls_due
    events = give(machine, units[order[0]], units[order[N - 1]], now=7.0)
    (event,) = events
    assert event == Completed(
        sender=1, message_id=5, payload=PAYLOAD, n_data=N, n_arrived=N + 1, duration_s=7.0
    )
    assert machine.n_partial == machine.bytes_held == 0
    assert controls(machine) == [
        Complete(message_id=5, n_data=N, check=check_of(PAYLOAD), n_arrived=N + 1)
    ]


def test_a_complete_message_is_never_delivered_twice_and_acknowledged_when_it_is_asked_for():
    machine, units = reassembler(reply_s=20.0), units_of()
    give(machine, *units[:N])
    assert give(machine, *units) == []
    assert len(controls(machine, 10.0)) == 1
    give(machine, units[200], now=29.0)
    assert not machine.has_controls_due
    give(machine, units[201], now=30.0)
    (again,) = controls(machine, 31.0)
    assert again == Complete(message_id=5, n_data=N, check=check_of(PAYLOAD), n_arrived=N + 255 + 2)


def test_messages_of_one_sender_and_of_two_do_not_mix():
    machine = reassembler()
    one, two, other = units_of(), units_of(b"other" * 30, message_id=6), units_of(b"third" * 40)
    got = []
    for i in range(30):
        got += completed(give(machine, one[2 * i], two[i]))
        got += completed(give(machine, other[3 * i], sender=2))
    assert sorted(got) == sorted([PAYLOAD, b"other" * 30, b"third" * 40])


def test_a_sender_that_asks_is_told_what_is_needed():
    machine, units = reassembler(), units_of()
    give(machine, *units[:4], units[9])
    assert not machine.has_controls_due
    give(machine, msgspec.structs.replace(units[6], wants_reply=True))
    (control,) = controls(machine)
    assert isinstance(control, Progress)
    assert (control.needs, control.n_arrived) == ((N - 6,), 6)
    assert control.held.held == 0b1001001111
    assert controls(machine) == []


def test_controls_are_given_one_by_one_complete_messages_first():
    machine = reassembler()
    give(machine, msgspec.structs.replace(units_of(message_id=9)[0], wants_reply=True))
    give(machine, *units_of()[:N])
    give(machine, *units_of(message_id=6)[:N], sender=2)
    taken = [machine.controls_due(0.0, limit=1) for _ in range(4)]
    assert [[(due.to, due.message_id, due.is_final) for due in one] for one in taken] == [
        [(1, 5, True)],
        [(2, 6, True)],
        [(1, 9, False)],
        [],
    ]


def test_a_map_that_does_not_fit_is_told_in_turns():
    machine = Reassembler(control_bytes=20)
    payload = random.Random(1).randbytes(9000)
    chunks = split_payload(payload, 66)
    encoder = Encoder(chunks)
    held = random.Random(2).sample(range(200), 100)
    for i in held:
        asks = i == held[-1]
        segment = Segment(
            message_id=1, n_data=len(chunks), index=i, chunk=encoder.unit(i), wants_reply=asks
        )
        give(machine, segment)
    told, windows = 0, []
    for _ in range(3):
        (control,) = controls(machine)
        assert isinstance(control, Progress)
        told |= control.held.held
        windows.append((control.held.start, control.held.is_cut))
        give(machine, msgspec.structs.replace(segment, wants_reply=True))
    # Twenty bytes hold 72 bits of map.
    assert windows == [(0, True), (72, True), (144, False)]
    assert told == sum(1 << i for i in held)


def test_a_quiet_sender_is_prompted_ever_more_rarely_and_given_up_at_last():
    machine = reassembler(quiet_s=900.0, partial_s=20_000.0)
    give(machine, units_of()[0], now=100.0)
    at_s: list[float] = []
    events: tuple[ReassemblyEvent, ...] = ()
    while not events:
        now = machine.deadline()
        assert now is not None
        events = machine.tick(now)
        if controls(machine, now):
            at_s.append(now - 100.0)
    assert at_s == [900.0, 2700.0, 6300.0, 13500.0]
    assert now == 20_100.0
    assert events == (
        Missing(sender=1, message_id=5, n_held=1, n_data=N, cause=MissingCause.TIMEOUT),
    )
    assert (machine.deadline(), machine.bytes_held) == (None, 0)


def test_its_sender_may_abandon_a_message():
    machine = reassembler()
    give(machine, *units_of()[:3])
    assert machine.receive(1, pack(Abandoned(message_id=5, n_data=N + 1)), 0.0) == ()
    events = machine.receive(1, pack(Abandoned(message_id=5, n_data=N)), 0.0)
    assert events == (
        Missing(sender=1, message_id=5, n_held=3, n_data=N, cause=MissingCause.ABANDONED),
    )
    assert machine.receive(1, pack(Abandoned(message_id=5, n_data=N)), 0.0) == ()


# --- what does not fit ------------------------------------------------------------------------


def test_units_that_contradict_a_message_are_refused_until_they_are_the_rule():
    machine, units = reassembler(), units_of()
    give(machine, *units[:5])
    other = units_of(b"b" * 100)
    longer = units_of(PAYLOAD, unit_bytes=30)
    changed = msgspec.structs.replace(units[2], chunk=bytes(20))
    for wrong in (other[0], longer[0], units[6], changed, other[3]):
        expected = [] if wrong is units[6] else [RejectedCause.CONTRADICTION]
        assert causes(give(machine, wrong)) == expected
    assert causes(give(machine, other[4])) == [MissingCause.REPLACED]
    assert completed(give(machine, *other)) == [b"b" * 100]


def test_a_new_message_under_the_id_of_a_complete_one_is_answered_with_the_old_check():
    machine = reassembler()
    give(machine, *units_of()[:N])
    controls(machine)
    other = units_of(b"b" * 100)
    assert causes(give(machine, other[0], now=100.0)) == [RejectedCause.CONTRADICTION]
    (control,) = controls(machine, 100.0)
    assert control.check == check_of(PAYLOAD)


def test_a_damaged_unit_costs_two_more():
    machine, units = reassembler(), units_of()
    damaged = msgspec.structs.replace(units[3], chunk=bytes((1,)) + units[3].chunk[1:])
    events = give(machine, *units[:3], damaged, *units[4:N])
    assert causes(events) == [RejectedCause.CHECK]
    (control,) = controls(machine)
    assert control.needs == (2,)
    assert completed(give(machine, units[N])) == []
    assert completed(give(machine, units[N + 1])) == [PAYLOAD]


def test_a_message_that_never_fits_is_refused_after_three_times():
    machine = reassembler()
    rng = random.Random(4)
    events = []
    for i in range(3 * (N + 2)):
        junk = Segment(message_id=5, n_data=N, index=i, chunk=rng.randbytes(20))
        events += give(machine, junk)
    assert causes(events) == [RejectedCause.CHECK] * 5 + [MissingCause.CHECK]
    assert controls(machine) == [Refusal(message_id=5, n_data=N, cause=RefusalCause.CHECK)]
    assert machine.bytes_held == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=40))
def test_any_bytes_are_safe(units):
    machine = reassembler(sender_messages=2, total_messages=3, sender_bytes=4000)
    for second, (sender, data) in enumerate(units):
        for unit in (data, b"\xbd\x40" + data, b"\xbd\x50\x08" + data):
            machine.receive(sender, unit, float(second))
            machine.tick(float(second))
        assert machine.n_partial <= 3
        for due in machine.controls_due(float(second)):
            assert len(due.unit) <= 77
            parse(due.unit)


def test_controls_are_not_for_a_receiver():
    unit = pack(Complete(message_id=5, n_data=N, check=1, n_arrived=1))
    assert causes(reassembler().receive(1, unit, 0.0)) == [RejectedCause.CONTROL]


# --- bounds -----------------------------------------------------------------------------------


def test_a_message_that_could_never_be_held_is_refused_at_once():
    # 11 units and 2 spare ones of 20 bytes each, and the allowances.
    assert causes(give(reassembler(sender_bytes=512 + 13 * 84), units_of()[0])) == []
    tight = reassembler(sender_bytes=512 + 13 * 84 - 1)
    assert causes(give(tight, units_of()[0])) == [RejectedCause.TOO_LARGE]
    machine = reassembler()
    first = Segment(message_id=5, n_data=DATA_MAX, index=0, chunk=bytes(1744))
    assert causes(give(machine, first)) == [RejectedCause.TOO_LARGE]
    assert controls(machine) == [
        Refusal(message_id=5, n_data=DATA_MAX, cause=RefusalCause.TOO_LARGE)
    ]
    assert machine.bytes_held == 0


def test_a_hostile_sender_fills_only_its_own_share():
    machine = reassembler(sender_bytes=64_000, total_bytes=200_000)
    rng = random.Random(5)
    for message_id in range(1000):
        for index in range(20):
            hostile = Segment(message_id=message_id, n_data=100, index=index, chunk=bytes(71))
            give(machine, hostile, sender=666)
        assert machine.n_partial <= 4
        assert machine.bytes_held <= 64_000
    assert completed(give(machine, *units_of(), sender=1)) == [PAYLOAD]
    for sender in range(2, 100):
        index = rng.randrange(255)
        for message_id in range(4):
            for k in range(90):
                unit = Segment(
                    message_id=message_id, n_data=100, index=(index + k) % 255, chunk=bytes(71)
                )
                give(machine, unit, sender=sender)
        assert machine.bytes_held <= 200_000
    assert len(machine.controls_due(0.0)) <= 64 + 1


def test_no_room_is_told_and_idle_messages_make_room():
    machine = reassembler(sender_messages=2, idle_s=3600.0)
    for message_id in (1, 2):
        give(machine, units_of(message_id=message_id)[0], now=float(message_id))
    third = units_of(message_id=3)
    assert causes(give(machine, third[0], now=3600.0)) == [RejectedCause.SENDER_FULL]
    assert controls(machine) == [Refusal(message_id=3, n_data=N, cause=RefusalCause.FULL)]
    events = give(machine, third[0], now=3601.0)
    assert isinstance(events[0], Missing)
    assert (events[0].message_id, events[0].cause) == (1, MissingCause.DISPLACED)
    assert isinstance(events[1], Progressed)


def test_what_was_begun_can_be_finished_whatever_others_begin():
    full = 512 + 13 * 84
    machine = reassembler(total_bytes=2 * full)
    begun = [(sender, units_of(message_id=sender)) for sender in (1, 2)]
    for sender, units in begun:
        assert causes(give(machine, units[0], sender=sender)) == []
    assert causes(give(machine, units_of()[0], sender=3)) == [RejectedCause.FULL]
    assert controls(machine) == [Refusal(message_id=5, n_data=N, cause=RefusalCause.FULL)]
    for sender, units in begun:
        assert completed(give(machine, *units[1:N], sender=sender)) == [PAYLOAD]
    assert causes(give(machine, units_of()[0], sender=3)) == []


def test_the_messages_of_one_sender_share_its_room():
    machine = reassembler(sender_bytes=2 * (512 + 13 * 84) - 1)
    assert causes(give(machine, units_of()[0])) == []
    second = units_of(message_id=6)[0]
    assert causes(give(machine, second)) == [RejectedCause.SENDER_FULL]
    assert causes(give(machine, second, sender=2)) == []


def test_complete_messages_are_forgotten_by_number_and_by_age():
    machine = reassembler(sender_done=2, total_done=3, done_s=1000.0)
    for sender, message_id in ((1, 1), (1, 2), (1, 3), (2, 1), (3, 1)):
        give(machine, *units_of(message_id=message_id)[:N], sender=sender)
    kept = [(one.sender, one.message_id) for one in machine.state(0.0).done]
    assert kept == [(1, 3), (2, 1), (3, 1)]
    machine.tick(999.0)
    assert len(machine.state(0.0).done) == 3
    machine.tick(1000.0)
    assert machine.state(0.0).done == ()


@pytest.mark.parametrize(
    "wrong", [{"sender_messages": 0}, {"total_bytes": 0}, {"quiet_s": 0.0}, {"reply_s": -1.0}]
)
def test_limits_must_make_sense(wrong):
    with pytest.raises(ValueError):
        ReassemblyLimits(**wrong)
    with pytest.raises(ValueError):
        Reassembler(control_bytes=19)


# --- across a restart -------------------------------------------------------------------------


def restarted(machine: Reassembler, before: float, after: float) -> Reassembler:
    kept = msgspec.msgpack.encode(machine.state(before))
    state = msgspec.msgpack.decode(kept, type=ReassemblerState)
    return Reassembler.restore(state, after, control_bytes=77, limits=machine._limits)


def test_everything_survives_a_restart():
    machine, units = reassembler(partial_s=5000.0), units_of()
    give(machine, *units_of(message_id=4)[:N], now=50.0)
    asking = msgspec.structs.replace(units[3], wants_reply=True)
    give(machine, *units[:3], asking, now=100.0)
    machine = restarted(machine, 200.0, 9000.0)
    assert machine.bytes_held == 512 + 4 * 84
    assert [type(one) for one in controls(machine, 9000.0)] == [Complete, Progress]
    assert machine.tick(9000.0 - 100.0 + 4999.0) == ()
    (event,) = give(machine, *units[4:N], now=14_000.0)[-1:]
    assert isinstance(event, Completed)
    assert event.payload == PAYLOAD
    assert event.duration_s == 14_000.0 - 9000.0 + 100.0
    assert give(machine, *units_of(message_id=4)) == []


def test_a_search_for_a_damaged_unit_survives_a_restart():
    machine, units = reassembler(), units_of()
    give(machine, msgspec.structs.replace(units[0], chunk=bytes(20)), *units[1:N])
    machine = restarted(machine, 0.0, 0.0)
    assert completed(give(machine, *units[N:])) == [PAYLOAD]


def test_a_state_that_cannot_be_is_refused():
    machine = reassembler()
    give(machine, units_of()[0])
    (partial,) = machine.state(0.0).partials
    whole = tuple((i, bytes(20)) for i in range(N))
    for units in (((255, bytes(20)),), ((0, bytes(19)),), whole):
        wrong = msgspec.structs.replace(partial, units=units)
        with pytest.raises(ValueError):
            Reassembler.restore(ReassemblerState(partials=(wrong,), done=()), 0.0, control_bytes=77)
