import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.wire.checksum import crc24q, xor8
from tests.conftest import shared_data


def crc24q_bit_by_bit(data: bytes) -> int:
    register = 0
    for byte in data:
        register ^= byte << 16
        for _ in range(8):
            register <<= 1
            if register & 0x1000000:
                register ^= 0x1864CFB
    return register


def xor_byte_by_byte(data: bytes) -> int:
    total = 0
    for byte in data:
        total ^= byte
    return total


def test_crc24q_gives_the_check_value_of_the_catalogue():
    assert crc24q(b"123456789") == 0xCDE703
    assert crc24q(b"") == 0


def test_crc24q_gives_the_published_values():
    vectors = json.loads(shared_data("vectors", "rtcm3.json").read_text(encoding="utf-8"))
    for row in vectors["crc24q"]:
        data = bytes.fromhex(row["hex"]) if "hex" in row else row["ascii"].encode()
        assert f"{crc24q(data):06x}" == row["crc_hex"]


@given(st.binary(max_size=1100))
def test_crc24q_equals_the_bitwise_definition(data):
    assert crc24q(data) == crc24q_bit_by_bit(data)


@given(st.binary(max_size=300))
def test_crc24q_over_a_frame_with_its_checksum_is_zero(data):
    assert crc24q(data + crc24q_bit_by_bit(data).to_bytes(3, "big")) == 0


@given(st.binary(max_size=1100))
def test_xor8_equals_the_naive_loop(data):
    assert xor8(data) == xor_byte_by_byte(data)


@pytest.mark.parametrize(
    ("sentence", "checksum"),
    # u-blox M8 protocol specification, example of GGA; NovAtel OEM7 manual, example of GPGGA.
    [
        (b"GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,", 0x5B),
        (
            b"GPGGA,134658.00,5106.9792,N,11402.3003,W,2,09,1.0,1048.47,M,-16.27,M,08,AAAA",
            0x60,
        ),
    ],
)
def test_xor8_gives_the_checksum_of_printed_examples(sentence, checksum):
    assert xor8(sentence) == checksum
