"""Ids: the vector of RFC 9562, and their order."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.shortmsg.message_id import IdMaker, made_at_utc_ns, message_id

# RFC 9562, appendix A.6: Tuesday, February 22, 2022 2:22:22.00 PM GMT-05:00.
RFC_MS = 0x017F22E279B0
RFC_RAND_A = 0xCC3
RFC_RAND_B = 0x18C4DC0C0C07398F
RFC_TEXT = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
TICK_NS = 1_000_000 / 4096
TIMES = st.integers(min_value=0, max_value=2**62)
BYTES = st.binary(min_size=8, max_size=8)


def test_the_vector_of_the_rfc_comes_out():
    # Any time in the 244 ns that 0xCC3 of 4096 parts of a millisecond stand for.
    utc_ns = RFC_MS * 1_000_000 + int((RFC_RAND_A + 0.5) * TICK_NS)
    assert message_id(utc_ns, RFC_RAND_B.to_bytes(8, "big")) == RFC_TEXT
    assert made_at_utc_ns(RFC_TEXT) // 1_000_000 == RFC_MS == 1645557742000


@given(TIMES, BYTES)
def test_pythons_own_parser_sees_a_version_7_and_the_time(utc_ns: int, random: bytes):
    text = message_id(utc_ns, random)
    parsed = uuid.UUID(text)
    assert (parsed.version, parsed.variant, str(parsed)) == (7, uuid.RFC_4122, text)
    assert parsed.int >> 80 == utc_ns // 1_000_000
    assert 0 <= utc_ns - made_at_utc_ns(text) <= TICK_NS + 1 or made_at_utc_ns(text) == utc_ns


@given(TIMES, TIMES, BYTES, BYTES)
def test_text_order_is_time_order(first: int, second: int, one: bytes, other: bytes):
    if second - first > TICK_NS + 1:
        assert message_id(first, one) < message_id(second, other)


@given(st.lists(st.integers(min_value=0, max_value=2_000_000), min_size=2, max_size=50), st.data())
def test_ids_ascend_whatever_a_clock_does_within_ten_seconds(offsets: list[int], data):
    maker = IdMaker(lambda n: data.draw(st.binary(min_size=n, max_size=n)))
    ids = [maker.make(1_800_000_000 * 10**9 + offset) for offset in offsets]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_a_clock_that_is_set_back_by_an_hour_is_followed():
    maker = IdMaker(bytes)
    late, early = 7200 * 10**9, 3600 * 10**9
    maker.make(late)
    assert made_at_utc_ns(maker.make(early)) == early


def test_a_clock_before_1970_makes_ids_all_the_same():
    maker = IdMaker(bytes)
    assert maker.make(-5) < maker.make(-5)


@pytest.mark.parametrize(("utc_ns", "random"), [(-1, bytes(8)), (1 << 80, bytes(8)), (0, bytes(7))])
def test_what_fits_no_id_is_refused(utc_ns: int, random: bytes):
    with pytest.raises(ValueError):
        message_id(utc_ns, random)


def test_another_kind_of_uuid_has_no_time():
    with pytest.raises(ValueError, match="version 7"):
        made_at_utc_ns(str(uuid.UUID(int=0)))
