"""Bits, checksum and frames, against published values and pyrtcm, in any pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader, calc_crc24q

from fwsim.rtcm_frame import BitReader, BitWriter, FrameReader, crc24q, frame
from tests.conftest import shared_data


def test_checksum_of_published_strings():
    rows = json.loads(shared_data("vectors", "rtcm3.json").read_text())["crc24q"]
    assert len(rows) == 3
    for row in rows:
        data = row["ascii"].encode() if "ascii" in row else bytes.fromhex(row["hex"])
        assert f"{crc24q(data):06x}" == row["crc_hex"].lower()


@given(st.binary(max_size=64))
def test_checksum_is_that_of_pyrtcm(data):
    assert crc24q(data) == calc_crc24q(data)


@given(st.binary(min_size=2, max_size=1023))
def test_pyrtcm_takes_our_frames(payload):
    data = frame(payload)
    assert len(data) == len(payload) + 6
    assert calc_crc24q(data) == 0


def test_a_payload_has_a_limit():
    frame(bytes(1023))
    with pytest.raises(ValueError, match="1024"):
        frame(bytes(1024))


FIELDS = st.lists(
    st.one_of(
        st.integers(1, 64).flatmap(
            lambda bits: st.tuples(st.just("u"), st.integers(0, 2**bits - 1), st.just(bits))
        ),
        st.integers(2, 64).flatmap(
            lambda bits: st.tuples(
                st.just("s"), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), st.just(bits)
            )
        ),
    ),
    max_size=12,
)


@given(FIELDS)
def test_fields_come_back(fields):
    out = BitWriter()
    for kind, value, bits in fields:
        (out.unsigned if kind == "u" else out.signed)(value, bits)
    text = "".join(f"{value & 2**bits - 1:0{bits}b}" for _, value, bits in fields)
    payload = out.payload()
    assert "".join(f"{byte:08b}" for byte in payload) == text.ljust(8 * len(payload), "0")
    reader = BitReader(payload)
    for kind, value, bits in fields:
        assert (reader.unsigned if kind == "u" else reader.signed)(bits) == value
    with pytest.raises(ValueError, match="left"):
        reader.unsigned(9)


@pytest.mark.parametrize(
    ("method", "value", "bits"),
    [("unsigned", 8, 3), ("unsigned", -1, 3), ("signed", 4, 3), ("sign_magnitude", -4, 3)],
)
def test_what_does_not_fit_is_refused(method, value, bits):
    with pytest.raises(ValueError, match="fit"):
        getattr(BitWriter(), method)(value, bits)


def test_sign_and_magnitude():
    out = BitWriter()
    out.sign_magnitude(-3, 5)
    out.sign_magnitude(3, 5)
    assert out.payload() == bytes((0b10011_000, 0b11_000000))


@given(
    st.lists(st.binary(min_size=2, max_size=60), min_size=1, max_size=5),
    st.lists(st.binary(max_size=9).filter(lambda noise: 0xD3 not in noise), min_size=6),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_frames_are_found_in_any_pieces_and_between_any_noise(payloads, noise, sizes):
    stream = b"".join(n + frame(p) for n, p in zip(noise, payloads, strict=False))
    reader = FrameReader()
    found = []
    at = 0
    while at < len(stream):
        size = sizes[at % len(sizes)]
        found += reader.feed(stream[at : at + size])
        at += size
    assert found == payloads
    assert reader.n_frames == len(payloads)
    assert reader.n_crc_failures == 0


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_are_survived_and_bounded(data, size):
    reader = FrameReader()
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    assert len(reader._buffer) < 1029


def test_a_bad_checksum_costs_one_byte_and_hides_no_later_frame():
    good = frame(bytes.fromhex("3ed00003") + bytes(15))
    bad = good[:8] + bytes((good[8] ^ 1,)) + good[9:]
    reader = FrameReader()
    # The bad frame's own body holds a whole good one.
    wrapped = b"\xd3\x00\x19" + good + b"\x00\x00\x00"
    assert reader.feed(bad + wrapped + good) == [good[3:-3], good[3:-3]]
    assert reader.n_crc_failures == 2


def test_pyrtcm_and_we_find_the_same_frames_in_a_capture():
    data = shared_data("gnss", "rtcm3", "sept.rtcm").read_bytes()
    with shared_data("gnss", "rtcm3", "sept.rtcm").open("rb") as stream:
        theirs = [raw[3:-3] for raw, _ in RTCMReader(stream, quitonerror=0) if raw is not None]
    assert len(theirs) > 50
    assert FrameReader().feed(data) == theirs
