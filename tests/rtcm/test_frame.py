"""RTCM 3 frames: real ones of the reference, damaged ones, and the rules of the transport layer."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from bdgw.rtcm import frame as rtcm_frame
from bdgw.rtcm.frame import frame_rtcm3, message_number
from bdgw.wire.splitter import NEED_MORE, NOISE, Frame, Skipped, Splitter
from tests.conftest import shared_data

STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
FILLER = bytes.fromhex("d3000047ea4b")


def crc24q(data: bytes) -> int:
    register = 0
    for byte in data:
        register ^= byte << 16
        for _ in range(8):
            register = (register << 1) ^ (0x1864CFB if register & 0x800000 else 0)
    return register


def sealed(payload: bytes) -> bytes:
    head = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    return head + crc24q(head).to_bytes(3, "big")


def split(data: bytes) -> list[Frame | Skipped]:
    splitter = Splitter({rtcm_frame.PROTOCOL: (rtcm_frame.LEADS, frame_rtcm3)})
    splitter.receive(data, now=0.0)
    splitter.receive(b"", now=0.0)
    return list(splitter.events())


def vector_frames() -> list[tuple[int, bytes]]:
    vectors = json.loads(shared_data("vectors", "rtcm3.json").read_text(encoding="utf-8"))
    frames = []
    for row in vectors["frames"]:
        number = int(row["name"].split()[0])
        frames.append((number, bytes.fromhex(row["hex"])))
    return frames


def test_every_frame_of_the_vectors_is_whole_and_gives_its_number():
    frames = vector_frames()
    assert len(frames) >= 11
    for number, frame in frames:
        assert frame_rtcm3(frame, 0, False) == len(frame)
        assert frame_rtcm3(b"junk" + frame + b"more", 4, False) == len(frame)
        assert message_number(frame) == number


def test_pyrtcm_reads_the_same_numbers():
    for _, frame in vector_frames():
        _, parsed = next(RTCMReader(io.BytesIO(frame)))
        assert parsed.identity.split("(")[0] == str(message_number(frame))


def test_every_beginning_of_a_frame_waits_for_more_and_is_given_up_at_the_end():
    for length in range(1, len(STATION)):
        assert frame_rtcm3(STATION[:length], 0, False) == NEED_MORE
        answer = frame_rtcm3(STATION[:length], 0, True)
        assert answer == (NOISE if length < 3 else "incomplete")


@given(st.integers(0, len(STATION) * 8 - 1))
def test_any_flipped_bit_breaks_the_frame(bit):
    data = bytearray(STATION)
    data[bit // 8] ^= 1 << bit % 8
    assert not any(isinstance(event, Frame) for event in split(bytes(data)))


def test_a_wrong_checksum_advances_by_one_byte_and_not_by_the_length():
    """A frame that begins inside the claimed length of a damaged one is found."""
    outer = b"\xd3\x00\x40" + b"\x11" * 5
    for data in (outer + STATION + b"\x00" * 64, STATION[:-1] + b"\x00" + STATION):
        frames = [event.data for event in split(data) if isinstance(event, Frame)]
        assert frames == [STATION]


def test_a_frame_of_length_0_is_a_legal_filler_without_a_number():
    assert sealed(b"") == FILLER
    assert frame_rtcm3(FILLER, 0, False) == 6
    assert message_number(FILLER) is None
    assert [event.data for event in split(FILLER + STATION)] == [FILLER, STATION]


def test_a_payload_of_one_byte_has_no_number():
    frame = sealed(b"\x3e")
    assert frame_rtcm3(frame, 0, False) == 7
    assert message_number(frame) is None


@pytest.mark.parametrize("bit", [2, 3, 4, 5, 6, 7])
def test_a_frame_with_a_reserved_bit_set_is_no_frame_of_version_3(bit):
    head = bytearray(sealed(b"\x3e\xd0\x00")[:-3])
    head[1] |= 1 << bit
    data = bytes(head) + crc24q(bytes(head)).to_bytes(3, "big")
    assert frame_rtcm3(data, 0, False) == NOISE


@given(st.binary(max_size=1023))
def test_any_payload_comes_back_whole(payload):
    frame = sealed(payload)
    assert [event.data for event in split(frame)] == [frame]
    number = message_number(frame)
    if len(payload) >= 2:
        assert number == int.from_bytes(payload[:2], "big") >> 4
    else:
        assert number is None


def test_the_longest_frame_is_1029_bytes():
    frame = sealed(bytes(range(256)) * 4)[:-3]
    assert len(frame) == 3 + 1024  # a length of 1,024 does not fit its ten bits
    frame = sealed(b"\x46\x70" + bytes(1021))
    assert len(frame) == 1029
    assert frame_rtcm3(frame, 0, False) == 1029
