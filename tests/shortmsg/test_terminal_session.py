"""A session against simulated terminals of all families, in virtual time."""

from __future__ import annotations

import pytest

from bdgw.errors import EncodeError
from bdgw.shortmsg import terminal_event as says
from bdgw.shortmsg.interval import IntervalRules, SendMark
from bdgw.shortmsg.terminal import TerminalSpec
from bdgw.shortmsg.terminal_health import TerminalStatus
from bdgw.shortmsg.vocabulary import (
    CardRead,
    Family,
    Form,
    NoCard,
    OutgoingFrame,
    Received,
    RefusalReason,
    Service,
    SignalSeen,
)
from fwsim.rdss_card import Card as SimCard
from fwsim.rdss_manner import BARE, BOX, CHATTY, FORGETFUL, PLAIN, Manner
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_sentence import sentence
from fwsim.rdss_spec import NetworkSpec
from tests.shortmsg.terminal_rig import CARD, FAMILIES, OTHER_CARD, PEER, TEXT, Rig

S = TerminalStatus
MANNERS = {"plain": PLAIN, "chatty": CHATTY, "bare": BARE, "box": BOX, "forgetful": FORGETFUL}


def names(writes: list[tuple[float, bytes]]) -> list[bytes]:
    """The names of what went out."""
    return [data[1:6].split(b",")[0] for _, data in writes]


def between(rig: Rig, from_s: float, to_s: float) -> list[tuple[float, bytes]]:
    return [(at_s, data) for at_s, data in rig.writes if from_s < at_s < to_s]


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
@pytest.mark.parametrize("is_told", [True, False], ids=["told", "found"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_reads_the_card_and_sends(family, is_told, manner):
    rig = Rig(family, spec=TerminalSpec(family=family if is_told else None), manner=manner)
    rig.run(20.0)
    assert rig.session.family is family
    card = rig.session.card
    assert card is not None
    assert (card.address, card.broadcast, card.interval_s, card.level) == (175607, 11, 60, 3)
    assert rig.status() is S.READY
    assert len(rig.events(CardRead)) == 1
    first = rig.send()
    rig.run(20.0)
    assert isinstance(rig.outcome(first), says.Accepted)
    second = rig.send_when_possible()
    rig.run(20.0)
    assert isinstance(rig.outcome(second), says.Accepted)
    requested = [at_s for at_s, event in rig if isinstance(event, says.Requested)]
    assert requested[1] - requested[0] == pytest.approx(62.0)
    assert rig.sim.counters["too_early"] == 0
    assert rig.sim.counters["on_air"] == 2
    assert rig.sim.counters["harmful_commands"] == 0
    assert not rig.events(says.Rebooted)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_day_of_air_time_has_no_early_request(family):
    rig = Rig(family, manner=CHATTY)
    for _ in range(200):
        rig.send_when_possible()
        rig.run(16.0)
    assert rig.sim.counters["too_early"] == 0
    assert rig.sim.counters["on_air"] == 200
    assert rig.now < 200 * 63.0


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_asked_while_a_request_awaits_its_feedback(family):
    rig = Rig(family)
    for _ in range(20):
        rig.send_when_possible()
        rig.run(40.0)
    sent_s = None
    for at_s, event in rig:
        if isinstance(event, says.Requested):
            sent_s = at_s
        elif isinstance(event, says.Accepted):
            assert sent_s is not None
            assert between(rig, sent_s, at_s) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_after_a_restart_the_interval_goes_on(family):
    """The process starts anew 20 s after a request, with what it wrote down and without."""
    for is_kept in (True, False):
        rig = Rig(family)
        rig.run(10.0)
        rig.send()
        rig.run(20.0)
        marks = rig.session.marks if is_kept else ()
        again = Rig.__new__(Rig)
        again.__dict__.update(rig.__dict__)
        again.log, again.writes = [], []
        again.session = type(rig.session)(rig.spec, now=rig.now, marks=marks, first_ticket=9)
        again.run(5.0)
        ticket = again.send()
        again.run(5.0)
        outcome = again.outcome(ticket)
        assert ticket == 9
        assert outcome.reason is RefusalReason.TOO_EARLY
        assert outcome.is_by_terminal is not is_kept
        assert rig.sim.counters["too_early"] == (0 if is_kept else 1)
        ticket = again.send_when_possible()
        again.run(16.0)
        assert isinstance(again.outcome(ticket), says.Accepted)
        assert rig.sim.counters["too_early"] == (0 if is_kept else 1)


def test_a_mark_before_the_zero_of_the_clock_is_a_mark():
    mark = SendMark(service=Service.REGIONAL, at_s=-30.0)
    rig = Rig(Family.BD1, marks=(mark,))
    rig.run(5.0)
    assert rig.session.can_send_at(rig.now) == 32.0


@pytest.mark.parametrize("reading", ["little_endian", "first_byte", "last_byte", "minutes_seconds"])
def test_all_readings_of_a_4_0_waiting_time_lead_to_the_next_request(reading):
    manner = Manner(wait_reading=reading)
    card = SimCard(address=175607, interval_s=120)
    rig = Rig(Family.BD1, manner=manner, card=card)
    rig.run(5.0)
    rig.send()
    rig.run(20.0)
    rig.session = type(rig.session)(rig.spec, now=rig.now)
    rig.run(2.0)
    rig.send()
    rig.run(3.0)
    ticket = rig.send_when_possible()
    rig.run(20.0)
    assert isinstance([e for _, e in rig if isinstance(e, says.Accepted)][-1], says.Accepted)
    assert rig.sim.counters["too_early"] == 1
    assert ticket == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_without_feedback_the_fate_is_unknown_and_a_whole_interval_is_waited(family):
    rig = Rig(family)
    rig.run(10.0)
    rig.network.fault("ship", "lose_feedback")
    ticket = rig.send()
    rig.run(14.9)
    assert rig.session.is_sending
    rig.run(0.2)
    outcome = rig.outcome(ticket)
    assert isinstance(outcome, says.Unknown)
    assert outcome.mark.at_s == 25.0
    assert rig.session.can_send_at(rig.now) == 25.0 + 62.0
    rig.run(300.0)
    assert rig.outcome(ticket) is outcome


@pytest.mark.parametrize("family", FAMILIES)
def test_feedback_after_its_time_is_told_and_is_no_second_outcome(family):
    rig = Rig(family)
    rig.run(10.0)
    rig.network.fault("ship", "late_feedback", delay_s=30.0)
    ticket = rig.send()
    rig.run(60.0)
    assert isinstance(rig.outcome(ticket), says.Unknown)
    late = rig.events(says.LateFeedback)
    assert [(event.ticket, event.is_accepted) for event in late] == [(ticket, True)]
    late_s = next(at_s for at_s, event in rig if event is late[0])
    assert late_s > 40.0
    assert rig.session.can_send_at(rig.now) == late_s + 62.0
    rig.send_when_possible()
    assert rig.sim.counters["too_early"] == 0


@pytest.mark.parametrize("manner", [CHATTY, PLAIN, BARE], ids=["chatty", "plain", "bare"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_brown_out_in_mid_frame_leaves_the_fate_unknown(family, manner):
    rig = Rig(family, manner=manner)
    rig.run(10.0)
    rig.network.fault("ship", "brownout")
    ticket = rig.send()
    rig.run(40.0)
    assert isinstance(rig.outcome(ticket), says.Unknown)
    assert len(rig.events(says.Rebooted)) == (0 if manner is BARE else 1)
    assert rig.status() is S.READY
    again = rig.send_when_possible()
    rig.run(20.0)
    assert isinstance(rig.outcome(again), says.Accepted)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_restart_is_seen_and_the_terminal_is_set_up_again(family):
    rig = Rig(family, manner=CHATTY)
    rig.run(100.0)
    rig.network.fault("ship", "reboot")
    rig.run(20.0)
    assert len(rig.events(says.Rebooted)) == 1
    assert rig.statuses()[-2:] == ["rebooting", "ready"]
    n_signals = len(rig.events(SignalSeen))
    rig.run(70.0)
    assert len(rig.events(SignalSeen)) > n_signals


@pytest.mark.parametrize("family", FAMILIES)
def test_dead_is_noticed_within_two_minutes_and_so_is_its_return(family):
    rig = Rig(family)
    rig.run(100.0)
    rig.network.fault("ship", "dead", for_s=600.0)
    rig.run(120.0)
    assert rig.status() is S.DEAD
    assert "no byte" in rig.session.reason
    assert rig.session.can_send_at(rig.now) is None
    assert rig.outcome(rig.send()).reason is RefusalReason.BUSY
    n_writes = len(rig.writes)
    rig.run(400.0)
    assert len(rig.writes) - n_writes <= 60
    rig.run(130.0)
    assert rig.status() is S.READY
    assert isinstance(rig.outcome(_sent(rig)), says.Accepted)


def _sent(rig: Rig) -> int:
    ticket = rig.send_when_possible()
    rig.run(20.0)
    return ticket


def test_a_terminal_that_talks_and_hears_nothing_is_told_from_a_dead_one():
    rig = Rig(Family.BD3)
    rig.run(20.0)
    rig.network.fault("ship", "deaf", for_s=900.0)
    rig.run(330.0)
    assert rig.status() is S.NOT_LISTENING
    rig.run(700.0)
    assert rig.status() is S.READY


@pytest.mark.parametrize("family", FAMILIES)
def test_a_wrong_baud_rate_is_garbage(family):
    rig = Rig(family)
    rig.run(20.0)
    rig.network.fault("ship", "corrupt", p=1.0)
    for _ in range(60):
        rig.session.receive(bytes(range(0x80, 0xC0)), now=rig.now)
        rig.run(5.0)
    assert rig.status() is S.GARBAGE
    rig.network.fault("ship", "none")
    rig.run(60.0)
    assert rig.status() is S.READY


@pytest.mark.parametrize("family", FAMILIES)
def test_no_lock_is_refused_and_then_deafness(family):
    rig = Rig(family)
    rig.run(20.0)
    rig.network.fault("ship", "no_lock", for_s=600.0)
    ticket = rig.send()
    rig.run(1.0)
    outcome = rig.outcome(ticket)
    assert outcome.is_by_terminal
    if family is not Family.BD2:  # which has no word for it
        assert outcome.reason is RefusalReason.NO_LOCK
    assert outcome.wait_s == pytest.approx(15.0, abs=1.0)
    rig.run(300.0)
    assert rig.status() is S.DEAF
    assert rig.outcome(rig.send()).reason is RefusalReason.NO_LOCK
    rig.run(450.0)
    assert rig.status() is S.READY
    assert isinstance(rig.outcome(_sent(rig)), says.Accepted)


@pytest.mark.parametrize("kind", ["suppressed", "silent"])
@pytest.mark.parametrize("family", FAMILIES)
def test_suppressed_nothing_is_sent_and_messages_still_come(family, kind):
    rig = Rig(family)
    peer = Rig(Family.BD1, network=rig.network, name="shore", card=SimCard(address=PEER))
    rig.run(20.0)
    rig.network.fault("ship", kind, for_s=500.0)
    ticket = rig.send()
    rig.run(1.0)
    assert rig.outcome(ticket).reason is RefusalReason(kind)
    assert rig.status() is S.SUPPRESSED
    n_sends = rig.sim.counters[kind]
    for _ in range(7):
        assert rig.outcome(rig.send()).reason is RefusalReason(kind)
        rig.run(60.0)
    assert rig.sim.counters[kind] == n_sends
    peer.now = rig.now
    peer.run(5.0)
    peer.send(OutgoingFrame(to=175607, form=Form.CODE, content=b"\x12\x34", n_bits=16))
    rig.run(10.0)
    assert [event.content for event in rig.events(Received)] == [b"\x12\x34"]
    rig.run(700.0)
    assert rig.status() is S.READY
    assert isinstance(rig.outcome(_sent(rig)), says.Accepted)
    assert "may try" not in rig.session.reason


@pytest.mark.parametrize("kind", ["suppressed", "silent"])
def test_a_self_check_tells_of_suppression_and_of_its_end_without_a_request(kind):
    rig = Rig(Family.BD1)
    rig.run(20.0)
    rig.network.fault("ship", kind, for_s=400.0)
    rig.run(300.0)
    assert rig.status() is S.SUPPRESSED
    assert rig.session.can_send_at(rig.now) is None
    rig.run(165.0)
    assert rig.status() is S.READY
    assert "may try" not in rig.session.reason


def test_an_empty_battery_rests_a_minute():
    rig = Rig(Family.BD1)
    rig.run(20.0)
    rig.network.fault("ship", "battery")
    ticket = rig.send()
    rig.run(1.0)
    outcome = rig.outcome(ticket)
    assert outcome.reason is RefusalReason.BATTERY
    assert outcome.wait_s == pytest.approx(60.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_swapped_card_is_noticed_and_its_interval_holds(family):
    rig = Rig(family)
    rig.run(20.0)
    rig.send()
    rig.run(20.0)
    rig.network.fault("ship", "swap", card=OTHER_CARD, for_s=1.0)
    rig.run(310.0)
    changed = rig.events(says.CardChanged)
    assert [(event.before.address, event.card.address) for event in changed] == [(175607, 142020)]
    sent = []
    for _ in range(2):
        rig.send_when_possible()
        sent.append(rig.now)
        rig.run(20.0)
    assert sent[1] - sent[0] == pytest.approx(92.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_card_taken_out_and_put_back(family):
    rig = Rig(family)
    rig.run(20.0)
    rig.network.fault("ship", "remove")
    rig.run(330.0)
    assert rig.status() is S.NO_CARD
    assert len(rig.events(NoCard)) == (1 if rig.session.card is None else 0)
    assert rig.outcome(rig.send()).reason is RefusalReason.NO_CARD
    rig.network.fault("ship", "swap", card=CARD, for_s=0.0)
    rig.run(60.0)
    assert rig.status() is S.READY
    assert len(rig.events(CardRead)) == 2


@pytest.mark.parametrize("manner", [PLAIN, BARE], ids=["plain", "bare"])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_card_at_start_in_all_ways_of_saying_so(family, manner):
    rig = Rig(family, card=None, manner=manner)
    rig.run(60.0)
    assert rig.status() is S.NO_CARD
    rig.network.fault("ship", "swap", card=CARD, for_s=0.0)
    rig.run(100.0)
    assert rig.status() is S.READY


@pytest.mark.parametrize("n", [1, 40, 41, 250])
@pytest.mark.parametrize("family", [Family.BD1, Family.BD2])
def test_a_commander_reads_all_its_subordinates(family, n):
    addresses = tuple(range(500_000, 500_000 + n))
    rig = Rig(family, card=SimCard(address=175607, broadcast=11, subordinates=addresses))
    rig.run(60.0)
    assert rig.session.subordinates == addresses
    told = [(event.addresses, event.is_complete) for event in rig.events(says.SubordinatesRead)]
    assert told == [(addresses, True)]


def test_a_commander_gets_copies_that_say_whom_they_were_for():
    network = SimNetwork(NetworkSpec(copies="to"))
    boss = Rig(
        Family.BD1,
        network=network,
        name="boss",
        card=SimCard(address=175607, broadcast=11, subordinates=(142020,)),
    )
    sender = Rig(Family.BD2, network=network, name="shore", card=SimCard(address=PEER))
    sender.run(10.0)
    sender.send(OutgoingFrame(to=142020, form=Form.MIXED, content=b"\xa4a", n_bits=16))
    sender.run(20.0)
    sender.run(60.0)
    sender.send(OutgoingFrame(to=175607, form=Form.MIXED, content=b"\xa4b", n_bits=16))
    sender.run(20.0)
    boss.run(200.0)
    seen = [(event.content, event.sender, event.to) for event in boss.events(Received)]
    assert seen == [(b"\xa4a", PEER, 142020), (b"\xa4b", PEER, None)]


def test_a_box_that_answers_in_two_dialects_has_one_card_that_does_not_change():
    rig = Rig(Family.BD3, spec=TerminalSpec(), manner=BOX)
    rig.run(2000.0)
    assert rig.session.family is Family.BD3
    assert len(rig.events(CardRead)) == 1
    assert not rig.events(says.CardChanged)
    assert not rig.events(NoCard)


def test_the_global_service_has_its_own_interval():
    card = SimCard(address=4238473, interval_s=60, global_interval_s=300, global_level=1)
    rig = Rig(Family.BD3, card=card)
    rig.run(10.0)
    frame = OutgoingFrame(
        to=PEER, form=Form.CODE, content=b"\x12", n_bits=8, service=Service.GLOBAL
    )
    first = rig.send(frame)
    rig.run(20.0)
    assert isinstance(rig.outcome(first), says.Accepted)
    assert rig.session.can_send_at(rig.now) == rig.now
    assert rig.session.can_send_at(rig.now, service=Service.GLOBAL) == 10.0 + 302.0


def test_a_service_that_the_card_does_not_have_is_refused_for_good():
    rig = Rig(Family.BD3)
    rig.run(10.0)
    frame = OutgoingFrame(
        to=PEER, form=Form.CODE, content=b"\x12", n_bits=8, service=Service.GLOBAL
    )
    outcome = rig.outcome(rig.send(frame))
    assert (outcome.reason, outcome.reason.is_retryable) == (RefusalReason.NO_CARD, False)
    assert rig.session.can_send_at(rig.now, service=Service.GLOBAL) is None


@pytest.mark.parametrize("family", [Family.BD1, Family.BD2])
def test_an_express_interval_of_its_own(family):
    spec = TerminalSpec(family=family, intervals=IntervalRules(express_interval_s=20.0))
    rig = Rig(family, spec=spec)
    rig.run(10.0)
    rig.send()
    rig.run(16.0)
    assert rig.session.can_send_at(rig.now, is_express=True) == 32.0
    assert rig.session.can_send_at(rig.now) == 72.0


@pytest.mark.parametrize(
    "content", [b"$CCZHS,1*00", b"a$JJZH\x00", b"$ZHSQ", b"$CCJMS,E*00", b"$LZSZ"]
)
@pytest.mark.parametrize("family", FAMILIES)
def test_forbidden_commands_cannot_leave_even_inside_a_message(family, content):
    rig = Rig(family)
    rig.run(10.0)
    n_writes = len(rig.writes)
    frame = OutgoingFrame(to=PEER, form=Form.HANZI, content=content, n_bits=8 * len(content))
    with pytest.raises(EncodeError):
        rig.send(frame)
    assert len(rig.writes) == n_writes
    assert not rig.session.is_sending
    assert rig.session.can_send_at(rig.now) == rig.now
    assert rig.sim.counters["harmful_commands"] == 0
    assert rig.send(TEXT) == 1


@pytest.mark.parametrize(
    ("name", "starts_interval"), [("TXA", True), ("DWA", True), ("BSS", False)]
)
def test_what_a_box_sends_by_itself_starts_the_interval_too(name, starts_interval):
    rig = Rig(Family.BD2)
    rig.run(10.0)
    rig.session.receive(sentence("BDFKI", name, "Y", "Y", "0", "0060"), now=rig.now)
    at_s = rig.now + 62.0 if starts_interval else rig.now
    assert rig.session.can_send_at(rig.now) == at_s
    assert rig.session.n_stray_feedback == starts_interval


def test_one_request_at_a_time():
    rig = Rig(Family.BD2)
    rig.run(10.0)
    first, second = rig.send(), rig.send()
    outcome = rig.outcome(second)
    assert (outcome.reason, outcome.is_by_terminal) == (RefusalReason.BUSY, False)
    rig.run(20.0)
    assert isinstance(rig.outcome(first), says.Accepted)


def test_before_the_card_is_read_nothing_is_sent():
    rig = Rig(Family.BD1, card=None, manner=BARE)
    outcome = rig.outcome(rig.send())
    assert (outcome.reason, outcome.is_by_terminal) == (RefusalReason.BUSY, False)
    assert b"TXSQ" not in b"".join(data for _, data in rig.writes)


def test_the_end_of_the_port_is_the_end_of_the_session():
    rig = Rig(Family.BD1)
    rig.run(10.0)
    ticket = rig.send()
    rig.session.receive(b"", now=rig.now)
    rig.session.receive(b"$more", now=rig.now)
    rig.log += ((rig.now, event) for event in rig.session.events())
    assert isinstance(rig.outcome(ticket), says.Unknown)
    assert rig.session.is_over
    assert rig.session.deadline() is None
    assert rig.statuses()[-1] == "closed"
    assert rig.session.marks[0].at_s == rig.now


def test_a_message_that_comes_in_two_dialects_is_one():
    rig = Rig(Family.BD3)
    rig.run(10.0)
    twins = sentence("BDTXR", "1", "0142019", "2", "", "A43132")
    twins += sentence("BDTCI", "142019", "175607", "2", "101010", "3", "0", "A43132")
    rig.session.receive(twins, now=rig.now)
    rig.run(2.0)
    messages = rig.events(Received)
    assert len(messages) == 1
    assert rig.session.counters.n_twins == 1
