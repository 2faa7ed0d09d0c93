import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.family.feedback import (
    MAX_INTERVAL_S,
    WAIT_READINGS,
    believable_wait_s,
    read_mmss,
    read_too_early,
)

# RDSS digest, 3.8: only e0 -> e0; only e3 -> e3; e1 and/or e3 -> minutes and seconds;
# else little-endian.
WAITS = [
    ((58, 0, 0, 0), 58),
    ((0, 0, 0, 58), 58),
    ((0, 1, 0, 5), 65),
    ((0, 2, 0, 0), 120),
    ((0x2C, 0x01, 0, 0), 300),
    ((0, 0, 0, 0), None),
    (tuple(b"TXSQ"), None),
    ((0, 0, 1, 0), None),
]


@pytest.mark.parametrize(("data", "seconds"), WAITS)
def test_the_waiting_time_of_flag_4_satisfies_all_sources(data, seconds):
    assert read_too_early(bytes(data)) == seconds


@given(st.integers(1, 255))
def test_each_source_is_read_as_it_writes(seconds):
    for data in (
        bytes((seconds, 0, 0, 0)),  # C, F, K
        bytes((0, 0, 0, seconds)),  # A
        (seconds // 60).to_bytes(2, "big") + (seconds % 60).to_bytes(2, "big"),  # E
        seconds.to_bytes(4, "little"),  # B
    ):
        assert read_too_early(data) == seconds


@given(st.binary(max_size=6))
def test_any_bytes_give_a_believable_time_or_none(data):
    seconds = read_too_early(data)
    assert seconds is None or 0 < seconds <= MAX_INTERVAL_S


def test_the_last_reading_always_applies():
    assert WAIT_READINGS[-1].applies(b"\xff\xff\xff\xff")
    assert len(WAIT_READINGS) == 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0040", 40),
        ("0058", 58),
        ("0130", 90),
        ("0075", 75),
        ("60", 60),
        ("0", 0),
        ("", None),
        ("12a4", None),
        ("1234567", None),
        ("１２", None),
    ],
)
def test_the_wait_of_family_2_is_minutes_and_seconds_or_seconds(text, seconds):
    assert read_mmss(text) == seconds


@pytest.mark.parametrize(
    ("said", "waits"), [(58, 58.0), (60, 60.0), (61, 60.0), (0, 60.0), (None, 60.0)]
)
def test_more_than_the_interval_is_not_believed(said, waits):
    assert believable_wait_s(said, interval_s=60) == waits
