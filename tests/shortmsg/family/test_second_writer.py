"""The simulator wrote its terminals from the same reference, with encoders of its own."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.family import PORT_FRAMER, Codec, MessageQueryKind, codec_of
from bdgw.shortmsg.vocabulary import (
    Accepted,
    Card,
    CardRead,
    Family,
    NoCard,
    Received,
    RefusalReason,
    Refused,
    SelfCheckSeen,
    SignalSeen,
)
from bdgw.wire.splitter import Frame, Splitter
from fwsim import rdss_word as word
from fwsim.rdss_card import Card as SimCard
from fwsim.rdss_card import Content
from fwsim.rdss_card import Form as SimForm
from fwsim.rdss_manner import MANNERS, WAIT_READINGS, Manner
from fwsim.rdss_speak_bd1 import Bd1Speaker
from fwsim.rdss_speak_bd2 import Bd2Speaker
from fwsim.rdss_speak_bd3 import Bd3Speaker
from tests.shortmsg.family.strategies import outgoing

SPEAKERS: dict[Family, type[Any]] = {
    Family.BD1: Bd1Speaker,
    Family.BD2: Bd2Speaker,
    Family.BD3: Bd3Speaker,
}
AT = datetime(2026, 5, 4, 8, 49, 36, tzinfo=UTC)
OWN = Card(address=4238473, interval_s=60, level=2)
PAIRS = [(family, name) for family in Family for name in MANNERS]


def heard(codec: Codec, data: bytes) -> list[Any]:
    splitter = Splitter({"port": PORT_FRAMER})
    splitter.receive(data, now=0.0)
    splitter.receive(b"", now=0.0)
    frames = [event.data for event in splitter.events() if isinstance(event, Frame)]
    return [event for f in frames for event in codec.events(codec.decode(f), card=OWN)]


@given(outgoing, st.sampled_from(PAIRS), st.booleans())
def test_it_hears_what_we_send_and_we_hear_what_it_delivers(frame, pair, is_copy):
    family, manner = pair
    codec, speaker = codec_of(family), SPEAKERS[family](MANNERS[manner])
    (request,) = speaker.hear(codec.send(frame))
    assert isinstance(request, word.Send)
    assert (request.name, request.to, request.problem) == (codec.send_command, frame.to, None)
    form = request.content.form.value
    assert request.content.n_bits == frame.n_bits
    content = Content(form=SimForm(form), data=frame.content, n_bits=frame.n_bits)
    to = 99 if is_copy else OWN.address
    delivery = word.Delivery(sender=5, to=to, content=content, at_utc=AT, sent_utc=AT)
    (got,) = heard(codec, speaker.message(delivery, OWN.address))
    assert isinstance(got, Received)
    assert (got.sender, got.content, got.n_bits) == (5, frame.content, frame.n_bits)
    assert got.is_intact is not False
    if b"TXR" not in got.raw:  # a sentence of 2.1 does not say for whom it was
        assert got.to == (99 if is_copy else None)


@pytest.mark.parametrize(("family", "manner"), PAIRS)
def test_its_cards_are_read(family, manner):
    codec, speaker = codec_of(family), SPEAKERS[family](MANNERS[manner])
    sim = SimCard(address=175607, broadcast=11, interval_s=60, level=3, subordinates=(7, 8))
    (request,) = speaker.hear(codec.read_card())
    assert isinstance(request, word.ReadCard)
    cards = [e.card for e in heard(codec, speaker.card(request.name, sim))]
    assert cards
    for card in cards:
        assert (card.address, card.broadcast) == (175607, 11)
        assert (card.interval_s, card.level, card.is_encrypted) == (60, 3, False)
        assert card.n_subordinates == 2
    if family is not Family.BD1:
        assert set(heard(codec, speaker.card(request.name, None))) == {NoCard()}


REASONS = {
    word.Outcome.TOO_EARLY: RefusalReason.TOO_EARLY,
    word.Outcome.SUPPRESSED: RefusalReason.SUPPRESSED,
    word.Outcome.SILENT: RefusalReason.SILENT,
}


@pytest.mark.parametrize(("family", "manner"), PAIRS)
@pytest.mark.parametrize("outcome", REASONS)
def test_its_refusals_are_read(family, manner, outcome):
    codec, speaker = codec_of(family), SPEAKERS[family](MANNERS[manner])
    wait_s = 37.0 if outcome is word.Outcome.TOO_EARLY else 0.0
    said = word.Feedback(name=codec.send_command, outcome=outcome, at_utc=AT, wait_s=wait_s)
    (refused,) = heard(codec, speaker.feedback(said))
    assert isinstance(refused, Refused)
    assert refused.reason is REASONS[outcome]
    if outcome is word.Outcome.TOO_EARLY:
        assert refused.wait_s == 37.0


@pytest.mark.parametrize(("family", "manner"), PAIRS)
def test_its_acceptance_is_read(family, manner):
    codec, speaker = codec_of(family), SPEAKERS[family](MANNERS[manner])
    said = word.Feedback(
        name=codec.send_command, outcome=word.Outcome.ACCEPTED, at_utc=AT, next_s=60.0
    )
    assert heard(codec, speaker.feedback(said)) == [Accepted(command=codec.send_command)]


@pytest.mark.parametrize("reading", WAIT_READINGS)
@pytest.mark.parametrize("wait_s", [1, 37, 59, 60, 61, 90, 255])
def test_all_four_readings_of_its_waiting_time_give_what_it_meant(reading, wait_s):
    speaker = Bd1Speaker(Manner(wait_reading=reading))
    said = word.Feedback(
        name="TXSQ", outcome=word.Outcome.TOO_EARLY, at_utc=AT, wait_s=float(wait_s)
    )
    (refused,) = heard(codec_of(Family.BD1), speaker.feedback(said))
    assert refused.wait_s == wait_s


@pytest.mark.parametrize(("family", "manner"), PAIRS)
def test_its_beams_are_seen(family, manner):
    codec, speaker = codec_of(family), SPEAKERS[family](MANNERS[manner])
    beams = {2: 4, 5: 3} if family is not Family.BD3 else {2: 51, 16: 44}
    status = word.Status(card=None, at_utc=AT, beams=beams)
    (request,) = speaker.hear(codec.check_signal())
    assert isinstance(request, word.AskReport)
    seen = heard(codec, speaker.report(request.report, status))[0]
    assert isinstance(seen, SignalSeen)
    found = seen.codes if family is not Family.BD3 else seen.cn0_dbhz
    assert {beam: value for beam, value in found if value} == beams


def test_its_self_check_is_seen():
    for family in (Family.BD1, Family.BD2):
        codec, speaker = codec_of(family), SPEAKERS[family](MANNERS["plain"])
        (request,) = speaker.hear(codec.self_check())
        assert isinstance(request, word.AskReport)
        card = SimCard(address=7)
        status = word.Status(card=card, at_utc=AT, battery_percent=77, is_suppressed=True)
        seen = heard(codec, speaker.report(request.report, status))[0]
        assert isinstance(seen, SelfCheckSeen)
        assert seen.battery_percent == 77
        if family is Family.BD1:
            assert (seen.is_suppressed, seen.is_silent) == (True, False)


@pytest.mark.parametrize("family", [Family.BD1, Family.BD2])
@pytest.mark.parametrize("kind", MessageQueryKind)
def test_it_understands_our_queries(family, kind):
    speaker = SPEAKERS[family](MANNERS["plain"])
    query = codec_of(family).query_messages(kind, None if kind.value == "newest" else 77)
    (request,) = speaker.hear(query)
    assert isinstance(request, word.AskMessages)
    assert request.query.value == kind.value
    assert request.address == (0 if kind.value == "newest" else 77)


@pytest.mark.parametrize("family", Family)
def test_it_understands_that_it_must_be_quiet(family):
    (request,) = SPEAKERS[family](MANNERS["plain"]).hear(codec_of(family).stop())
    assert isinstance(request, word.Hush)
    assert request.report is None


def test_cards_of_both_dialects_of_a_box_say_the_same():
    speaker, codec = Bd3Speaker(MANNERS["box"]), codec_of(Family.BD3)
    sim = SimCard(address=4207733, interval_s=60, level=2)
    events = heard(codec, speaker.card("ICR", sim))
    assert len(events) == 2
    assert all(isinstance(event, CardRead) for event in events)
    assert {event.card.address for event in events} == {4207733}
