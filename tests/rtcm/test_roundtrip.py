"""Frames made of any bits: decoded, held against pyrtcm, and written again bit for bit."""

import contextlib
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdgw.errors import DecodeError
from bdgw.rtcm import decode, encode
from bdgw.rtcm.frame import message_number
from bdgw.rtcm.head import DECODED_NUMBERS
from bdgw.rtcm.message import Unsupported
from tests.rtcm import wire
from tests.rtcm.corpus import capture_paths, frames_of, sampled
from tests.rtcm.sealing import sealed
from tests.rtcm.test_oracle import compare

NUMBERS = sorted(DECODED_NUMBERS)
EXAMPLES = 12
"""Of each of the 72 messages; their fields take their extremes often."""
few = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)

DIFFERENT_BITS = {
    ("eph.rtcm", 1020): "almanac health is set although the message says that it is not there",
    ("test_glo_eph.rtcm", 1020): "the same",
    ("testglo.rtcm3", 1020): "the same",
    ("geo++_LEI.rtcm", 1029): "counts the characters without the zero that ends the text",
    ("geo++_NOV.rtcm", 1029): "the same",
    ("geo++_TRM.rtcm", 1029): "the same",
    ("glo_day_rollover.rtcm", 1029): "the same",
    ("1107_frame.bin", 1107): "reserved bits are set",
    ("piksi-2Hz.rtcm3", 1085): "the bits that fill the last byte are not zero",
    ("piksi-2Hz.rtcm3", 1095): "the same",
    ("piksi-2Hz.rtcm3", 1125): "the same",
}
"""Recorded frames that do not come back bit for bit: capture and message, with the reason."""


@pytest.mark.capture
def test_recorded_frames_come_back_bit_for_bit():
    different = set()
    for path in capture_paths():
        for frame in sampled(path, 100):
            payload = frame[3:-3]
            again = encode(decode(frame))[3:-3]
            assert len(again) <= len(payload)
            if again != payload[: len(again)] or any(payload[len(again) :]):
                different.add((path.name, message_number(frame)))
    assert different == DIFFERENT_BITS.keys()


@pytest.mark.parametrize("number", NUMBERS)
def test_any_numbers_come_back_bit_for_bit(number):
    @few
    @given(wire.frames(number))
    def run(frame):
        payload = frame[3:-3]
        message = decode(frame)
        assert not isinstance(message, Unsupported)
        again = encode(message)[3:-3]
        assert again == payload[: len(again)]
        assert not any(payload[len(again) :])

    run()


@pytest.mark.parametrize("number", NUMBERS)
def test_any_numbers_are_what_pyrtcm_says(number):
    """Also of the messages that nobody recorded."""

    @few
    @given(wire.frames(number))
    def run(frame):
        compare(frame)

    run()


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_cut_short_is_refused_and_nothing_else_happens(number):
    """A prefix is taken only where it holds all that the message announces."""

    @settings(max_examples=3)
    @given(wire.frames(number))
    def run(frame):
        payload = frame[3:-3]
        whole = len(encode(decode(frame))) - 6
        for length in range(2, whole):
            with pytest.raises(DecodeError) as caught:
                decode(sealed(payload[:length]))
            assert str(number) in str(caught.value)
            assert caught.value.bit is not None
            assert caught.value.bit <= length * 8

    run()


@given(st.sampled_from(NUMBERS), st.binary(max_size=1021), st.integers(0, 15))
def test_any_payload_gives_a_value_or_a_decode_error(number, rest, low):
    began_s = time.process_time()
    with contextlib.suppress(DecodeError):
        decode(sealed((number << 4 | low).to_bytes(2, "big") + rest))
    assert time.process_time() - began_s < 0.5


@pytest.mark.capture
def test_flipped_bits_in_recorded_frames_raise_nothing_else():
    """One frame of each message; flips of every bit of its first bytes and of some behind."""
    chance = random.Random(3)
    of_number: dict[int | None, bytes] = {}
    for path in capture_paths():
        for frame in frames_of(path):
            of_number.setdefault(message_number(frame), frame[3:-3])
    refused = 0
    for payload in of_number.values():
        n_bits = len(payload) * 8
        places = [*range(min(n_bits, 200)), *(chance.randrange(n_bits) for _ in range(40))]
        for place in places:
            damaged = bytearray(payload)
            damaged[place // 8] ^= 0x80 >> place % 8
            try:
                decode(sealed(bytes(damaged)))
            except DecodeError:
                refused += 1
    assert refused > 100


@given(st.integers(0, 4095).filter(lambda n: n not in DECODED_NUMBERS), st.binary(max_size=50))
def test_what_is_not_decoded_keeps_its_bytes(number, rest):
    frame = sealed((number << 4).to_bytes(2, "big") + rest)
    message = decode(frame)
    assert message == Unsupported(number, frame[3:-3])
    assert encode(message) == frame


@pytest.mark.parametrize("payload", [b"", b"\x3e"])
def test_a_filler_has_no_number(payload):
    message = decode(sealed(payload))
    assert message == Unsupported(None, payload)
    assert encode(message) == sealed(payload)
