"""Messages and feedback: recorded, or written by the offsets and fields of the reference."""

import pytest

from bdgw.shortmsg.vocabulary import (
    Accepted,
    Card,
    Form,
    Received,
    RefusalReason,
    Refused,
    Service,
    VendorFrame,
)
from tests.shortmsg.family.event_reading import (
    BD1,
    BD2,
    BD3,
    CARD_3,
    CARD_4,
    events,
    text_events,
)
from tests.shortmsg.family.writer import bd1, line

FEEDBACK_4 = [
    (0, b"TXSQ", Accepted(command="TXSQ")),
    (1, b"TXSQ", Refused(command="TXSQ", reason=RefusalReason.UNKNOWN, raw_reason=1)),
    (2, b"TXSQ", Refused(command="TXSQ", reason=RefusalReason.NO_LOCK, raw_reason=2)),
    (3, bytes(4), Refused(command=None, reason=RefusalReason.BATTERY, raw_reason=3)),
    (
        4,
        b"\x3a\0\0\0",
        Refused(command=None, reason=RefusalReason.TOO_EARLY, wait_s=58, raw_reason=4),
    ),
    (4, bytes(4), Refused(command=None, reason=RefusalReason.TOO_EARLY, raw_reason=4)),
    (5, bytes(4), Refused(command=None, reason=RefusalReason.CRYPTO, raw_reason=5)),
    (6, b"TXSQ", Refused(command="TXSQ", reason=RefusalReason.CRC, raw_reason=6)),
    (7, bytes(4), Refused(command=None, reason=RefusalReason.SUPPRESSED, raw_reason=7)),
    (8, bytes(4), Refused(command=None, reason=RefusalReason.SILENT, raw_reason=8)),
    (9, bytes(4), Refused(command=None, reason=RefusalReason.UNKNOWN, raw_reason=9)),
    (0xA1, bytes(4), Refused(command=None, reason=RefusalReason.UNKNOWN, raw_reason=0xA1)),
]


@pytest.mark.parametrize(("flag", "extra", "event"), FEEDBACK_4)
def test_feedback_of_family_4(flag, extra, event):
    assert events(BD1, bd1("FKXX", flag, *extra)) == (event,)


FEEDBACK_2 = [
    ("BDFKI,TXA,Y,Y,0,0040", Accepted(command="TXA")),
    (
        "BDFKI,DWA,N,Y,0,0058",
        Refused(command="DWA", reason=RefusalReason.TOO_EARLY, wait_s=58, raw_reason=0),
    ),
    ("BDFKI,TXA,N,Y,0,0000", Refused(command="TXA", reason=RefusalReason.UNKNOWN, raw_reason=0)),
    (
        "BDFKI,TXA,N,Y,1,0000",
        Refused(command="TXA", reason=RefusalReason.SUPPRESSED, raw_reason=1),
    ),
    ("BDFKI,TXA,N,Y,2,0000", Refused(command="TXA", reason=RefusalReason.BATTERY, raw_reason=2)),
    ("BDFKI,TXA,Y,Y,3,0000", Refused(command="TXA", reason=RefusalReason.SILENT, raw_reason=3)),
    ("BDFKI,TXA,N,Y,4,0000", Refused(command="TXA", reason=RefusalReason.UNKNOWN, raw_reason=4)),
    ("BDFKI,TXA,Y,Y,4,0000", Accepted(command="TXA")),
    # The inhibit field is left out.
    (
        "BDFKI,TXA,N,Y,0130",
        Refused(command="TXA", reason=RefusalReason.TOO_EARLY, wait_s=90),
    ),
    # The waiting time is left out.
    ("BDFKI,TXA,Y,Y,0", Accepted(command="TXA")),
    ("BDFKI,TXA,Y", Accepted(command="TXA")),
]
FEEDBACK_3 = [
    ("BDFKI,082920,TCQ,Y,0,0", Accepted(command="TCQ")),
    ("BDFKI,,TCQ,Y,0,0", Accepted(command="TCQ")),
    (
        "BDFKI,082920,TCQ,N,1,37",
        Refused(command="TCQ", reason=RefusalReason.TOO_EARLY, wait_s=37, raw_reason=1),
    ),
    (
        "BDFKI,082920,TCQ,N,2,0",
        Refused(command="TCQ", reason=RefusalReason.SUPPRESSED, raw_reason=2),
    ),
    (
        "BDFKI,082920,TCQ,N,3,0",
        Refused(command="TCQ", reason=RefusalReason.SILENT, raw_reason=3),
    ),
    (
        "BDFKI,082920,TCQ,N,4,0",
        Refused(command="TCQ", reason=RefusalReason.NO_LOCK, raw_reason=4),
    ),
    # Recorded: Y together with a reason.
    (
        "BDFKI,000000,TCQ,Y,5,0",
        Refused(command="TCQ", reason=RefusalReason.NO_CARD, raw_reason=5),
    ),
    (
        "BDFKI,082920,TCQ,N,6,0",
        Refused(command="TCQ", reason=RefusalReason.UNKNOWN, raw_reason=6),
    ),
    ("BDFKI,082920,TCQ,N,11,0", Refused(command="TCQ", reason=RefusalReason.CRC, raw_reason=11)),
    (
        "BDFKI,082920,TCQ,N,0,12",
        Refused(command="TCQ", reason=RefusalReason.TOO_EARLY, wait_s=12, raw_reason=0),
    ),
]


@pytest.mark.parametrize(("text", "event"), FEEDBACK_2 + FEEDBACK_3)
@pytest.mark.parametrize("codec", [BD2, BD3])
def test_feedback_of_both_families_of_sentences(text, event, codec):
    assert text_events(text, codec) == (event,)


def test_a_message_of_family_4():
    frame = bytes.fromhex("2454585858001a02adf74002adf700000030ced2b0aec4e30067")
    (received,) = events(BD1, frame, CARD_4)
    assert received == Received(
        sender=175607,
        form=Form.HANZI,
        content="我爱你".encode("gbk"),
        n_bits=48,
        raw=frame,
        is_intact=True,
    )


def test_a_stored_message_of_family_4_has_a_time_and_damage_is_told():
    frame = bd1("TXXX", 0x68, 2, 0xAD, 0xF7, 9, 5, 0, 12, 0x12, 0x3F, 1, user_address=7)
    (received,) = events(BD1, frame, CARD_4)
    assert (received.form, received.content, received.n_bits) == (Form.CODE, b"\x12\x30", 12)
    assert received.terminal_time == "09:05"
    assert received.is_intact is False
    assert received.to == 7


def test_a_copy_for_a_subordinate_says_for_whom_it_was():
    text = "BDTCI,4204986,4204990,2,142204,2,0,3A64"
    assert text_events(text)[0].to == 4204990
    assert text_events(text, card=CARD_3)[0].to == 4204990
    own = Card(address=4204990, interval_s=60, level=2)
    assert text_events(text, card=own)[0].to is None
    broadcast = Card(address=1, broadcast=4204990, interval_s=60, level=2)
    assert text_events(text, card=broadcast)[0].to is None


MESSAGES = [
    ("BDTXR,1,0179773,2,,A468656C6C6F", (179773, Form.MIXED, b"\xa4hello", 48, None)),
    ("BDTXR,1,4207733,1,2337,90AB1", (4207733, Form.CODE, b"\x90\xab\x10", 20, "2337")),
    ("BDTXR,1,0188134,1,,", (188134, Form.CODE, b"", 0, None)),
    ("BDTXR,1,0188134,1", (188134, Form.CODE, b"", 0, None)),
    ("BDTXR,3,0188134,0,,你好", (188134, Form.HANZI, "你好".encode("gbk"), 32, None)),
    # * , and $ within 汉字; two of them look like a checksum.
    (
        "BDTXR,1,0188134,0,,价*12,$5*AB 元",
        (188134, Form.HANZI, "价*12,$5*AB 元".encode("gbk"), 8 * 14, None),
    ),
    # The empty time is left out.
    ("BDTXR,1,0179773,2,A468", (179773, Form.MIXED, b"\xa4h", 16, None)),
    ("BDTCI,04204986,1,2,111143,2,0,FE2", (4204986, Form.CODE, b"\xfe\x20", 12, "111143")),
    ("BDTCI,4204986,1,2,,3,0,A4b1b1", (4204986, Form.MIXED, b"\xa4\xb1\xb1", 24, None)),
    ("BDTCI,4204986,1,2,,1,,北,斗", (4204986, Form.HANZI, "北,斗".encode("gbk"), 40, None)),
    # The field of unknown meaning is left out.
    ("BDTCI,4204986,1,2,111143,2,FE24", (4204986, Form.CODE, b"\xfe\x24", 16, "111143")),
]


@pytest.mark.parametrize(("text", "expected"), MESSAGES)
def test_messages_in_sentences(text, expected):
    (got,) = text_events(text)
    assert (got.sender, got.form, got.content, got.n_bits, got.terminal_time) == expected
    assert got.is_intact is None
    assert got.raw == line(text)


def test_lf4_is_the_global_service():
    assert text_events("BDTCI,1,2,5,000000,2,0,AB")[0].service is Service.GLOBAL
    assert text_events("BDTCI,1,2,2,000000,2,0,AB")[0].service is Service.REGIONAL


@pytest.mark.parametrize("text", ["BDTCI,1,2,2,111143,4,0,AB", "BDTXR,1,1,3,,AB"])
def test_a_form_that_nobody_knows_is_passed_on_whole(text):
    (event,) = text_events(text)
    assert isinstance(event, VendorFrame)
    assert event.raw == line(text)
