"""Unicore's binary messages, against pyunigps, the examples of the maker's book, and the simulator.

No capture of raw data of a Unicore receiver was at hand. pyunigps is a reading of the book by
somebody else; the values of the examples are printed there. OBSVMCMP and BD3EPH have tests of their
own.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyunigps import UNIReader

from bdgw.positioning.ephemeris import EphemerisStore, GlonassOrbit, KeplerOrbit
from bdgw.positioning.satellite import satellite_name_of, signal_code_of
from bdgw.rawlog.event import EpochSeen, IonosphereSeen, OrbitSeen
from bdgw.rawlog.intake import RawIntake
from bdgw.rawlog.unicore_broadcast import broadcast_of
from bdgw.rawlog.unicore_observation import decode_obsvm
from bdgw.recorded import read_recording
from bdgw.stream import BinaryFrame, Decoded, StreamDecoder
from bdgw.unicore.frame import crc32, frame_unicore, head_of_frame, is_raw
from bdgw.wire.splitter import Skipped
from fwsim.unicore_message import frame as sealed
from tests.solving.streams import T0_GPST_NS, raw_rover, station

WEEK_S = 604_800
# A message of a UM982, printed in the documentation of pyunigps.
VERSION = (
    b"\xaaD\xb5\x00\x11\x004\x01\x00\x00f\t\x8f\xf4\x0e\x02\x00\x00\x00\x00\x00\x00\x00\x00M982R4."
    b"10Build5251                   HRPT00-S10C-P                                                 "
    b"                                                                   -                         "
    b"                                        ffff48ffff0fffff                 2021/11/26          "
    b"                       #\x87\x83\xb9"
)


def frames(data: bytes) -> list[bytes]:
    decoder = StreamDecoder(protocols=("unicore",))
    decoder.receive(data, now=0.0)
    decoder.receive(b"", now=0.0)
    return [item.frame.data for item in decoder.events() if isinstance(item, Decoded)]


def theirs(frame: bytes) -> Any:
    """How pyunigps reads a frame, checksum and all."""
    return UNIReader.parse(frame, validate=1)


def test_the_checksum_is_that_of_a_receiver_s_message() -> None:
    assert crc32(VERSION[:-4]) == int.from_bytes(VERSION[-4:], "little")
    assert frame_unicore(VERSION, 0, True) == len(VERSION)
    (item,) = decoded(VERSION)
    assert isinstance(item, Decoded)
    assert item.message == BinaryFrame("UNI-17", is_raw=False)
    assert head_of_frame(VERSION).t_gpst_ns == (2406 * WEEK_S * 1000 + 34_534_543) * 10**6


def decoded(data: bytes) -> list[Decoded | Skipped]:
    decoder = StreamDecoder()
    decoder.receive(data, now=0.0)
    decoder.receive(b"", now=0.0)
    return list(decoder.events())


def test_observations_are_read_as_pyunigps_reads_them() -> None:
    frame = next(
        f for f in frames(raw_rover(1, "GREC", "unicore")[0]) if head_of_frame(f).kind == 12
    )
    ours, other = decode_obsvm(frame), theirs(frame)
    assert ours is not None
    assert other.identity == "OBSVM"
    assert other.numobs == len(ours.satellite) > 80
    assert ours.t_gpst_ns == T0_GPST_NS
    for i in range(other.numobs):
        n = f"_{i + 1:02d}"
        letter = "GRSEC"[getattr(other, f"gnss{n}")]
        prn = getattr(other, f"prn{n}") - (37 if letter == "R" else 0)
        assert satellite_name_of(int(ours.satellite[i])) == f"{letter}{prn:02d}"
        assert ours.pseudorange_m[i] == getattr(other, f"psr{n}")
        assert ours.phase_cycles[i] == -getattr(other, f"adr{n}")
        assert ours.doppler_hz[i] == pytest.approx(getattr(other, f"doppfreq{n}"))
        assert ours.cn0_dbhz[i] == pytest.approx(getattr(other, f"cno{n}"))
        assert ours.lock_s[i] == pytest.approx(getattr(other, f"locktime{n}"))


def test_both_ways_of_the_simulator_measure_the_same() -> None:
    """By UBX and by Unicore: what both carry with all their digits."""
    (by_unicore,), (by_ubx,) = (
        read_recording(raw_rover(1, "GREC", name)[0]).epochs for name in ("unicore", "ubx")
    )
    assert by_unicore.satellite.tolist() == by_ubx.satellite.tolist()
    assert by_unicore.pseudorange_m.tolist() == by_ubx.pseudorange_m.tolist()
    assert by_unicore.phase_cycles.tolist() == by_ubx.phase_cycles.tolist()
    assert by_unicore.doppler_hz.tolist() == by_ubx.doppler_hz.tolist()
    assert by_unicore.frequency_hz.tolist() == by_ubx.frequency_hz.tolist()
    codes = {signal_code_of(int(s)) for s in by_unicore.signal}
    assert codes == {signal_code_of(int(s)) for s in by_ubx.signal} - {"2L"} | {"2W"}


def test_the_simulator_s_sets_are_those_of_its_rtcm_messages() -> None:
    ours = read_recording(raw_rover(1, "GREC", "unicore")[0])
    by_rtcm = {
        (orbit.satellite, orbit.toe_gpst_ns): orbit
        for orbit in read_recording(b"".join(station("rover", 1, "GREC")[0]), T0_GPST_NS).orbits
    }
    assert len(ours.orbits) == len(by_rtcm) > 40
    for orbit in ours.orbits:
        other = by_rtcm[orbit.satellite, orbit.toe_gpst_ns]
        if isinstance(orbit, KeplerOrbit):
            assert math.isnan(orbit.accuracy_m)
            assert isinstance(other, KeplerOrbit)
            assert orbit.tgd_s == pytest.approx(other.tgd_s, rel=1e-12)
            orbit = msgspec.structs.replace(orbit, accuracy_m=other.accuracy_m, tgd_s=other.tgd_s)
        assert orbit == other


def test_the_example_of_bdseph_in_the_book() -> None:
    names = (
        "delta_n_rad_s", "m0_rad", "e", "omega_rad", "cuc_rad", "cus_rad", "crc_m", "crs_m",
        "cic_rad", "cis_rad", "i0_rad", "idot_rad_s", "omega0_rad", "omega_dot_rad_s",
    )  # fmt: skip
    printed = (
        -4.103028050e-09, 2.042808580, 3.8967351429e-05, 2.4660025037, -1.457566395e-05,
        -2.235500142e-05, 6.85031250e02, -4.52843750e02, 1.438893378e-07, -1.206062734e-07,
        1.2597663760e-01, 1.132190017e-10, -1.993009969, 5.03270963e-09,
    )  # fmt: skip
    payload = struct.pack("<IdIIIIIdd", 60, 360000.0, 0, 1, 1, 2190, 2190, 360000.0, 4.216441036e7)
    payload += struct.pack("<14dId", *printed, 1, 360000.0)
    payload += struct.pack("<5d", 4.98e-08, 4.98e-08, -1.45519e-07, 8.26006e-14, 0.0)
    payload += struct.pack("<Idd", 1, 7.291643104e-05, 4.0)
    frame = sealed(108, (2190 * WEEK_S + 362_675) * 10**9, payload)
    other = theirs(frame)
    assert (other.identity, other.prn, other.a, other.tgd2) == (
        "BDSEPH",
        60,
        4.216441036e7,
        4.98e-08,
    )
    found = broadcast_of(frame)
    assert isinstance(found, OrbitSeen)
    orbit = found.orbit
    assert isinstance(orbit, KeplerOrbit)
    assert satellite_name_of(orbit.satellite) == "C60"
    assert orbit.toe_gpst_ns == (2190 * WEEK_S + 360_000 + 14) * 10**9
    assert tuple(getattr(orbit, name) for name in names) == printed
    assert orbit.sqrt_a == pytest.approx(6493.41284, abs=1e-4)
    assert orbit.tgd_s == (4.98e-08, 4.98e-08)
    assert orbit.is_healthy
    # A geostationary satellite goes round once a day.
    turn_s = math.tau / math.sqrt(3.986004418e14 / orbit.sqrt_a**6)
    assert turn_s == pytest.approx(86_164, abs=5)


def test_the_example_of_gpsion_in_the_book() -> None:
    printed = (
        1.490116119384766e-08, -7.450580596923828e-09, -5.960464477539062e-08,
        1.192092895507812e-07, 1.29024e05, -1.96608e05, 6.5536e04, 3.2768e05,
    )  # fmt: skip
    frame = sealed(8, T0_GPST_NS, struct.pack("<8dHHII", *printed, 0, 0, 0, 0))
    other = theirs(frame)
    assert (other.identity, other.a3, other.b0) == ("GPSION", printed[3], printed[4])
    found = broadcast_of(frame)
    assert isinstance(found, IonosphereSeen)
    assert (found.system, found.model.alpha + found.model.beta) == ("G", printed)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_phase_has_the_sign_that_lies_near_the_range(sign: float) -> None:
    range_m, cycles = (
        21_720_097.812,
        114_139_892.254585,
    )  # the first row of the book's example of OBSVM
    epoch = decode_obsvm(obsvm(range_m, sign * cycles))
    assert epoch is not None
    assert epoch.phase_cycles.tolist() == [cycles]
    far = decode_obsvm(obsvm(range_m, sign * (cycles + 1e6)))
    assert far is not None
    assert math.isnan(far.phase_cycles[0])


def obsvm(range_m: float, adr: float, status: int = 1 << 10 | 1 << 12) -> bytes:
    row = struct.pack(
        "<HHddHHfHHfI", 0, 7, range_m, adr, 52, 181, -2263.222, 4525, 0, 6262.0, status
    )
    return sealed(12, T0_GPST_NS, struct.pack("<I", 1) + row)


def test_what_is_not_locked_is_absent() -> None:
    epoch = decode_obsvm(obsvm(2.2e7, 1.1e8, 0))
    assert epoch is not None
    assert math.isnan(epoch.pseudorange_m[0])
    assert math.isnan(epoch.phase_cycles[0])


def test_a_set_that_comes_again_is_kept_once() -> None:
    (first,) = raw_rover(1, "GREC", "unicore")
    store = EphemerisStore()
    for _ in range(2):
        store.extend(read_recording(first).orbits)
    assert store.version == len(read_recording(first).orbits)
    assert any(isinstance(o, GlonassOrbit) for o in read_recording(first).orbits)


KINDS = (12, 138, 106, 107, 108, 109, 110, 2999, 8, 4)


@given(st.sampled_from(KINDS), st.binary(max_size=260))
def test_no_payload_raises(kind: int, payload: bytes) -> None:
    assert is_raw(kind)
    intake = RawIntake()
    for size in (b"", b"\x02\x00\x00\x00"):
        intake.receive(sealed(kind, T0_GPST_NS, size + payload), now=0.0)
    for event in intake.events():
        assert isinstance(event, EpochSeen | OrbitSeen | IonosphereSeen)


JUNK = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"\xaa", b"\xaaD", b"\xaaD\xb5", VERSION[:30], b"\xaaD\xb5\x00\x0c\x00\xff\xff"]
    ),
)


@given(st.lists(JUNK, max_size=6).map(b"".join), st.lists(st.integers(1, 60), max_size=20))
def test_any_cut_gives_the_same_and_every_byte_is_accounted_for(
    junk: bytes, sizes: list[int]
) -> None:
    data = junk + VERSION + junk + VERSION
    whole, pieces, at = decoded(data), [], 0
    decoder = StreamDecoder()
    for size in [*sizes, len(data)]:
        if data[at : at + size]:
            decoder.receive(data[at : at + size], now=0.0)
            pieces += decoder.events()
        at += size
    decoder.receive(b"", now=0.0)
    pieces += decoder.events()
    assert pieces == whole
    told = b"".join(i.data if isinstance(i, Skipped) else i.frame.data for i in whole)
    assert told == data
    assert sum(isinstance(i, Decoded) and i.frame.data == VERSION for i in whole) >= 1
