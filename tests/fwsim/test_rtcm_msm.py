"""MSM and legacy observations: what pyrtcm reads is what was measured."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from fwsim.broadcast import constellation
from fwsim.carrier import B1I, B3I
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.observation import Antenna, Measurement, Observer, SatelliteObservation
from fwsim.rtcm_legacy import legacy, lock7
from fwsim.rtcm_msm import epoch_field, groups, lock4, lock10, msm
from fwsim.scene import Place
from tests.conftest import shared_data

NOW_NS = gpst_of_utc_ns(1_795_348_800 * NS_PER_S)
MS_M = 299_792.458
SITE = Antenna(Place(lat_deg=31.2994, lon_deg=121.5033, alt_hae_m=20.0))
# Number of MSM0 and the field of the epoch; seconds of the week (of the Moscow day) at NOW_NS.
SYSTEMS = {
    System.GPS: (1070, "DF004", 43_218),
    System.GLONASS: (1080, "DF034", 54_000),
    System.GALILEO: (1090, "DF248", 43_218),
    System.QZSS: (1110, "DF428", 43_218),
    System.BEIDOU: (1120, "DF427", 43_204),
}
FIRST_PRN = {System.QZSS: 192}


def observed(system, *, seconds=40):
    observer = Observer(constellation([system], seed="1"), seed="s")
    for second in range(seconds + 1):
        seen = observer.observe(SITE, NOW_NS + second * NS_PER_S)
    assert len(seen) >= 4
    return seen, NOW_NS + seconds * NS_PER_S


def cells(message):
    """Return what pyrtcm read, as pseudorange (m), phase (m), range rate (m/s), by cell."""
    fine = ("DF405", "DF406", "DF407", "DF408") if hasattr(message, "DF405_01") else None
    code, phase, lock, cn0 = fine or ("DF400", "DF401", "DF402", "DF403")
    rough, rates = {}, {}
    for i in range(1, message.NSat + 1):
        prn = getattr(message, f"PRN_{i:02d}")
        whole, part = getattr(message, f"DF397_{i:02d}"), getattr(message, f"DF398_{i:02d}")
        rough[prn] = whole + part
        rates[prn] = getattr(message, f"DF399_{i:02d}", None)
    out = {}
    for i in range(1, message.NCell + 1):
        prn = getattr(message, f"CELLPRN_{i:02d}")
        out[int(prn), getattr(message, f"CELLSIG_{i:02d}")] = (
            (rough[prn] + getattr(message, f"{code}_{i:02d}")) * MS_M,
            (rough[prn] + getattr(message, f"{phase}_{i:02d}")) * MS_M,
            rates[prn] + getattr(message, f"DF404_{i:02d}") if fine else None,
            getattr(message, f"{lock}_{i:02d}"),
            getattr(message, f"{cn0}_{i:02d}"),
            getattr(message, f"DF420_{i:02d}"),
        )
    return out


@pytest.mark.parametrize("kind", [4, 7])
@pytest.mark.parametrize("system", list(SYSTEMS))
def test_the_measurements_come_back(system, kind):
    seen, at_ns = observed(system)
    first, field, of_week_s = SYSTEMS[system]
    parts = groups(seen)
    found: dict[tuple[int, str], Any] = {}
    for i, part in enumerate(parts, start=1):
        message = RTCMReader.parse(msm(kind, 9, at_ns, part, has_more=i < len(parts)))
        assert message.identity == str(first + kind)
        assert message.DF003 == 9
        assert getattr(message, field) == (of_week_s + 40) * 1000
        assert bool(message.DF393) is (i < len(parts))
        assert message.NSat * message.NSig <= 64
        found |= cells(message)
    # Steps of the fields, halved.
    code_m, phase_m = {4: (9e-3, 2.8e-4), 7: (2.8e-4, 7e-5)}[kind]
    expected = {
        (FIRST_PRN.get(system, 0) + s.prn, m.carrier.code): (s, m)
        for s in seen
        for m in s.measurements
    }
    assert found.keys() == expected.keys()
    for key, (satellite, m) in expected.items():
        pseudorange_m, range_m, rate_m_s, lock, cn0_dbhz, half = found[key]
        assert pseudorange_m == pytest.approx(m.pseudorange_m, abs=code_m * 1.02)
        wavelength_m = m.carrier.wavelength_m(satellite.channel)
        assert range_m == pytest.approx(m.phase_cycles * wavelength_m, abs=phase_m * 1.02)
        assert cn0_dbhz == pytest.approx(m.cn0_dbhz, abs={4: 0.5, 7: 0.0313}[kind])
        assert half == 0
        assert lock == {4: lock4, 7: lock10}[kind](round(m.lock_s * 1000))
        if kind == 7:
            assert rate_m_s == pytest.approx(m.range_rate_m_s, abs=5.1e-5)


def test_glonass_tells_its_channels_and_the_day():
    seen, at_ns = observed(System.GLONASS)
    message = RTCMReader.parse(msm(7, 9, at_ns, seen))
    assert message.DF416 == 0  # a Sunday
    channels = [getattr(message, f"DF419_{i:02d}") - 7 for i in range(1, message.NSat + 1)]
    assert channels == [s.channel for s in seen]
    late_ns = gpst_of_utc_ns(1_795_348_800 * NS_PER_S + 9 * 3600 * NS_PER_S)
    # 21:00 UTC: Monday begins in Moscow.
    assert epoch_field(System.GLONASS, late_ns) == 1 << 27


def test_many_satellites_with_many_signals_are_split():
    def satellite(prn, *carriers):
        return SatelliteObservation(
            system=System.BEIDOU,
            prn=prn,
            channel=None,
            elevation_deg=45.0,
            azimuth_deg=0.0,
            measurements=tuple(
                Measurement(
                    carrier=carrier,
                    pseudorange_m=2.5e7,
                    phase_cycles=2.5e7 / carrier.wavelength_m(None),
                    range_rate_m_s=0.0,
                    lock_s=1.0,
                    cn0_dbhz=45.0,
                )
                for carrier in carriers
            ),
        )

    many = [satellite(prn, B1I, B3I) for prn in range(1, 64)]
    parts = groups(many)
    assert [len(part) for part in parts] == [32, 31]
    with pytest.raises(ValueError, match="too many"):
        msm(7, 1, NOW_NS, many)
    with pytest.raises(ValueError, match="MSM5"):
        msm(5, 1, NOW_NS, many[:2])


def test_lock_times_against_the_published_tables():
    tables = json.loads(shared_data("vectors", "rtcm3.json").read_text())["lock_time_ms"]
    for indicator, minimum_ms in tables["DF402_4bit"]:
        assert lock4(minimum_ms) == indicator
        if indicator:
            assert lock4(minimum_ms - 1) == indicator - 1
    for indicator, minimum_ms in tables["DF407_10bit"]:
        assert lock10(minimum_ms) == indicator
        if indicator:
            assert lock10(minimum_ms - 1) == indicator - 1


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_lock_times_grow(first_ms, second_ms):
    low, high = sorted((first_ms, second_ms))
    assert lock4(low) <= lock4(high) <= 15
    assert lock10(low) <= lock10(high) <= 704
    assert lock7(low / 1000) <= lock7(high / 1000) <= 127


@pytest.mark.parametrize(
    ("indicator", "lock_s"),
    [
        (0, 0),
        (23, 23),
        (24, 24),
        (47, 70),
        (48, 72),
        (72, 168),
        (96, 360),
        (120, 744),
        (126, 936),
        (127, 937),
    ],
)
def test_legacy_lock_time(indicator, lock_s):
    assert lock7(lock_s) == indicator


@pytest.mark.parametrize("system", [System.GPS, System.GLONASS])
def test_legacy_measurements_come_back(system):
    seen, at_ns = observed(system)
    message = RTCMReader.parse(legacy(9, at_ns, seen))
    is_gps = system is System.GPS
    names = (
        "DF009 DF011 DF012 DF013 DF014 DF015 DF017 DF018 DF020"
        if is_gps
        else "DF038 DF041 DF042 DF043 DF044 DF045 DF047 DF048 DF050"
    ).split()
    round_m = MS_M if is_gps else 2 * MS_M
    assert message.identity == ("1004" if is_gps else "1012")
    assert (message.DF004 if is_gps else message.DF034) == (SYSTEMS[system][2] + 40) * 1000
    assert (message.DF006 if is_gps else message.DF035) == len(seen)
    for i, satellite in enumerate(seen, start=1):
        prn, code, phase, lock, wraps, cn0, code2, phase2, cn0_2 = (
            getattr(message, f"{name}_{i:02d}") for name in names
        )
        one, two = satellite.measurements[:2]
        range_m = code + wraps * round_m
        assert prn == satellite.prn
        assert range_m == pytest.approx(one.pseudorange_m, abs=0.0101)
        assert range_m + code2 == pytest.approx(two.pseudorange_m, abs=0.0201)
        for told, m in ((phase, one), (phase2, two)):
            metres = m.phase_cycles * m.carrier.wavelength_m(satellite.channel)
            assert range_m + told == pytest.approx(metres, abs=2.6e-4)
        assert (cn0, cn0_2) == pytest.approx((one.cn0_dbhz, two.cn0_dbhz), abs=0.126)
        assert lock == lock7(one.lock_s)


def test_legacy_refuses_what_it_cannot_say():
    seen, at_ns = observed(System.GALILEO)
    with pytest.raises(ValueError, match="GALILEO"):
        legacy(9, at_ns, seen)
