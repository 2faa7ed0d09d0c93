"""A station's stream: what comes when, the same bytes again, and physics that hold together."""

import io
import math
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from pyrtcm import RTCMReader

from fwsim.broadcast import constellation
from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, gpst_of_utc_ns
from fwsim.observation import Antenna, Observer
from fwsim.reference_station import EPHEMERIS_NUMBERS, Move, ReferenceStation, StationSpec
from fwsim.scene import Place, offset

# 12:00:12 UTC is the GPST minute 12:00:30.
HALF_MINUTE_NS = gpst_of_utc_ns((1_795_348_800 + 12) * NS_PER_S)
SITE = Place(lat_deg=31.2994, lon_deg=121.5033, alt_hae_m=20.0)
ALL = tuple(System)


def station(seed="1", name="base", **settings):
    return ReferenceStation(StationSpec(place=SITE, **settings), seed=seed, name=name)


def numbers(frames):
    return [int(RTCMReader.parse(frame).identity) for frame in frames]


def run(unit, seconds, start_ns=HALF_MINUTE_NS):
    return [unit.frames(start_ns + i * NS_PER_S) for i in range(seconds)]


def test_same_seed_and_start_same_bytes():
    first = run(station(systems=ALL), 12)
    assert first == run(station(systems=ALL), 12)
    assert first != run(station(systems=ALL, seed="2"), 12)
    # Another station under the same sky: same ephemerides, other noise and ambiguities.
    other = run(station(systems=ALL, name="second"), 12)
    theirs = [frame for frames in other for frame in frames]
    for frame in (frame for frames in first for frame in frames):
        is_observation = 1071 <= int(RTCMReader.parse(frame).identity) <= 1137
        assert (frame in theirs) is not is_observation


def test_each_message_comes_when_it_is_due():
    unit = station(
        systems=ALL,
        msm=7,
        position_number=1006,
        position_every_s=10,
        descriptor_every_s=15,
        bias_every_s=30,
        ephemeris_every_s=5,
    )
    seconds = [numbers(frames) for frames in run(unit, 31)]
    due = {
        n: [i for i, found in enumerate(seconds) if n in found] for n in (1006, 1033, 1007, 1230)
    }
    assert due == {1006: [0, 10, 20, 30], 1033: [0, 15, 30], 1007: [0, 15, 30], 1230: [0, 30]}
    for found in seconds:
        assert {1077, 1087, 1097, 1117, 1127} <= set(found)
        # Observations come last, so that a rover has what explains them.
        first = next(i for i, number in enumerate(found) if 1071 <= number <= 1137)
        assert all(1071 <= number <= 1137 for number in found[first:])


def test_only_the_last_message_of_an_epoch_says_so():
    for frames in run(station(systems=ALL), 3):
        messages = [RTCMReader.parse(frame) for frame in frames]
        flags = [m.DF393 for m in messages if hasattr(m, "DF393")]
        assert flags == [1] * (len(flags) - 1) + [0]
        assert len(flags) > 5
    legacy = [RTCMReader.parse(f) for f in station(is_legacy=True).frames(HALF_MINUTE_NS)]
    flags = [getattr(m, "DF005", getattr(m, "DF393", None)) for m in legacy]
    flags = [flag for flag in flags if flag is not None]
    assert flags == [1] * (len(flags) - 1) + [0]
    found = [int(m.identity) for m in legacy]
    assert {1004, 1012, 1094, 1124} <= set(found)
    assert not {1074, 1084} & set(found)


def test_every_satellite_in_view_has_its_ephemeris_in_turn():
    unit = station(systems=ALL, ephemeris_every_s=7, ephemerides=EPHEMERIS_NUMBERS)
    stream = run(unit, 8)
    told = defaultdict(list)
    fields = {1019: "DF009", 1020: "DF038", 1042: "DF488", 1044: "DF429", 1045: "DF252"}
    fields[1046] = "DF252"
    for frames in stream[:7]:
        for frame in frames:
            message = RTCMReader.parse(frame)
            if int(message.identity) in fields:
                told[int(message.identity)].append(getattr(message, fields[int(message.identity)]))
    in_view = defaultdict(list)
    for seen in unit.observe(HALF_MINUTE_NS + 7 * NS_PER_S):
        in_view[seen.system].append(seen.prn)
    letters = {1019: "G", 1020: "R", 1042: "C", 1044: "J", 1045: "E", 1046: "E"}
    for number, letter in letters.items():
        assert sorted(told[number]) == sorted(in_view[System(letter)]), number
    assert len(in_view[System.BEIDOU]) > 10


def test_rate_and_moments_between_epochs():
    unit = station(rate_hz=Fraction(5))
    step_ns = NS_PER_S // 10
    full = [bool(unit.frames(HALF_MINUTE_NS + i * step_ns)) for i in range(20)]
    assert full == [True, False] * 10
    slow = station(rate_hz=Fraction(1, 5), ephemeris_every_s=0, position_every_s=0)
    assert [i for i, frames in enumerate(run(slow, 12)) if frames] == [0, 5, 10]
    third = station(rate_hz=Fraction(3))
    assert third.is_epoch(HALF_MINUTE_NS + round(NS_PER_S / 3))
    assert not third.is_epoch(HALF_MINUTE_NS + NS_PER_S // 2)


def test_a_station_moves_at_its_hour():
    at_ns = HALF_MINUTE_NS + 5 * NS_PER_S
    settings = {"position_every_s": 1, "ephemeris_every_s": 0}
    moved = station(moves=(Move(at_gpst_ns=at_ns, east_m=3.0, north_m=4.0),), **settings)
    told = station(
        moves=(Move(at_gpst_ns=at_ns, east_m=3.0, north_m=4.0, is_told_only=True),), **settings
    )
    still = station(**settings)

    def positions(unit):
        found = []
        for frames in run(unit, 8):
            message = RTCMReader.parse(frames[0])
            assert message.identity == "1005"
            found.append((message.DF025, message.DF026, message.DF027))
        return found

    for unit in (moved, told):
        where = positions(unit)
        steps_m = [math.dist(a, b) for a, b in pairwise(where)]
        assert steps_m == pytest.approx([0, 0, 0, 0, 5.0, 0, 0], abs=1e-3)
    ranges = [
        [s.measurements[0].pseudorange_m for s in unit.observe(at_ns + 4 * NS_PER_S)]
        for unit in (still, moved, told)
    ]
    assert ranges[2] == ranges[0]
    changes_m = [abs(a - b) for a, b in zip(ranges[0], ranges[1], strict=True)]
    assert 1.0 < max(changes_m) < 5.1


@pytest.mark.parametrize(
    "settings",
    [
        {"msm": 5},
        {"station": 4096},
        {"position_number": 1007},
        {"systems": ()},
        {"systems": (System.GPS, System.GPS)},
        {"ephemerides": (1043,)},
    ],
)
def test_what_no_message_carries_is_refused(settings):
    with pytest.raises(ValueError):
        station(**settings)


def test_phase_and_code_and_rate_belong_together():
    observer = Observer(constellation(ALL, seed="1"), seed="x", is_noisy=False)
    antenna = Antenna(SITE)
    epochs = [
        {
            (s.system, s.prn, m.carrier.code): (s, m)
            for s in observer.observe(antenna, HALF_MINUTE_NS + i * NS_PER_S)
            for m in s.measurements
        }
        for i in range(3)
    ]
    assert len(epochs[1]) > 100
    for key, (satellite, now) in epochs[1].items():
        wavelength_m = now.carrier.wavelength_m(satellite.channel)
        before, after = epochs[0][key][1], epochs[2][key][1]
        slope_m_s = (after.phase_cycles - before.phase_cycles) * wavelength_m / 2
        # Code and phase go apart with the ionosphere, millimetres a second.
        assert slope_m_s == pytest.approx(now.range_rate_m_s, abs=0.01)
        code_m_s = (after.pseudorange_m - before.pseudorange_m) / 2
        assert code_m_s == pytest.approx(now.range_rate_m_s, abs=0.01)
        assert now.lock_s - before.lock_s == 1.0
        assert abs(now.phase_cycles * wavelength_m - now.pseudorange_m) < 100 * wavelength_m + 60


def test_double_differences_of_two_stations_are_whole_cycles():
    """Short baseline: what is left of geometry-free double differences is an integer."""
    lat_deg, lon_deg = offset(SITE, east_m=300.0, north_m=400.0)
    rover_site = Place(lat_deg=lat_deg, lon_deg=lon_deg, alt_hae_m=25.0)
    sky = constellation(ALL, seed="1")
    antennas = (Antenna(SITE), Antenna(rover_site))
    observers = [Observer(sky, seed=name) for name in ("base", "rover")]
    at_ns = HALF_MINUTE_NS
    seen = [
        {(s.system, s.prn): s for s in observer.observe(antenna, at_ns)}
        for observer, antenna in zip(observers, antennas, strict=True)
    ]
    singles: dict[Any, dict[int, Any]] = defaultdict(dict)
    for satellite in sky:
        key = (satellite.system, satellite.prn)
        if key not in seen[0] or key not in seen[1]:
            continue
        eph = satellite.ephemeris(at_ns)
        ranges = []
        for observer, antenna in zip(observers, antennas, strict=True):
            since_s = (at_ns - eph.toe_gpst_ns) / NS_PER_S - observer.receiver_clock_s(at_ns)
            ranges.append(antenna.sight(eph, since_s).range_m)
        pairs = zip(seen[0][key].measurements, seen[1][key].measurements, strict=True)
        for base, rover in pairs:
            wavelength_m = base.carrier.wavelength_m(satellite.channel)
            cycles = rover.phase_cycles - base.phase_cycles - (ranges[1] - ranges[0]) / wavelength_m
            singles[satellite.system, base.carrier.code][satellite.prn] = (cycles, wavelength_m)
    checked = 0
    for (system, _), found in singles.items():
        if system is System.GLONASS:
            continue  # Each satellite has its own wavelength there.
        reference = next(iter(found.values()))[0]
        for cycles, wavelength_m in list(found.values())[1:]:
            double = cycles - reference
            # Noise of four phases and a centimetre of troposphere.
            assert abs(double - round(double)) * wavelength_m < 0.03
            checked += 1
    assert checked > 80


def test_a_set_and_risen_satellite_is_a_new_arc():
    # Thirteen hours: every GPS satellite sets and rises again.
    unit = station(systems=(System.GPS,), ephemeris_every_s=0)
    locks = defaultdict(list)
    for minute in range(0, 13 * 60, 10):
        for seen in unit.observe(HALF_MINUTE_NS + minute * 60 * NS_PER_S):
            locks[seen.prn].append(seen.measurements[0].lock_s)
            assert seen.elevation_deg >= 10.0
    again = [prn for prn, times in locks.items() if times[1:].count(0.0)]
    assert again
    grown = [times for times in locks.values() if max(times) > 7200]
    assert len(grown) > 10
    # Back in time is a restart.
    assert all(
        seen.measurements[0].lock_s == 0.0 for seen in unit.observe(HALF_MINUTE_NS - NS_PER_S)
    )


def test_pyrtcm_reads_the_whole_stream():
    data = b"".join(b"".join(frames) for frames in run(station(systems=ALL, msm=7), 30))
    read = list(RTCMReader(io.BytesIO(data), quitonerror=2))
    assert b"".join(raw for raw, _ in read) == data
    assert len(read) > 200
