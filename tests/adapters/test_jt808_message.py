"""Frames and bodies of JT/T 808: published ones to the bit, and as an independent reader sees them.

Published frames: the tests of SmallChi/JT808 and of hylexus/xtream-codec, and the digest of the
standard beside the project.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.adapters import jt808_message as message
from bdgw.adapters.frame import Refusal
from bdgw.adapters.gcj02 import gcj02_from_wgs84
from bdgw.adapters.jt808_frame import FrameStream, decode_frame, encode_frame
from bdgw.adapters.jt808_message import MessageId, Reply
from bdgw.adapters.spec import Edition, Jt808Terminal
from bdgw.errors import DecodeError, EncodeError
from bdgw.model import DeviceFix
from bdgw.shortmsg.jt808 import decode_location_frame
from fwsim import jt808_platform
from tests.adapters.fixes import a_fix, no_fix
from tests.adapters.test_record import TELLABLE
from tests.conftest import shared_data

TERMINAL = Jt808Terminal(
    device="rover-1",
    phone="13800138000",
    terminal_id="BD00001",
    maker_id="70111",
    model="BDGW-R1",
    is_acc_on=True,
    imei="860000000000018",
)
EDITIONS = st.sampled_from(Edition)


# Published frames


def test_a_registration_of_2013_is_as_published():
    # Where every field is full, there is no question of what fills it up.
    terminal = Jt808Terminal(
        device="x",
        phone="123456789000",
        terminal_id="CHI1230",
        maker_id="12340",
        model="smallchi123000000000",
        is_acc_on=False,
        province=40,
        city=50,
        plate="粤A12345",
        plate_color=1,
    )
    body = message.encode_registration(terminal, Edition.Y2013)
    frame = encode_frame(
        MessageId.REGISTER, body, phone="000123456789", serial=10, edition=Edition.Y2013
    )
    assert frame.hex() == (
        "7e0100002d000123456789000a002800323132333430736d616c6c636869313233303030303030303030"
        "4348493132333001d4c1413132333435ba7e"
    )


def test_a_registration_of_2019_is_as_published():
    terminal = Jt808Terminal(
        device="x",
        phone="123456789",
        terminal_id="CHI123".rjust(30, "0"),
        maker_id="1234".rjust(11, "0"),
        model="smallchi123".rjust(30, "0"),
        is_acc_on=False,
        province=40,
        city=50,
        plate="粤A12345",
        plate_color=1,
    )
    body = message.encode_registration(terminal, Edition.Y2019)
    frame = encode_frame(
        MessageId.REGISTER, body, phone=terminal.phone, serial=10, edition=Edition.Y2019
    )
    assert frame.hex() == (
        "7e010040540100000000000123456789000a002800323030303030303031323334303030303030303030"
        "30303030303030303030736d616c6c636869313233303030303030303030303030303030303030303030"
        "30303043484931323301d4c1413132333435b27e"
    )


def test_an_authentication_of_2013_is_as_published():
    body = message.encode_authentication("456121111", TERMINAL, Edition.Y2013, software="")
    frame = encode_frame(
        MessageId.AUTHENTICATE, body, phone="12345678900", serial=12345, edition=Edition.Y2013
    )
    assert frame.hex() == "7e010200090123456789003039343536313231313131be7e"


def test_a_heartbeat_of_2019_is_as_published():
    frame = encode_frame(
        MessageId.HEARTBEAT, b"", phone="13912344329", serial=0, edition=Edition.Y2019
    )
    assert frame.hex() == "7e0002400001000000000139123443290000377e"


def test_a_batch_is_as_published_but_for_its_kind():
    first, second = (
        bytes.fromhex(part)
        for part in (
            "000000010000000101d907f2073d336c029a00210059241029213903",
            "000000010000000101d907f3073d336d03090043005a241029213903",
        )
    )
    published = decode_frame(
        bytes.fromhex(
            "0704403f01000000000139123443290000000200001c000000010000000101d907f2073d336c029a0021"
            "0059241029213903001c000000010000000101d907f3073d336d03090043005a241029213903f8"
        )
    )
    body = message.encode_batch([first, second])
    assert body[:2] + b"\0" + body[3:] == published.body
    assert body[2] == 1  # reports of an area without coverage


def test_published_answers_are_understood():
    stream = FrameStream()
    general, registered, refused = stream.receive(
        bytes.fromhex(
            "7e8001400501000000000139123443290000006f020000dc7e"
            "7e81000009012345678900000a006400313233343536687e"
            "7e81000003012345678900000a006404617e"
        )
    )
    assert message.decode_reply(general.body) == Reply(serial=111, message_id=0x0200, result=0)
    assert message.decode_registration_reply(registered.body) == (100, 0, "123456")
    assert message.decode_registration_reply(refused.body) == (100, 4, "")
    assert stream.n_bad == 0


@pytest.mark.capture
def test_the_published_location_is_read_alike_by_both_readers():
    vectors = json.loads(shared_data("vectors", "jt808_sl651.json").read_text(encoding="utf-8"))
    for row in vectors["jt808"]["frames"][:2]:
        frame = bytes.fromhex(row["hex"])
        ours = decode_frame(frame[1:-1])
        theirs = jt808_platform.unpack(frame)
        assert ours.body == theirs.body
        assert jt808_platform.read_location(ours.body)["lat"] == row["lat_e6"] / 1e6


# Our frames, read by others


@given(EDITIONS, st.binary(max_size=1023), st.integers(0, 0xFFFF))
def test_what_is_written_is_read(edition: Edition, body: bytes, serial: int):
    frame = encode_frame(0x0200, body, phone="13800138000", serial=serial, edition=edition)
    assert 0x7E not in frame[1:-1]
    seen = jt808_platform.unpack(frame)
    assert (seen.number, seen.serial, seen.body) == (0x0200, serial, body)
    assert seen.phone.lstrip("0") == "13800138000"
    assert seen.is_2019 is (edition is Edition.Y2019)
    received = decode_frame(frame[1:-1])
    assert (received.serial, received.body, received.is_readable) == (serial, body, True)


@given(TELLABLE, EDITIONS, st.booleans())
def test_a_location_is_what_both_readers_see(item: DeviceFix, edition: Edition, is_acc_on: bool):
    terminal = Jt808Terminal(
        device="rover-1",
        phone="13800138000",
        terminal_id="1",
        maker_id="1",
        model="1",
        is_acc_on=is_acc_on,
    )
    body = message.encode_location(item, terminal, is_gcj02=False)
    assert isinstance(body, bytes)
    fix = item.fix
    assert fix.lat_deg is not None
    assert fix.lon_deg is not None
    seen = jt808_platform.read_location(body)
    assert seen["lat"] == pytest.approx(fix.lat_deg, abs=0.6e-6)
    assert (seen["lon"] - fix.lon_deg + 180) % 360 == pytest.approx(180, abs=0.6e-6)
    assert bool(seen["status"] & 1) is is_acc_on
    frame = encode_frame(0x0200, body, phone="13800138000", serial=1, edition=edition)
    other = decode_location_frame(frame)
    assert (other.lat_deg, other.lon_deg) == (seen["lat"], seen["lon"])
    assert other.time is not None


def test_a_location_in_full():
    body = message.encode_location(a_fix(), TERMINAL, is_gcj02=False)
    assert isinstance(body, bytes)
    assert jt808_platform.read_location(body) == {
        "alarm": 0,
        "status": 3,
        "is_positioned": True,
        "lat": 31.299402,
        "lon": 121.503313,
        "height": 8,
        "speed_km_h": 5.1,
        "direction": 271,
        "beijing": "261122160000",
        "extras": {0x31: b"\x1f"},
    }


def test_the_systems_of_the_solution_are_marked():
    body = message.encode_location(
        a_fix(), TERMINAL, is_gcj02=False, systems=frozenset({"C", "E", "J"})
    )
    assert isinstance(body, bytes)
    # 18 GPS, 19 BeiDou, 20 GLONASS, 21 Galileo; QZSS has no bit.
    assert jt808_platform.read_location(body)["status"] == 3 | 1 << 19 | 1 << 21


def test_south_west_and_below_the_sea():
    body = message.encode_location(
        a_fix(lat_deg=-33.5, lon_deg=-70.25, alt_msl_m=-3.0), TERMINAL, is_gcj02=False
    )
    assert isinstance(body, bytes)
    seen = jt808_platform.read_location(body)
    assert (seen["lat"], seen["lon"], seen["height"]) == (-33.5, -70.25, 0)


def test_gcj02_only_when_asked_and_it_is_marked():
    body = message.encode_location(
        a_fix(lat_deg=31.2304, lon_deg=121.4737), TERMINAL, is_gcj02=True
    )
    assert isinstance(body, bytes)
    seen = jt808_platform.read_location(body)
    assert (seen["lat"], seen["lon"]) == (31.228458, 121.478223)
    assert seen["status"] & 1 << 5


@pytest.mark.capture
def test_gcj02_is_as_an_independent_program_says():
    vectors = json.loads(shared_data("vectors", "coords.json").read_text(encoding="utf-8"))
    for row in vectors["gcj02_bd09"]:
        assert gcj02_from_wgs84(*row["wgs84"]) == pytest.approx(row["gcj02"], abs=2e-12)


def test_refusals():
    def of(item: DeviceFix) -> bytes | Refusal:
        return message.encode_location(item, TERMINAL, is_gcj02=False)

    assert of(no_fix()) is Refusal.NO_POSITION
    assert of(a_fix(t_gpst_ns=None)) is Refusal.NO_TIME
    assert of(a_fix(frame=None)) is Refusal.FRAME_UNKNOWN
    assert of(a_fix(frame="GCJ-02")) is Refusal.FRAME_NOT_WGS84
    assert of(a_fix(t_gpst_ns=0)) is Refusal.OUT_OF_RANGE
    assert of(a_fix(lat_deg=90.1)) is Refusal.OUT_OF_RANGE
    assert of(a_fix(lon_deg=float("nan"))) is Refusal.OUT_OF_RANGE


# A stream


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.data())
def test_any_cut_gives_the_same_messages(bodies: list[bytes], draw: st.DataObject):
    data = b"".join(
        encode_frame(0x8001, body, phone="1", serial=serial, edition=Edition.Y2013)
        for serial, body in enumerate(bodies)
    )
    stream, found = FrameStream(), []
    while data:
        n_bytes = draw.draw(st.integers(1, len(data)))
        found += stream.receive(data[:n_bytes])
        data = data[n_bytes:]
    assert [each.body for each in found] == bodies
    assert stream.n_bad == 0


@given(st.binary(max_size=200))
def test_any_bytes_before_a_frame_do_not_hide_it(junk: bytes):
    stream = FrameStream()
    frame = encode_frame(0x8001, b"12345", phone="1", serial=7, edition=Edition.Y2019)
    # The first flag ends the junk, if no flag of its own has.
    assert stream.receive(junk + b"\x7e" + frame)[-1].body == b"12345"


def test_a_stream_without_a_flag_is_not_kept():
    stream = FrameStream()
    for _ in range(100):
        stream.receive(b"x" * 1000)
    assert stream.n_bad > 0
    assert len(stream._buffer) < 3000


@given(st.binary(max_size=60))
def test_any_bytes_give_a_message_or_a_decode_error(data: bytes):
    for read in (decode_frame, message.decode_reply, message.decode_registration_reply):
        try:
            read(data)
        except DecodeError:
            continue


def test_what_is_too_long_is_refused():
    with pytest.raises(EncodeError):
        encode_frame(0x0200, bytes(1024), phone="1", serial=0, edition=Edition.Y2013)
    with pytest.raises(EncodeError):
        encode_frame(0x0200, b"", phone="1" * 13, serial=0, edition=Edition.Y2013)
    bodies = [bytes(31)] * 40
    assert message.batch_length(bodies) == 1020 // 33
    assert len(message.encode_batch(bodies[: message.batch_length(bodies)])) <= 1023
