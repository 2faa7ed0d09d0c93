"""The bits of a unit, and what is not one."""

from __future__ import annotations

import binascii
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.errors import DecodeError, EncodeError
from bdgw.shortmsg.erasure import DATA_MAX, block_count, unit_count
from bdgw.shortmsg.held_map import HeldMap, pack_map, parse_map
from bdgw.shortmsg.segment import (
    CONTROL_BYTES_MIN,
    UNIT_BYTES_MIN,
    Abandoned,
    Complete,
    Progress,
    Refusal,
    RefusalCause,
    Segment,
    check_of,
    even_unit_bytes,
    join_payload,
    pack,
    pack_progress,
    parse,
    payload_bytes_max,
    split_payload,
)


def bits(*fields: tuple[int, int]) -> bytes:
    """Put (value, width) fields after each other, as the documentation lists them."""
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    return int(text, 2).to_bytes(len(text) // 8, "big")


HEAD = ((0xBD, 8), (1, 2))

GOLDEN = [
    (
        Segment(message_id=0xBEEF, n_data=141, index=254, chunk=b"xyz"),
        bits(*HEAD, (0, 2), (141, 10), (254, 10), (0xBEEF, 16)) + b"xyz",
    ),
    (
        Segment(message_id=1, n_data=1, index=0, chunk=b"\x00", wants_reply=True),
        bits(*HEAD, (1, 2), (1, 10), (0, 10), (1, 16), (0, 8)),
    ),
    (
        Complete(message_id=7, n_data=141, check=0x01020304, n_arrived=150),
        bits(*HEAD, (2, 2), (141, 10), (1, 10), (7, 16), (150, 16), (0x01020304, 32)),
    ),
    (
        Refusal(message_id=7, n_data=141, cause=RefusalCause.TOO_LARGE),
        bits(*HEAD, (2, 2), (141, 10), (2, 10), (7, 16), (1, 8)),
    ),
    (Abandoned(message_id=7, n_data=9), bits(*HEAD, (3, 2), (9, 10), (0, 10), (7, 16))),
    (
        # Two blocks; held 10110110 from unit 0 on.
        Progress(
            message_id=7,
            n_data=300,
            n_arrived=5,
            needs=(148, 147),
            held=HeldMap(start=0, stop=8, held=0b01101101),
        ),
        bits(*HEAD, (2, 2), (300, 10), (0, 10), (7, 16), (5, 16), (148, 8), (147, 8))
        + bits((0, 2), (0, 1), (0, 3), (0, 10), (0b10110110, 8)),
    ),
    (
        # 100 held, 3 not, 40 held: the codes of 101, 3 and 40.
        Progress(
            message_id=7,
            n_data=200,
            n_arrived=140,
            needs=(60,),
            held=HeldMap(start=0, stop=143, held=(1 << 100) - 1 | ((1 << 40) - 1) << 103),
        ),
        bits(*HEAD, (2, 2), (200, 10), (0, 10), (7, 16), (140, 16), (60, 8))
        + bits((1, 2), (0, 1), (0, 3), (0, 10))
        + bits((0, 6), (101, 7), (0, 1), (3, 2), (0, 5), (40, 6), (0, 5)),
    ),
]


@pytest.mark.parametrize(("unit", "data"), GOLDEN, ids=lambda one: type(one).__name__)
def test_every_bit(unit, data):
    assert pack(unit) == data
    assert parse(data) == unit


@given(st.binary(max_size=90))
def test_any_bytes_are_a_unit_or_a_decode_error(data):
    for candidate in (data, b"\xbd" + data, b"\xbd" + bytes((0x40 | len(data) % 64,)) + data):
        try:
            unit = parse(candidate)
        except DecodeError:
            continue
        assert 1 <= unit.n_data <= DATA_MAX
        again = parse(pack(unit))
        if not isinstance(unit, Progress):
            assert again == unit


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xbd\x40\x10\x00\x00",
        b"\xa4" + GOLDEN[0][1][1:],
        bits((0xBD, 8), (0, 2), (0, 2), (5, 10), (0, 10), (1, 16), (1, 8)),
        bits(*HEAD, (0, 2), (0, 10), (0, 10), (1, 16), (1, 8)),
        bits(*HEAD, (0, 2), (897, 10), (0, 10), (1, 16), (1, 8)),
        bits(*HEAD, (0, 2), (5, 10), (255, 10), (1, 16), (1, 8)),
        bits(*HEAD, (0, 2), (5, 10), (0, 10), (1, 16)),
        bits(*HEAD, (2, 2), (5, 10), (3, 10), (1, 16), (1, 8)),
        bits(*HEAD, (2, 2), (5, 10), (1, 10), (1, 16), (1, 8)),
        bits(*HEAD, (2, 2), (5, 10), (2, 10), (1, 16), (3, 8)),
        bits(*HEAD, (2, 2), (5, 10), (0, 10), (1, 16), (9, 16), (0, 8), (0, 16)),
        bits(*HEAD, (2, 2), (5, 10), (0, 10), (1, 16), (9, 16), (4, 8), (2 << 14, 16)),
        bits(*HEAD, (2, 2), (5, 10), (0, 10), (1, 16), (9, 16), (4, 8), (1 << 10, 16)),
        bits(*HEAD, (2, 2), (5, 10), (0, 10), (1, 16), (9, 16), (4, 8), (254, 16), (0xFF, 8)),
        bits(*HEAD, (3, 2), (5, 10), (1, 10), (1, 16)),
    ],
    ids=[
        "empty", "short", "another record", "version", "count 0", "count", "index", "no content",
        "unknown control", "complete too short", "unknown cause", "needs nothing", "map form",
        "map reserved bits", "map beyond the last unit", "abandoned with an index",
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(data):
    with pytest.raises(DecodeError):
        parse(data)


@given(st.binary(max_size=400), st.integers(12, 210))
def test_a_payload_is_split_into_equal_units_and_joined(payload, unit_bytes):
    chunks = split_payload(payload, unit_bytes)
    assert {len(chunk) for chunk in chunks} == {unit_bytes - 6}
    assert len(chunks) == -(-(len(payload) + 5) // (unit_bytes - 6))
    assert b"".join(chunks)[-4:] == binascii.crc32(payload).to_bytes(4, "big")
    assert join_payload(chunks) == payload
    k = len(payload) % len(chunks)
    chunks[k] = bytes((chunks[k][0] ^ 0x10,)) + chunks[k][1:]
    assert join_payload(chunks) is None


@given(n_bytes=st.integers(1, 5000), unit_bytes=st.integers(UNIT_BYTES_MIN, 1750))
def test_even_units_are_as_many_and_no_shorter_ones_would_do(n_bytes, unit_bytes):
    if n_bytes > payload_bytes_max(unit_bytes):
        return
    payload = bytes(n_bytes)
    even = even_unit_bytes(n_bytes, unit_bytes)
    n_units = len(split_payload(payload, unit_bytes))
    assert UNIT_BYTES_MIN <= even <= unit_bytes
    assert len(split_payload(payload, even)) <= n_units
    if even > UNIT_BYTES_MIN:
        assert len(split_payload(payload, even)) == n_units
        assert (
            payload_bytes_max(even - 1) < n_bytes or len(split_payload(payload, even - 1)) > n_units
        )


def test_the_check_is_crc_32_of_ieee_802_3():
    # The check value that catalogues of CRCs print for it.
    assert check_of(b"123456789") == 0xCBF43926


def test_joining_zeros_gives_nothing():
    assert join_payload([bytes(20)]) is None


def test_what_is_too_large_or_too_small_is_told():
    most = payload_bytes_max(77)
    assert most == 896 * 71 - 5
    assert len(split_payload(bytes(most), 77)) == 896
    with pytest.raises(EncodeError, match="63612 bytes are over the 63611"):
        split_payload(bytes(most + 1), 77)
    with pytest.raises(EncodeError):
        split_payload(b"", 11)
    for wrong in (
        Segment(message_id=1 << 16, n_data=1, index=0, chunk=b"x"),
        Segment(message_id=1, n_data=1, index=255, chunk=b"x"),
        Segment(message_id=1, n_data=0, index=0, chunk=b"x"),
        Segment(message_id=1, n_data=1, index=0, chunk=b""),
    ):
        with pytest.raises(EncodeError):
            pack(wrong)


@given(st.data())
def test_a_map_says_what_is_held_as_far_as_it_goes(data):
    n_data = data.draw(st.sampled_from([1, 30, 141, 500, DATA_MAX]))
    n_units = unit_count(n_data)
    share = data.draw(st.sampled_from([0.0, 0.02, 0.3, 0.6, 0.97, 1.0]))
    rng = random.Random(data.draw(st.integers(0, 1000)))
    stop = data.draw(st.integers(0, n_units))
    start = data.draw(st.integers(0, stop))
    held = sum(1 << i for i in range(start, stop) if rng.random() < share)
    packed, cut = pack_map(HeldMap(start=start, stop=stop, held=held), 70)
    assert len(packed) <= 70
    read = parse_map(packed, n_units)
    assert read.start == start
    assert read.is_cut == (cut is not None)
    told = stop if cut is None else cut
    assert told > start or stop == start
    window = (1 << told) - (1 << start)
    assert read.held & window == held & window
    assert read.held & ~window == 0


def test_runs_win_where_little_is_lost_and_bits_where_much_is():
    few = sum(1 << i for i in range(900) if i not in (100, 500))
    half = sum(1 << i for i in range(500) if i % 2)
    few_packed, few_cut = pack_map(HeldMap(start=0, stop=900, held=few), 30)
    half_packed, half_cut = pack_map(HeldMap(start=0, stop=500, held=half), 70)
    assert (len(few_packed), few_packed[0] >> 6, few_cut) == (9, 1, None)
    assert (len(half_packed), half_packed[0] >> 6, half_cut) == (65, 0, None)


@given(st.data())
def test_a_progress_fits_the_card(data):
    n_data = data.draw(st.integers(1, DATA_MAX))
    max_bytes = data.draw(st.integers(CONTROL_BYTES_MIN, 210))
    stop = data.draw(st.integers(0, unit_count(n_data)))
    held = data.draw(st.integers(0, (1 << stop) - 1 if stop else 0))
    progress = Progress(
        message_id=data.draw(st.integers(0, 0xFFFF)),
        n_data=n_data,
        n_arrived=data.draw(st.integers(0, 1 << 20)),
        needs=tuple(data.draw(st.integers(1, 400)) for _ in range(block_count(n_data))),
        held=HeldMap(start=0, stop=stop, held=held),
    )
    packed, cut = pack_progress(progress, max_bytes)
    assert len(packed) <= max_bytes
    read = parse(packed)
    assert isinstance(read, Progress)
    assert read.needs == tuple(min(need, 255) for need in progress.needs)
    assert read.held.is_cut == (cut is not None)
    with pytest.raises(EncodeError):
        pack_progress(progress, CONTROL_BYTES_MIN - 1)
