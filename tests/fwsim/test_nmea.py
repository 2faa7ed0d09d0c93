"""Sentences against the standard's examples and against two independent readers."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pynmea2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynmeagps import NMEAReader

from fwsim.constellation import System
from fwsim.dialect import DIALECTS, KINDS, ORDERS
from fwsim.nmea import Writer, checksum, sentence
from fwsim.receiver import Behaviour, Receiver
from fwsim.scene import EpochGrid, Place, Static
from fwsim.truth import KNOT_M_S, Angle, Fix, carried, fixed, iso_ms, rounded_utc

NOON_NS = 1_795_348_800_000_000_000  # 2026-11-22T12:00:00Z


def receiver(dialect="4.11", *, kinds=KINDS, systems=tuple(System), order="ublox"):
    return Receiver(
        name="r",
        track=Static(place=Place(lat_deg=31.3, lon_deg=121.5)),
        grid=EpochGrid(rate_hz=Fraction(1), start_utc_ns=NOON_NS),
        dialect=DIALECTS[dialect],
        order=order,
        kinds=kinds,
        systems=systems,
        behaviour=Behaviour(quality=((0.0, Fix.RTK_FIXED),)),
    )


def by_kind(rendered):
    found = defaultdict(list)
    for item in rendered.sentences:
        found[item.kind].append(item.data.decode().rstrip("\r\n"))
    return found


def cells(line):
    return line[1 : line.rindex("*")].split(",")


@pytest.mark.parametrize(
    "line",
    [
        "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47",
        "$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A",
        "$GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1*39",
        "$GPGSV,2,1,08,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45*75",
        "$GPGLL,4916.45,N,12311.12,W,225444,A*31",
        "$GNGSA,A,3,21,30,46,13,17,51,14,44,15,19,07,01,0.98,0.49,0.84,1*0C",
        "$BDGSV,1,1,03,13,19,043,17,27,38,127,33,37,36,091,24,0*49",
    ],
)
def test_checksum_of_published_sentences(line):
    body, _, digits = line[1:].partition("*")
    assert checksum(body) == digits
    assert sentence(body) == f"{line}\r\n".encode()


@settings(max_examples=60, deadline=None)
@given(
    lat_deg=st.floats(-90, 90),
    lon_deg=st.floats(-180, 180, exclude_max=True),
    alt_m=st.floats(-500, 9000),
    speed_m_s=st.floats(0, 300),
    course_deg=st.floats(0, 360, exclude_max=True),
    fix=st.sampled_from([fix for fix in Fix if fix is not Fix.NONE]),
    dialect=st.sampled_from(sorted(DIALECTS)),
)
def test_both_independent_readers_get_the_truth(
    lat_deg, lon_deg, alt_m, speed_m_s, course_deg, fix, dialect
):
    unit = receiver(dialect, systems=(System.GPS, System.BEIDOU))
    epoch = unit.epoch(0)
    state = replace(
        epoch.state,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        alt_hae_m=alt_m,
        speed_m_s=speed_m_s,
        course_deg=course_deg,
    )
    correction = {"age_s": 2.5, "station": 7}
    epoch = replace(epoch, fix=fix, state=state, **correction)
    style = DIALECTS[dialect]
    truth = carried(epoch, style, KINDS)
    lines = Writer(style, (System.GPS, System.BEIDOU)).write(epoch, KINDS)
    data = {item.kind: item.data for item in lines}

    gga = NMEAReader.parse(data["GGA"])
    # pynmeagps rounds to ten decimals of a degree
    assert gga.lat == pytest.approx(truth["lat_deg"], abs=1e-9)
    assert gga.lon == pytest.approx(truth["lon_deg"], abs=1e-9)
    assert gga.alt == truth["alt_msl_m"]
    assert gga.sep == truth["geoid_m"]
    assert gga.alt + gga.sep == pytest.approx(truth["alt_hae_m"], abs=1e-6)
    assert gga.quality == int(fix.quality)
    assert gga.numSV == truth["sats_used"]
    assert truth["hdop"] == gga.HDOP
    assert gga.time.strftime("%H:%M:%S.%f") == "12:00:00.000000"
    rmc = NMEAReader.parse(data["RMC"])
    assert rmc.date == date(2026, 11, 22)
    assert rmc.spd * KNOT_M_S == pytest.approx(truth["speed_m_s"], abs=1e-9)
    if "course_deg" in truth:
        assert rmc.cog == truth["course_deg"]
    else:
        assert rmc.cog == ""
    for kind in ("GGA", "RMC", "GLL"):
        parsed = pynmea2.parse(data[kind].decode())
        assert parsed.latitude == pytest.approx(truth["lat_deg"], abs=1e-9)
        assert parsed.longitude == pytest.approx(truth["lon_deg"], abs=1e-9)
    vtg = pynmea2.parse(data["VTG"].decode())
    knots, kmh = float(vtg.spd_over_grnd_kts), float(vtg.spd_over_grnd_kmph)
    assert kmh == pytest.approx(1.852 * knots, abs=0.006)


@settings(max_examples=200)
@given(angle_deg=st.floats(-180, 180), decimals=st.integers(0, 8))
def test_an_angle_never_shows_sixty_minutes_and_rounds_to_nearest(angle_deg, decimals):
    angle = Angle.of(angle_deg, decimals)
    text = angle.text(3)
    assert 0.0 <= float(text[3:]) < 60.0
    assert len(text.partition(".")[0]) == 5
    half_step_deg = 0.5 / 60 / 10**decimals
    assert abs(angle.value_deg - angle_deg) <= half_step_deg + 1e-11


def test_minutes_carry_into_the_degree():
    assert Angle.of(29.999999999, 5).text(2) == "3000.00000"
    assert Angle.of(0.0, 8).text(3) == "00000.00000000"


def test_the_date_belongs_to_the_rounded_time():
    late_ns = 1_795_391_999_996_000_000  # 2026-11-22T23:59:59.996Z
    epoch = replace(receiver().epoch(0), utc_ns=late_ns)
    writer = Writer(DIALECTS["4.11"], [System.GPS])
    rmc, zda = (item.data.decode() for item in writer.write(epoch, ("RMC", "ZDA")))
    assert cells(rmc)[1] == "000000.00"
    assert cells(rmc)[9] == "231126"
    assert zda.startswith("$GPZDA,000000.00,23,11,2026,00,00*")
    assert iso_ms(rounded_utc(late_ns, 2)) == "2026-11-23T00:00:00.000Z"
    assert iso_ms(rounded_utc(late_ns, 3)) == "2026-11-22T23:59:59.996Z"


def test_a_course_never_rounds_to_360():
    epoch = receiver().epoch(0)
    state = replace(epoch.state, speed_m_s=5.0, course_deg=359.999)
    epoch = replace(epoch, state=state)
    style = DIALECTS["4.11"]
    rmc, vtg = Writer(style, [System.GPS]).write(epoch, ("RMC", "VTG"))
    assert cells(rmc.data.decode())[8] == cells(vtg.data.decode())[1] == "0.00"
    assert carried(epoch, style, ("RMC",))["course_deg"] == 0.0


@pytest.mark.parametrize("value", [-0.04, -0.0, 0.04])
def test_zero_has_no_sign(value):
    assert fixed(value, 1) == "0.0"
    assert fixed(-0.06, 1) == "-0.1"


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_gsv_groups_are_complete_and_repeat_no_satellite(dialect):
    lines = by_kind(receiver(dialect).render(0))["GSV"]
    groups = defaultdict(list)
    has_signal = DIALECTS[dialect].signal_ids is not None
    for line in lines:
        row = cells(line)
        groups[row[0], row[-1] if has_signal else ""].append(row[:-1] if has_signal else row)
    assert groups
    for rows in groups.values():
        assert [int(row[2]) for row in rows] == list(range(1, int(rows[0][1]) + 1))
        numbers = [cell for row in rows for cell in row[4::4]]
        assert len(numbers) == len(set(numbers)) == int(rows[0][3])
        assert all((len(row) - 4) % 4 == 0 and len(row) <= 20 for row in rows)


def test_signal_and_system_ids_of_4_11():
    found = by_kind(receiver("4.11").render(0))
    beidou = {cells(line)[-1] for line in found["GSV"] if line.startswith("$GBGSV")}
    assert beidou == {"1", "3", "5", "8", "B"}
    assert {cells(line)[-1] for line in found["GSA"]} == {"1", "2", "3", "4", "5"}
    assert {line[:6] for line in found["GSA"]} == {"$GNGSA"}


def test_4_10_calls_b2i_signal_3_and_knows_no_new_satellites():
    lines = [s for s in by_kind(receiver("4.10").render(0))["GSV"] if s.startswith("$GBGSV")]
    assert {cells(line)[-1] for line in lines} == {"1", "3"}
    assert max(int(n) for line in lines for n in cells(line)[4:-1:4]) <= 37


def test_old_bd_has_its_own_talker_and_numbers_and_no_ids():
    found = by_kind(receiver("old-bd", systems=(System.GPS, System.BEIDOU)).render(0))
    beidou = [line for line in found["GSV"] if line.startswith("$BDGSV")]
    numbers = [int(n) for line in beidou for n in cells(line)[4::4]]
    assert numbers
    assert all(161 <= number <= 197 for number in numbers)
    gsa = [line for line in found["GSA"] if line.startswith("$BDGSA")]
    assert len(gsa) == 1
    assert len(cells(gsa[0])) == 18
    assert cells(found["RMC"][0])[-1] == "D"  # RTK has no character of its own there
    assert cells(found["GGA"][0])[6:8] == ["4", "12"]


def test_2_3_is_gps_alone():
    talkers = {item.data[1:3] for item in receiver("2.3").render(0).sentences}
    assert talkers == {b"GP"}


def test_one_system_alone_uses_its_own_talker():
    alone = by_kind(receiver("4.11", systems=(System.BEIDOU,)).render(0))
    assert alone["GGA"][0].startswith("$GBGGA")
    with pytest.raises(ValueError, match="none of the systems"):
        receiver("2.3", systems=(System.BEIDOU,))


def test_gsa_lists_exactly_the_used_satellites():
    rendered = receiver("4.11").render(0)
    listed = [n for line in by_kind(rendered)["GSA"] for n in cells(line)[3:15] if n]
    assert len(listed) == rendered.epoch.sats_used
    assert len(listed) > 12


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_orders_name_every_kind_once_and_are_kept(order):
    assert sorted(ORDERS[order]) == sorted(KINDS)
    kinds = [item.kind for item in receiver(order=order).render(0).sentences]
    assert list(dict.fromkeys(kinds)) == list(ORDERS[order])


def test_gns_modes_speak_of_the_systems_in_use():
    line = by_kind(receiver("4.11", systems=(System.GPS, System.BEIDOU)).render(0))["GNS"][0]
    assert cells(line)[6] == "RNNRNN"
    assert datetime.strptime(cells(line)[1], "%H%M%S.%f").replace(tzinfo=UTC).hour == 12
