"""Faults do what their names say, when they are told to, and the same with the same seed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwsim.faults import KINDS, Burst, Fault, FaultLine, hits
from fwsim.uart import Uart

LINES = b"".join(b"$GPTXT,%03d,the quick brown fox*00\r\n" % i for i in range(40))


def through(*faults, seed="0", data=LINES, times=(0.0,)):
    line = FaultLine(faults, seed=seed)
    return [line.apply(Burst(n=n, at_s=t, data=data)) for n, t in enumerate(times)], line


def test_without_faults_nothing_happens():
    (burst,), line = through()
    assert burst == Burst(n=0, at_s=0.0, data=LINES)
    assert line.applied == {}


def test_drop_loses_bytes_and_keeps_the_order_of_the_rest():
    bursts, line = through(Fault(kind="drop", p=0.01), times=range(30))
    lost = sum(len(LINES) - len(burst.data) for burst in bursts)
    expected = 0.01 * 30 * len(LINES)
    assert lost == pytest.approx(expected, abs=5 * math.sqrt(expected))
    for burst in bursts:
        rest = iter(LINES)
        assert all(byte in rest for byte in burst.data)  # a subsequence
        assert burst.is_intact == (burst.data == LINES)
    assert line.applied["drop"] == sum(not burst.is_intact for burst in bursts)


def test_flip_changes_bits_and_no_length():
    bursts, _ = through(Fault(kind="flip", p=0.001), times=range(30))
    flipped = sum(
        (a ^ b).bit_count() for burst in bursts for a, b in zip(LINES, burst.data, strict=True)
    )
    expected = 0.001 * 8 * 30 * len(LINES)
    assert flipped == pytest.approx(expected, abs=5 * math.sqrt(expected))


def test_cut_truncates_in_the_middle_so_that_the_next_sentence_sticks():
    (burst,), _ = through(Fault(kind="cut", p=0.2))
    assert not burst.is_intact
    whole = LINES.splitlines(keepends=True)
    # No line of the output is the beginning of one sentence only: it runs into the next.
    stuck = [line for line in burst.data.splitlines(keepends=True) if line not in whole]
    assert stuck
    for line in stuck[:-1]:
        assert line.endswith(tuple(whole))
        assert line.count(b"$") >= 2


def test_cut_of_everything_leaves_a_piece_of_every_sentence():
    (burst,), _ = through(Fault(kind="cut", p=1.0))
    assert burst.data.count(b"$") == 40
    assert b"\n" not in burst.data


def test_duplicate_repeats_whole_sentences_and_the_epoch_is_still_whole():
    (burst,), line = through(Fault(kind="duplicate", p=0.3))
    got = burst.data.splitlines()
    assert list(dict.fromkeys(got)) == LINES.splitlines()
    assert len(got) > 40
    assert burst.is_intact
    assert line.applied == {"duplicate": 1}


def test_delay_is_monotonic_and_lumps_arrive_together():
    times = [i / 10 for i in range(50)]
    late, _ = through(Fault(kind="delay", latency_s=0.3, jitter_s=1.0), times=times)
    out = [burst.at_s for burst in late]
    assert out == sorted(out)
    assert all(got - sent >= 0.3 for got, sent in zip(out, times, strict=True))
    lumps, _ = through(Fault(kind="delay", lump_s=2.0), times=times)
    assert sorted({burst.at_s for burst in lumps}) == [0.0, 2.0, 4.0, 6.0]
    assert all(burst.is_intact for burst in late + lumps)


def test_what_follows_a_delay_does_not_overtake_it():
    fault = Fault(kind="delay", latency_s=5.0, from_s=0.0, to_s=1.0)
    bursts, _ = through(fault, times=[0.0, 2.0, 6.0])
    assert [burst.at_s for burst in bursts] == [5.0, 5.0, 6.0]


def test_silence_lasts_exactly_its_span():
    bursts, _ = through(Fault(kind="silence", from_s=1.0, to_s=3.0), times=range(5))
    assert [bool(burst.data) for burst in bursts] == [True, False, False, True, True]
    assert [burst.is_intact for burst in bursts] == [True, False, False, True, True]


def test_faults_combine_and_each_keeps_its_own_chance():
    drop = Fault(kind="drop", p=0.01, to_s=10.0)
    alone, _ = through(drop, times=range(20))
    both, line = through(drop, Fault(kind="flip", p=0.001, from_s=10.0), times=range(20))
    assert [b.data for b in alone[:10]] == [b.data for b in both[:10]]
    assert set(line.applied) == {"drop", "flip"}
    assert line.applied["flip"] > 0


@given(seed=st.text(max_size=8), kind=st.sampled_from(["drop", "flip", "cut", "duplicate"]))
def test_same_seed_same_damage(seed, kind):
    fault = Fault(kind=kind, p=0.05)
    assert through(fault, seed=seed)[0] == through(fault, seed=seed)[0]


def test_other_seed_other_damage():
    fault = Fault(kind="drop", p=0.05)
    assert through(fault, seed="a")[0] != through(fault, seed="b")[0]


@given(size=st.integers(0, 500), p=st.floats(0.001, 1.0))
def test_hits_are_places_in_order(size, p):
    import random

    found = hits(random.Random(1), size, p)
    assert found == sorted(set(found))
    assert all(0 <= place < size for place in found)
    if p == 1.0:
        assert len(found) == size


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "melt"},
        {"kind": "drop"},
        {"kind": "drop", "p": 1.5},
        {"kind": "drop", "p": -0.1},
        {"kind": "delay", "latency_s": -1.0},
    ],
)
def test_nonsense_is_refused(settings):
    with pytest.raises(ValueError, match="fault"):
        Fault(**settings)


def test_every_kind_can_be_made():
    for kind in KINDS:
        Fault(kind=kind, p=0.5)


@given(
    baud=st.sampled_from([4800, 9600, 115_200]),
    sizes=st.lists(st.integers(0, 900), min_size=1, max_size=8),
)
def test_uart_keeps_every_byte_at_the_rate_of_the_line(baud, sizes):
    uart = Uart(baud, buffer_bytes=1 << 20)
    sent = [bytes([i]) * size for i, size in enumerate(sizes)]
    pieces = [piece for i, data in enumerate(sent) for piece in uart.send(i * 0.1, data)]
    assert b"".join(piece.data for piece in pieces) == b"".join(sent)
    ends = [piece.at_s for piece in pieces]
    assert ends == sorted(ends)
    total_s = sum(sizes) * 10 / baud
    if pieces:
        assert total_s - 1e-9 <= pieces[-1].at_s <= total_s + 0.1 * len(sizes)


def test_uart_takes_ten_bit_times_a_byte():
    pieces = Uart(9600).send(1.0, bytes(96))
    assert pieces[-1].at_s == pytest.approx(1.1)
    assert len(pieces) > 10


def test_uart_loses_what_the_buffer_cannot_hold():
    uart = Uart(9600, buffer_bytes=1000)
    kept = sum(len(piece.data) for i in range(5) for piece in uart.send(i * 0.1, bytes(500)))
    assert kept + uart.overrun_bytes == 2500
    assert uart.overrun_bytes > 0
    # In 0.4 s the line carries 384 bytes; with a full buffer of 1,000 that is all there can be.
    assert kept <= 1384 + 1


def test_uart_refuses_a_baud_rate_of_zero():
    with pytest.raises(ValueError, match="baud"):
        Uart(0)
