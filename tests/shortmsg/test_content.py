"""Recognition of received contents: public frames, frames written by hand, and any bytes."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.shortmsg.bcd import decode_bcd_time
from bdgw.shortmsg.box import AviationTrack, BoxText, decode_box_text, decode_track
from bdgw.shortmsg.content import (
    BdgwRecord,
    BinaryContent,
    CodeContent,
    TextContent,
    recognise,
    recognise_content,
)
from bdgw.shortmsg.jt808 import VehicleReport, decode_location_frame
from bdgw.shortmsg.position_report import PositionReport, decode_position_report
from bdgw.shortmsg.sl651 import HydrologyFrame
from bdgw.shortmsg.vocabulary import Form, Received
from tests.conftest import shared_data

TRACK = bytes.fromhex(
    "BF0105784002C4BD0806F04EF002624A9C0082000000450CFFFF48FFFF2C00AA0001015718000000FFFF4000B7"
    "0000011C24000048FFFFB000A500020103300000B0000024008200030029"
)
BOX = bytes.fromhex("90000000000065C1FAF4B2E2CAD4")


def _code(content: bytes):
    return recognise_content(Form.CODE, content, 8 * len(content))


def _position(**over: int) -> bytes:
    """Write a report as a string of bits, from the layout of RDSS digest 3.10."""
    fields = {
        "hour": (12, 5),
        "minute": (34, 6),
        "second": (56, 6),
        "centisecond": (78, 7),
        "lon_degree": (121, 8),
        "lon_minute": (30, 6),
        "lon_second": (12, 6),
        "lon_tenth": (9, 4),
        "lat_degree": (31, 6),
        "lat_minute": (17, 6),
        "lat_second": (57, 6),
        "lat_tenth": (8, 4),
        "type": (0, 2),
        "height_sign": (1, 1),
        "height": (152, 14),
        "anomaly_sign": (0, 1),
        "anomaly": (11, 8),
    }
    bits = "10100000"
    for name, (value, width) in fields.items():
        bits += f"{over.get(name, value):0{width}b}"
    assert len(bits) == 104
    return int(bits, 2).to_bytes(13)


def test_position_report():
    report = _code(_position())
    assert isinstance(report, PositionReport)
    assert report.time_of_day == "12:34:56.78"
    assert report.lon_deg == pytest.approx(121 + 30 / 60 + 12.9 / 3600, abs=1e-12)
    assert report.lat_deg == pytest.approx(31 + 17 / 60 + 57.8 / 3600, abs=1e-12)
    assert (report.height_m, report.anomaly_m, report.raw_high_height) == (-152.0, 11.0, None)
    assert report.raw == _position()


def test_position_report_of_a_high_user_has_no_guess_of_a_unit():
    report = decode_position_report(_position(type=1, height_sign=0, height=3, anomaly=7))
    assert (report.height_m, report.anomaly_m) == (None, None)
    assert report.raw_high_height == (3 << 9 | 7)


@pytest.mark.parametrize(
    "over",
    [
        {"hour": 24},
        {"minute": 60},
        {"second": 61},
        {"centisecond": 100},
        {"lon_degree": 181},
        {"lon_degree": 180},
        {"lon_tenth": 10},
        {"lat_minute": 63},
        {"lat_tenth": 15},
        {"type": 2},
        {"type": 3},
    ],
)
def test_positions_that_cannot_be_are_binary(over):
    content = _code(_position(**over))
    assert isinstance(content, BinaryContent)
    assert content.almost


def test_position_behind_a4():
    body = _position()
    content = recognise_content(Form.MIXED, b"\xa4" + body, 8 * 14)
    assert isinstance(content, PositionReport)
    assert content.raw == b"\xa4" + body


def test_aviation_track():
    """The public frame, with its public reading."""
    line = next(
        row
        for row in shared_data("rdss", "frames.jsonl").read_text("utf-8").splitlines()
        if "aviation track" in row
    )
    fields = json.loads(line)["fields"]
    payload = fields["payload"]
    track = _code(bytes.fromhex(fields["content"]))
    assert isinstance(track, AviationTrack)
    assert track.raw == TRACK
    assert track.flight == payload["flight_id"]
    assert track.time == payload["time_utc"].replace("Z", "+00:00")
    assert (track.lon_deg, track.lat_deg) == (payload["lon_deg"], payload["lat_deg"])
    assert (track.altitude_m, track.raw_speed, track.heading_deg) == (
        payload["altitude_m"],
        payload["speed"],
        payload["heading"],
    )
    assert [
        [
            p.offset_s,
            round(p.lon_offset_deg * 1e6),
            round(p.lat_offset_deg * 1e6),
            p.altitude_m,
            p.raw_speed,
            p.heading_deg,
        ]
        for p in track.points
    ] == payload["points"]


def test_box_text():
    """The public frame of a box: 测试 at 2024-02-06 09:25:08 UTC."""
    text = _code(BOX)
    assert isinstance(text, BoxText)
    assert (text.phone, text.time, text.text) == (None, "2024-02-06T09:25:08+00:00", "测试")
    assert decode_box_text(BOX[:1] + bytes.fromhex("1380013800") + BOX[6:]).phone == "1380013800"


def test_hydrology_frame():
    frame = bytes.fromhex("7E7E00123456780112343080080200035910111549471B75D4")
    for form, content in ((Form.CODE, frame), (Form.MIXED, b"\xa4" + frame)):
        found = recognise_content(form, content, 8 * len(content))
        assert isinstance(found, HydrologyFrame)
        assert found.raw == content
    damaged = _code(frame[:-1] + b"\0")
    assert isinstance(damaged, BinaryContent)
    assert damaged.almost is not None
    assert "checksum of SL 651" in damaged.almost


def test_vehicle_reports():
    vectors = json.loads(shared_data("vectors", "jt808_sl651.json").read_text("utf-8"))
    for row in vectors["jt808"]["frames"]:
        frame = bytes.fromhex(row["hex"])
        for form, content in ((Form.CODE, frame), (Form.MIXED, b"\xa4" + frame)):
            report = recognise_content(form, content, 8 * len(content))
            assert isinstance(report, VehicleReport)
            assert report.phone == row["phone"]
            assert report.lat_deg == row["lat_e6"] / 1e6
            assert report.lon_deg == row["lon_e6"] / 1e6
            assert (report.height_m, report.direction_deg) == (row["alt_m"], row["dir"])
            assert report.speed_km_h == row["speed_0.1kmh"] / 10
            assert report.time == row["time_utc+8"]
            assert report.raw == content
            assert report.rest == b""
    first = decode_location_frame(bytes.fromhex(vectors["jt808"]["frames"][0]["hex"]))
    assert (first.serial, first.alarm_bits, first.status_bits) == (126, 1, 2)
    assert {f"{e.identifier:02x}": e.raw.hex() for e in first.extras} == (
        vectors["jt808"]["frames"][0]["extras"]
    )


def _vehicle(status: int, props: int = 28, lat: int = 31_000_000, more: bytes = b"") -> bytes:
    body = (
        (0).to_bytes(4)
        + status.to_bytes(4)
        + lat.to_bytes(4)
        + (121_000_000).to_bytes(4)
        + bytes(6)
        + bytes.fromhex("260102030405")
    )
    message = (
        bytes.fromhex("0200") + props.to_bytes(2) + bytes.fromhex("0138001380000001") + body + more
    )
    check = 0
    for byte in message:
        check ^= byte
    inner = (message + bytes([check])).replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")
    return b"\x7e" + inner + b"\x7e"


def test_signs_of_a_vehicle_position_are_in_its_status():
    south_west = decode_location_frame(_vehicle(0b1110))
    assert (south_west.lat_deg, south_west.lon_deg) == (-31.0, -121.0)
    unknown = decode_location_frame(_vehicle(0b1100))
    assert (unknown.lat_deg, unknown.lon_deg) == (None, None)


@pytest.mark.parametrize(
    "frame",
    [
        _vehicle(2, props=29),
        _vehicle(2, props=28 | 0x2000),
        _vehicle(2, props=28 | 0x0400),
        _vehicle(2, lat=90_000_001),
        _vehicle(2)[:-3] + b"\x7e",
        b"\x7e\x7d\x03\x7e",
        b"\x7e\x7e",
        b"\x7e",
    ],
)
def test_other_vehicle_frames_are_left_alone(frame):
    with pytest.raises(DecodeError):
        decode_location_frame(frame)
    assert isinstance(_code(frame), BinaryContent)


def test_cut_items_of_a_vehicle_report_are_kept():
    report = decode_location_frame(_vehicle(2, props=32, more=bytes.fromhex("300130" + "31")))
    assert ([e.raw.hex() for e in report.extras], report.rest.hex()) == (["30"], "31")


def test_records_of_peers():
    """Second byte: the two highest bits tell, as ``segment`` (01) and ``seal`` (10) write it."""
    for content, record in (
        ("BD40", "unit"),
        ("BD7F00", "unit"),
        ("BD80", "sealed"),
        ("BDBF", "sealed"),
        ("BD00", None),
        ("BDC0", None),
    ):
        found = _code(bytes.fromhex(content))
        assert isinstance(found, BdgwRecord)
        assert found.record == record
    # 建 begins with BD: as text it is a text.
    jian = "建".encode("gbk")
    assert jian[0] == 0xBD
    assert isinstance(recognise_content(Form.HANZI, jian, 16), TextContent)
    assert isinstance(recognise_content(Form.MIXED, b"\xa4" + jian, 24), TextContent)
    assert isinstance(_code(b"\xbd"), BinaryContent)


def test_digits_and_what_they_spell():
    real = _code(bytes.fromhex("3132333433333335"))
    assert isinstance(real, CodeContent)
    assert (real.digits, real.ascii_text) == ("3132333433333335", "12343335")
    odd = recognise_content(Form.CODE, bytes.fromhex("1230"), 12)
    assert isinstance(odd, CodeContent)
    assert (odd.digits, odd.ascii_text) == ("123", None)
    letters = recognise_content(Form.CODE, bytes.fromhex("123ABC"), 24)
    assert isinstance(letters, BinaryContent)
    assert letters.digits == "123ABC"


def test_gbk_without_its_mark_is_a_guess():
    content = _code("测试报告".encode("gbk"))
    assert isinstance(content, BinaryContent)
    assert content.text_guess == "测试报告"


def test_control_characters_are_no_text():
    for form, content in ((Form.HANZI, b"\x01\x02"), (Form.MIXED, b"\xa4ab\x00")):
        assert isinstance(recognise_content(form, content, 8 * len(content)), BinaryContent)
    lines = recognise_content(Form.MIXED, b"\xa4a\r\n\tb", 48)
    assert isinstance(lines, TextContent)


def test_bcd_times():
    assert decode_bcd_time(bytes.fromhex("260229000000")) is None
    assert decode_bcd_time(bytes.fromhex("2402292359")) == "2024-02-29T23:59"
    assert decode_bcd_time(bytes.fromhex("24022923AB")) is None
    assert decode_bcd_time(b"") is None


def test_tracks_that_are_none():
    for wrong in (TRACK[:-1], TRACK[:5] + b"\x7f" * 70):
        with pytest.raises(DecodeError):
            decode_track(wrong)


MARKS = st.sampled_from(
    [
        b"",
        b"\xa4",
        b"\xa0",
        b"\x7e\x7e",
        b"\x7e",
        b"\xbf\x01",
        b"\x90",
        b"\xbd",
        b"\xa4\xa0",
        b"\xa4\x7e",
    ]
)


@given(
    form=st.sampled_from(Form),
    mark=MARKS,
    rest=st.binary(max_size=210),
    bits=st.none() | st.integers(-10, 2000),
)
def test_any_bytes_give_a_content_that_keeps_them(form, mark, rest, bits):
    content = mark + rest
    message = Received(
        sender=1,
        form=form,
        content=content,
        n_bits=8 * len(content) if bits is None else bits,
        raw=b"$",
    )
    found = recognise(message)
    assert found.raw == content
    # Every kind must go out as JSON.
    assert msgspec.json.decode(msgspec.json.encode(found))["kind"]


@given(
    source=st.sampled_from([TRACK, BOX, _position(), _vehicle(2)]),
    at=st.integers(0, 80),
    byte=st.integers(0, 255),
    cut=st.integers(0, 80),
)
def test_damaged_payloads_never_raise(source, at, byte, cut):
    data = bytearray(source)
    data[at % len(data)] = byte
    data = data[: max(1, len(data) - cut)]
    assert _code(bytes(data)).raw == bytes(data)
