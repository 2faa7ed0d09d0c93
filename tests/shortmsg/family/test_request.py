"""Requests: recorded frames where there are some, else bytes put together by hand."""

import pytest

from bdgw.errors import EncodeError
from bdgw.shortmsg.family import MessageQueryKind, codec_of
from bdgw.shortmsg.vocabulary import Family, Form, OutgoingFrame, Service
from tests.shortmsg.family.real import data_of, real_frames
from tests.shortmsg.family.writer import bd1, line

BD1, BD2, BD3 = (codec_of(family) for family in Family)

RECORDED = [
    (BD1.read_card(), "2449434a43000c000000002b"),
    (BD1.read_subordinates(1), "2449434a43000c000000012a"),
    (BD1.self_check(), "2458545a4a000d000000000035"),
    (BD1.read_version(), "2442424451000b0000003a"),
    (BD2.read_card(), b"$CCICA,0,00*7B\r\n".hex()),
    (BD2.check_signal(), b"$CCRMO,BSI,2,1*27\r\n".hex()),
    (BD2.read_time(), b"$CCRMO,ZDA,2,0*21\r\n".hex()),
    (BD2.stop(), b"$CCRMO,,3,*4F\r\n".hex()),
    (BD3.read_card(), b"$CCICR,0,00*68\r\n".hex()),
    (BD3.read_time(), b"$CCRMO,ZDA,2,0*21\r\n".hex()),
    (BD3.stop(), b"$CCRMO,,3,*4F\r\n".hex()),
]
BY_HAND = [
    (BD1.check_signal(), bd1("GLJC", 0)),
    (BD1.read_time(), bd1("SJSC", 0, 0)),
    (BD1.stop(), bd1("JSZL", 0x55, 0x55, 0x55)),
    (BD1.query_messages(MessageQueryKind.NEWEST), bd1("TXSQ", 0x70, 0, 0, 0)),
    (BD1.query_messages(MessageQueryKind.BY_SENDER, 175607), bd1("TXSQ", 0x74, 2, 0xAD, 0xF7)),
    (BD1.query_messages(MessageQueryKind.RECEIPT, 175607), bd1("TXSQ", 0x78, 2, 0xAD, 0xF7)),
    (BD2.read_subordinates(2), line("CCICA,1,02")),
    (BD2.self_check(), line("CCRMO,ZTI,2,10")),
    (BD2.query_messages(MessageQueryKind.NEWEST), line("CCCXA,1,1,")),
    (BD2.query_messages(MessageQueryKind.BY_SENDER, 166166), line("CCCXA,1,2,0166166")),
    (BD2.query_messages(MessageQueryKind.RECEIPT, 166166), line("CCCXA,1,3,0166166")),
    (BD3.read_subordinates(1), line("CCICR,2,01")),
    (BD3.check_signal(), line("CCRMO,PWI,2,1")),
]


def _hanzi(text: str, to: int, **more) -> OutgoingFrame:
    content = text.encode("gbk")
    return OutgoingFrame(to=to, form=Form.HANZI, content=content, n_bits=8 * len(content), **more)


def _mixed(text: str, to: int, **more) -> OutgoingFrame:
    content = b"\xa4" + text.encode("gbk")
    return OutgoingFrame(to=to, form=Form.MIXED, content=content, n_bits=8 * len(content), **more)


def _code(digits: str, to: int, **more) -> OutgoingFrame:
    content = bytes.fromhex(digits + "0" * (len(digits) % 2))
    return OutgoingFrame(to=to, form=Form.CODE, content=content, n_bits=4 * len(digits), **more)


@pytest.mark.parametrize(("written", "recorded"), RECORDED)
def test_a_request_is_the_recorded_one(written, recorded):
    assert written.hex() == recorded


@pytest.mark.parametrize(("written", "by_hand"), BY_HAND)
def test_a_request_is_what_the_reference_says(written, by_hand):
    assert written == by_hand


def test_what_a_family_does_not_have_is_none():
    assert BD3.self_check() is None
    assert BD2.read_version() is None
    assert BD3.read_version() is None
    assert BD3.query_messages(MessageQueryKind.NEWEST) is None


SENT = [
    (BD1.send(_code("123ABC", 0)), "2454585351001500000046000000001800123abcf5"),
    (BD1.send(_hanzi("你好", 0)), "2454585351001600000044000000002000c4e3bac306"),
    (BD1.send(_mixed("你好", 0)), "2454585351001700000046000000002800a4c4e3bac3a9"),
    (BD1.send(_hanzi("1你好1 aA", 0)), "2454585351001b0000004400000000480031c4e3bac33120614163"),
]


@pytest.mark.parametrize(("written", "recorded"), SENT)
def test_messages_of_family_4_are_the_recorded_ones(written, recorded):
    assert written.hex() == recorded


def test_every_recorded_message_of_the_host_is_made_by_send():
    for entry in real_frames():
        if entry["type"] != "CCTXA" or not entry["checksum_ok"]:
            continue
        fields = entry["fields"]
        make = _code if fields["encoding"] == "code" else None
        frame = (
            make(fields["content"], int(fields["receiver"]))
            if make
            else _mixed(fields["content_text"], int(fields["receiver"]))
        )
        assert BD2.send(frame) == data_of(entry) + b"\r\n"


def test_the_fields_of_a_message_say_service_and_urgency():
    assert BD1.send(_hanzi("好", 5, is_express=True))[10] == 0x40
    assert BD1.send(_code("12", 5, is_express=True))[10] == 0x42
    assert BD2.send(_code("12", 5, is_express=True)) == line("CCTXA,0000005,0,1,12")
    assert BD2.send(_hanzi("好a", 5)) == line("CCTXA,0000005,1,0,好a")
    assert BD3.send(_code("12F", 4238473)) == line("CCTCQ,4238473,2,1,2,12F,0")
    assert BD3.send(_mixed("好", 4238473)) == line("CCTCQ,4238473,2,1,3,A4BAC3,0")
    assert BD3.send(_hanzi("好", 4238473, service=Service.GLOBAL)) == line(
        "CCTCQ,4238473,5,1,1,好,0"
    )


def test_an_odd_number_of_digits_is_four_bits_shorter():
    assert BD1.send(_code("123", 5)) == bd1("TXSQ", 0x46, 0, 0, 5, 0, 12, 0, 0x12, 0x30)


def test_a_message_of_14000_bits_goes_into_one_sentence():
    sentence = BD3.send(_code("5A" * 1750, 15240507))
    assert sentence == line("CCTCQ,15240507,2,1,2," + "5A" * 1750 + ",0")


REFUSED = [
    (BD1, _hanzi("好", 0x200000), "21 bits"),
    (BD2, _hanzi("好", 0x200000), "2097151"),
    (BD3, _hanzi("好", 10**12), "999999999999"),
    (BD1, _hanzi("好", 5, service=Service.GLOBAL), "regional"),
    (BD2, _hanzi("好", 5, service=Service.GLOBAL), "regional"),
    (BD3, _hanzi("好", 5, is_express=True), "express"),
    (BD1, _hanzi("", 5), "needs content"),
    (BD1, OutgoingFrame(to=5, form=Form.HANZI, content=b"ab", n_bits=12), "do not fit"),
    (BD1, OutgoingFrame(to=5, form=Form.CODE, content=b"ab", n_bits=8), "do not fit"),
    (BD1, OutgoingFrame(to=5, form=Form.CODE, content=b"ab", n_bits=14), "do not fit"),
    (BD2, OutgoingFrame(to=5, form=Form.MIXED, content=b"ab", n_bits=16), "A4"),
    (BD1, _mixed("x" * 2000, 5), "longer"),
    (BD3, _code("1" * 4100, 5), "more than a sentence"),
    *[(codec, _hanzi(f"a{c}b", 5), "汉字") for codec in (BD2, BD3) for c in ",*$\r\n\t\x00"],
]


@pytest.mark.parametrize(("codec", "frame", "why"), REFUSED)
def test_what_cannot_be_carried_is_refused(codec, frame, why):
    with pytest.raises(EncodeError, match=why):
        codec.send(frame)


@pytest.mark.parametrize("codec", [BD1, BD2])
def test_a_query_by_sender_needs_an_address_that_fits(codec):
    with pytest.raises(EncodeError):
        codec.query_messages(MessageQueryKind.BY_SENDER)
    with pytest.raises(EncodeError):
        codec.query_messages(MessageQueryKind.BY_SENDER, 0x200000)
