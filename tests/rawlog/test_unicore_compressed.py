"""OBSVMCMP: the book's examples, pyunigps, and the simulator, whose layout is its own."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyunigps import UNIReader

from bdgw.positioning.satellite import satellite_name_of, signal_code_of
from bdgw.rawlog.intake import RawIntake
from bdgw.rawlog.unicore_compressed import decode_obsvmcmp
from bdgw.recorded import read_recording
from bdgw.stream import BinaryFrame, Decoded, StreamDecoder
from bdgw.wire.splitter import Skipped
from fwsim.unicore_compressed import row
from fwsim.unicore_message import Signal, frame
from tests.rawlog.unicore_examples import (
    COMPRESSED,
    LINES,
    SECOND_ANTENNA,
    checksum_holds,
    compressed_frame,
    gpst_ns_of,
)
from tests.solving.streams import T0_GPST_NS, raw_rover

C_M_S = 299_792_458.0
L1_HZ = 1_575.42e6
GPS_L1, GLONASS_L1 = 0 << 16 | 1 << 10 | 1 << 12, 1 << 16 | 1 << 10 | 1 << 12


def cell_of(signal: Signal) -> Any:
    """A frame of one measurement, decoded: the epoch."""
    epoch = decode_obsvmcmp(frame(138, T0_GPST_NS, b"\x01\x00\x00\x00" + row(signal)))
    assert epoch is not None
    return epoch


def signal_of(range_m: float, cycles: float, **other: Any) -> Signal:
    plain = Signal(
        status=GPS_L1,
        number=7,
        channel=0,
        pseudorange_m=range_m,
        adr_cycles=-cycles,
        doppler_hz=0.0,
        cn0_dbhz=45.0,
        lock_s=10.0,
    )
    return replace(plain, **other)


@pytest.mark.parametrize("line", LINES)
def test_the_examples_are_as_they_were_sent(line: bytes) -> None:
    assert checksum_holds(line)
    assert not checksum_holds(line.replace(b"FINE", b"FIXE"))


@pytest.mark.parametrize("line", [COMPRESSED, SECOND_ANTENNA])
def test_every_phase_of_the_examples_is_aligned_with_its_range(line: bytes) -> None:
    """With another number of cycles to begin anew after, or another sign, they would be astray."""
    epoch = decode_obsvmcmp(compressed_frame(line))
    assert epoch is not None
    assert epoch.t_gpst_ns == gpst_ns_of(line)
    assert len(epoch.satellite) == {COMPRESSED: 15, SECOND_ANTENNA: 8}[line]
    off_m = epoch.phase_m - epoch.pseudorange_m
    assert max(abs(off_m)) < 15.0
    assert median(epoch.pseudorange_m.tolist()) > 2e7
    assert {signal_code_of(int(s)) for s in epoch.signal} <= {"2S", "2W", "5Q"}


def test_between_the_examples_range_phase_and_doppler_say_one_motion() -> None:
    """Eleven seconds lie between them, and their two antennas are near each other."""
    first, then = (decode_obsvmcmp(compressed_frame(one)) for one in (COMPRESSED, SECOND_ANTENNA))
    assert first is not None
    assert then is not None
    at = {int(cell): i for i, cell in enumerate(first.cell)}
    pairs = [(at[int(cell)], k) for k, cell in enumerate(then.cell) if int(cell) in at]
    assert len(pairs) == 8
    for i, k in pairs:
        wavelength_m = C_M_S / first.frequency_hz[i]
        rate_m_s = -wavelength_m * (first.doppler_hz[i] + then.doppler_hz[k]) / 2.0
        by_range_m_s = (then.pseudorange_m[k] - first.pseudorange_m[i]) / 11.0
        by_phase_m_s = (then.phase_m[k] - first.phase_m[i]) / 11.0
        assert by_range_m_s == pytest.approx(rate_m_s, abs=0.6)
        assert by_phase_m_s == pytest.approx(rate_m_s, abs=0.6)
        assert abs(rate_m_s) > 30.0


@pytest.mark.parametrize("data", [compressed_frame(COMPRESSED), raw_rover(1, "GRC", "unicore-cmp")])
def test_fields_are_those_of_pyunigps(data: bytes | tuple[bytes, ...]) -> None:
    """It has Doppler and phase without sign."""
    whole = data if isinstance(data, bytes) else data[0]
    decoder = StreamDecoder(protocols=("unicore",))
    decoder.receive(whole, now=0.0)
    found = [e for e in decoder.events() if isinstance(e, Decoded)]
    assert {type(e.message) for e in found} == {BinaryFrame}
    one = next(e.frame.data for e in found if e.message == BinaryFrame("OBSVMCMP", is_raw=True))
    ours, other = decode_obsvmcmp(one), UNIReader.parse(one, validate=1)
    assert ours is not None
    assert other.identity == "OBSVMCMP"
    assert other.numobs == len(ours.satellite)
    for i in range(other.numobs):
        n = f"_{i + 1:02d}"
        letter = "GRSEC"[getattr(other, f"gnss{n}")]
        prn = getattr(other, f"prn{n}") - (37 if letter == "R" else 0)
        assert satellite_name_of(int(ours.satellite[i])) == f"{letter}{prn:02d}"
        assert ours.pseudorange_m[i] == getattr(other, f"psr{n}")
        assert ours.doppler_hz[i] % 2**20 == getattr(other, f"doppler{n}")
        assert -ours.phase_cycles[i] % 2**23 == getattr(other, f"adr{n}") % 2**23
        assert ours.cn0_dbhz[i] == getattr(other, f"cno{n}")
        assert ours.lock_s[i] == getattr(other, f"locktime{n}")
        if letter == "R" and signal_code_of(int(ours.signal[i])) == "1C":
            channel = round((ours.frequency_hz[i] - 1602e6) / 0.5625e6)
            assert channel + 7 == getattr(other, f"glofreq{n}")


@given(
    st.floats(1.8e7, 4.5e7),
    st.floats(-9e4, 9e4),
    st.floats(-20_000.0, 20_000.0),
    st.floats(20.0, 51.0),
    st.floats(0.0, 60_000.0),
)
def test_a_measurement_comes_back_within_its_steps(
    range_m: float, off_m: float, doppler_hz: float, cn0_dbhz: float, lock_s: float
) -> None:
    cycles = (range_m + off_m) * L1_HZ / C_M_S
    found = cell_of(
        signal_of(range_m, cycles, doppler_hz=doppler_hz, cn0_dbhz=cn0_dbhz, lock_s=lock_s)
    )
    assert found.pseudorange_m[0] == pytest.approx(range_m, abs=1 / 256)
    assert found.phase_cycles[0] == pytest.approx(cycles, abs=1 / 512 + 1e-6)
    assert found.doppler_hz[0] == pytest.approx(doppler_hz, abs=1 / 512)
    assert found.cn0_dbhz[0] == pytest.approx(cn0_dbhz, abs=0.5)
    assert lock_s - 1 / 32 < found.lock_s[0] <= lock_s
    assert not found.is_half_cycle[0]
    assert not found.has_slipped[0]


@given(st.integers(-7, 6), st.integers(1, 24))
def test_glonass_channels_give_the_carrier(channel: int, slot: int) -> None:
    found = cell_of(signal_of(2e7, 0.0, status=GLONASS_L1, number=slot + 37, channel=channel + 7))
    assert satellite_name_of(int(found.satellite[0])) == f"R{slot:02d}"
    assert found.frequency_hz[0] == 1602e6 + channel * 0.5625e6


def test_what_is_weak_or_strong_or_long_stands_at_the_end_of_its_field() -> None:
    weak, strong = (cell_of(signal_of(2e7, 0.0, cn0_dbhz=value)) for value in (3.0, 70.0))
    assert (weak.cn0_dbhz[0], strong.cn0_dbhz[0]) == (20.0, 51.0)
    assert cell_of(signal_of(2e7, 0.0, lock_s=1e6)).lock_s[0] == (2**21 - 1) / 32


def test_what_is_not_locked_or_not_aligned_is_absent() -> None:
    cycles = 2e7 * L1_HZ / C_M_S
    unlocked = cell_of(signal_of(2e7, cycles, status=0))
    assert math.isnan(unlocked.pseudorange_m[0])
    assert math.isnan(unlocked.phase_cycles[0])
    astray = cell_of(signal_of(2e7, cycles + 1e6))
    assert astray.pseudorange_m[0] == 2e7
    assert math.isnan(astray.phase_cycles[0])
    nowhere = cell_of(signal_of(2e7, 1e8, status=GLONASS_L1, number=40, channel=40))
    assert math.isnan(nowhere.phase_cycles[0])


def test_a_frame_with_a_wrong_checksum_is_skipped_and_counted() -> None:
    (second,) = raw_rover(1, "GC", "unicore-cmp")
    bad = bytearray(second)
    bad[-1] ^= 1
    decoder = StreamDecoder()
    decoder.receive(second + bytes(bad), now=0.0)
    decoder.receive(b"", now=0.0)
    events = list(decoder.events())
    reasons = [e.reason for e in events if isinstance(e, Skipped)]
    assert reasons.count("bad_checksum") == 1
    messages = [e.message for e in events if isinstance(e, Decoded)]
    assert messages.count(BinaryFrame("OBSVMCMP", is_raw=True)) == 1


def test_of_both_kinds_the_first_of_an_instant_counts_and_the_other_stands_in() -> None:
    whole, compressed = (
        [data[data.rindex(b"\xaaD\xb5") :] for data in raw_rover(3, "GREC", language)]
        for language in ("unicore", "unicore-cmp")
    )
    wanted = read_recording(b"".join(whole)).epochs
    both = b"".join(whole[i] + compressed[i] for i in (0, 1)) + compressed[2]
    found = read_recording(both).epochs
    assert [one.t_gpst_ns for one in found] == [one.t_gpst_ns for one in wanted]
    assert found[1].phase_cycles.tolist() == wanted[1].phase_cycles.tolist()
    assert found[2].phase_cycles == pytest.approx(wanted[2].phase_cycles, abs=1 / 512 + 1e-6)
    assert found[2].cell.tolist() == wanted[2].cell.tolist()


@given(st.binary(max_size=120), st.integers(0, 5))
def test_no_payload_raises(payload: bytes, count: int) -> None:
    intake = RawIntake()
    for data in (payload, count.to_bytes(4, "little") + payload):
        intake.receive(frame(138, T0_GPST_NS, data), now=0.0)
    list(intake.events())
