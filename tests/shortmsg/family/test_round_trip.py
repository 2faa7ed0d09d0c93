"""Laws of the codecs, over frames built by hypothesis and recorded frames that were damaged."""

from decimal import Decimal
from functools import reduce
from operator import xor
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.family import bd1_frame as bd1
from bdgw.shortmsg.family import bd2_sentence as bd2
from bdgw.shortmsg.family import bd3_sentence as bd3
from bdgw.shortmsg.family import codec_of, is_forbidden
from bdgw.shortmsg.family.bd1_layout import LAYOUTS
from bdgw.shortmsg.family.bd2_table import BD2_ROWS
from bdgw.shortmsg.family.bd3_table import BD3_ROWS
from bdgw.shortmsg.family.row import OtherSentence
from bdgw.shortmsg.vocabulary import Card, Family, Form, Received
from tests.shortmsg.family.real import data_of, real_frames
from tests.shortmsg.family.strategies import (
    BD1_FIELDS,
    HEX,
    SENTENCE_FIELDS,
    U8,
    bd1_frames,
    outgoing,
    sentences,
)

BD1, BD2, BD3 = (codec_of(family) for family in Family)
CARD = Card(address=5, broadcast=6, interval_s=60, level=3)


def test_every_frame_that_has_a_layout_is_built_here():
    assert {row.frame for row in LAYOUTS} == set(BD1_FIELDS) - {bd1.OtherFrame}
    assert {row.frame for row in BD2_ROWS + BD3_ROWS} == set(SENTENCE_FIELDS) | {bd3.SignalReport}


@given(bd1_frames())
def test_frames_of_family_4_go_round(frame):
    data = BD1.encode(frame)
    assert BD1.decode(data) == msgspec.structs.replace(frame, raw=data)
    BD1.events(BD1.decode(data), card=CARD)


@given(sentences(), st.sampled_from([BD2, BD3]))
def test_sentences_go_round(frame, codec):
    data = codec.encode(frame)
    assert codec.decode(data) == msgspec.structs.replace(frame, raw=data)
    codec.events(codec.decode(data), card=CARD)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=6), st.data())
def test_vendor_sentences_go_round(name, data):
    fields = data.draw(st.lists(HEX, min_size=1, max_size=5).map(tuple))
    frame = OtherSentence(address="BDX" + name[:3] + "X", fields=fields)
    written = BD2.encode(frame)
    assert BD2.decode(written) == msgspec.structs.replace(frame, raw=written)


@given(outgoing)
def test_what_is_sent_is_received_the_same_in_every_family(frame):
    sent: Any = BD1.decode(BD1.send(frame))
    report = bd1.MessageReport(
        info=0x40 if frame.form is Form.HANZI else 0x60,
        sender_address=sent.peer_address,
        length_bits=sent.length_bits,
        content=sent.content,
    )
    sent_2: Any = BD2.decode(BD2.send(frame))
    report_2 = bd2.MessageReport(
        info_type=1, sender=sent_2.receiver, form=sent_2.form, content=sent_2.content
    )
    sent_3: Any = BD3.decode(BD3.send(frame))
    report_3 = bd3.MessageReport(
        sender=sent_3.receiver, encoding=sent_3.encoding, content=sent_3.content
    )
    pairs = [(BD1, report), (BD2, report_2), (BD3, report_3)]
    for codec, copied in pairs:
        (got,) = codec.events(codec.decode(codec.encode(copied)))
        assert isinstance(got, Received)
        expected_form = frame.form
        if codec is BD1 and frame.form is Form.CODE and frame.content[:1] == b"\xa4":
            expected_form = Form.MIXED  # 4.0 tells the two apart by the A4 alone
        assert (got.sender, got.form) == (7, expected_form)
        assert (got.content, got.n_bits) == (frame.content, frame.n_bits)


REAL_4 = [data_of(e) for e in real_frames() if e["family"] == "bd1-4.0" and e["checksum_ok"]]
REAL_TEXT = [data_of(e) for e in real_frames() if e["family"] != "bd1-4.0" and e["checksum_ok"]]


@st.composite
def damaged(draw, frames, start: int, tail: int) -> bytes:
    """The inside of a recorded frame with bytes changed, taken out, put in or cut off."""
    body = bytearray(draw(st.sampled_from(frames))[start : -tail or None])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(body) - 1, 0)))
        how = draw(st.sampled_from(["change", "take", "put", "cut"]))
        if how == "put" or not body:
            body[at:at] = draw(st.binary(min_size=1, max_size=3))
        elif how == "change":
            body[at] = draw(U8)
        elif how == "take":
            del body[at]
        else:
            del body[at:]
    return bytes(body)


@given(st.sampled_from([row.name for row in LAYOUTS]), damaged(REAL_4, 7, 1))
def test_information_with_damage_gives_a_value_or_an_error(name, body):
    length = len(body) + 8
    head = b"$" + name.encode() + length.to_bytes(2, "big") + body
    frame = head + bytes((reduce(xor, head),))
    try:
        value = BD1.decode(frame)
    except DecodeError:
        return
    BD1.events(value, card=CARD)
    if not is_forbidden(frame):
        assert BD1.encode(value) == frame


@given(damaged(REAL_TEXT, 1, 3), st.sampled_from([BD2, BD3]))
def test_sentences_with_damage_give_a_value_or_an_error(body, codec):
    frame = b"$" + body + b"*%02X" % reduce(xor, body, 0)
    try:
        value = codec.decode(frame)
    except DecodeError:
        return
    codec.events(value, card=CARD)
    codec.subordinates(value)
    try:
        again = codec.decode(codec.encode(value))
    except EncodeError:
        return  # a request that holds what we would never write
    assert msgspec.structs.replace(again, raw=b"") == msgspec.structs.replace(value, raw=b"")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_an_error(data):
    for codec in (BD1, BD2, BD3):
        with pytest.raises(DecodeError):
            codec.decode(b"$" + data)


@pytest.mark.parametrize(
    "frame",
    [
        bd1.CardQuery(frame_no=256),
        bd1.CardQuery(user_address=1 << 24),
        bd1.SubordinateReport(frame_no=0, addresses=(1, 2)),
        bd1.MessageQuery(info=0x44),
        bd1.SendRequest(info=0x70, peer_address=1, length_bits=8, content=b"a"),
        bd1.ReceiptReport(address=1, receipts=((1, 2, 3, 4),) * 6),
        bd1.Feedback(flag=0, extra=b"TXS"),
        bd1.StopRequest(target=b"TX"),
        bd1.RateSetting(rate_code=8),
        bd1.Bd1Frame(),
        bd2.CardQuery(),
    ],
)
def test_values_that_do_not_fit_family_4_are_refused(frame):
    with pytest.raises(EncodeError):
        BD1.encode(frame)


@pytest.mark.parametrize(
    "frame",
    [
        bd2.SendRequest(receiver=-1, category=1, form=1, content=b"12"),
        bd2.SendRequest(receiver=1, category=1, form=0, content=b"1,2"),
        bd2.SendRequest(receiver=1, category=1, form=0, content=b"1*2"),
        bd2.SendRequest(receiver=1, category=1, form=0, content=b"1\r\n2"),
        bd2.OutputSetting(target="B,I", mode=2),
        bd2.OutputSetting(target="BSI", mode=2, interval_s=Decimal("NaN")),
        bd2.OutputSetting(target="\u20ac\U0001f600", mode=2),
        bd1.CardQuery(),
    ],
)
def test_values_that_do_not_fit_a_sentence_are_refused(frame):
    for codec in (BD2, BD3):
        with pytest.raises(EncodeError):
            codec.encode(frame)
