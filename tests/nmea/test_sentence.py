"""Each sentence by examples of the standard and the makers, by two other decoders, and by laws."""

import datetime as dt
import json
import string
from typing import Any

import pynmea2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynmeagps import NMEAReader

from bdgw.model import Satellite
from bdgw.nmea.field import FieldError
from bdgw.nmea.frame import frame_nmea
from bdgw.nmea.sentence import (
    Gga,
    Gll,
    Gns,
    Gsa,
    Gst,
    Gsv,
    Malformed,
    Rmc,
    Unsupported,
    Vtg,
    Zda,
    decode,
)
from tests.conftest import shared_data
from tests.nmea.writer import clock, joined, place, sealed

SECOND_NS = 1_000_000_000
DEGREE = 1e-10
"""Degrees: what the decoder keeps (0.01 mm); pynmeagps rounds to the same decimal."""
KINDS: dict[str, Any] = {
    "GGA": Gga,
    "RMC": Rmc,
    "GNS": Gns,
    "GLL": Gll,
    "GST": Gst,
    "VTG": Vtg,
    "ZDA": Zda,
    "GSA": Gsa,
    "GSV": Gsv,
}
TALKERS = ["GP", "GL", "GA", "GB", "BD", "PQ", "GI", "GN", "GQ", "QZ"]


def vectors() -> Any:
    path = shared_data("vectors", "nmea_receivers.json")
    return json.loads(path.read_text(encoding="utf-8"))


def near(degrees: float) -> Any:
    return pytest.approx(degrees, abs=DEGREE)


def hms(hour: int, minute: int, second: float) -> int:
    return (hour * 3600 + minute * 60) * SECOND_NS + round(second * 1000) * 1_000_000


def test_gga_of_the_ublox_protocol_specification():
    sentence = decode(
        b"$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n"
    )
    assert sentence == Gga(
        talker="GP",
        lat_deg=near(47.285233166666664),
        lon_deg=8.565265,
        tod_ns=hms(9, 27, 25.0),
        quality=1,
        sats_used=8,
        hdop=1.01,
        alt_msl_m=499.6,
        geoid_separation_m=48.0,
        corr_age_s=None,
        corr_station=None,
    )


def test_gga_of_novatel_names_its_station_by_letters_and_is_still_a_position():
    sentence = decode(
        b"$GPGGA,134658.00,5106.9792,N,11402.3003,W,2,09,1.0,1048.47,M,-16.27,M,08,AAAA*60\r\n"
    )
    assert isinstance(sentence, Gga)
    assert sentence.lat_deg == pytest.approx(51 + 6.9792 / 60, abs=DEGREE)
    assert sentence.lon_deg == pytest.approx(-114 - 2.3003 / 60, abs=DEGREE)
    assert (sentence.corr_age_s, sentence.corr_station) == (8.0, None)


def test_rmc_gns_gst_gsa_gsv_of_the_reference():
    assert decode(
        b"$GNRMC,163545.00,A,3954.5232000,N,11623.8488000,E,0.010,,130324,,,R,V*07\r\n"
    ) == Rmc(
        talker="GN",
        lat_deg=39.90872,
        lon_deg=116.39748,
        tod_ns=hms(16, 35, 45.0),
        status="A",
        speed_kn=0.01,
        course_deg=None,
        date=dt.date(2024, 3, 13),
        mode="R",
        nav_status="V",
    )
    assert decode(
        b"$GNGNS,163545.00,3954.5232000,N,11623.8488000,E,RRNRN,28,0.6,59.876,-9.753,1.0,2025,S*75\r\n"
    ) == Gns(
        talker="GN",
        lat_deg=39.90872,
        lon_deg=116.39748,
        tod_ns=hms(16, 35, 45.0),
        mode="RRNRN",
        sats_used=28,
        hdop=0.6,
        alt_msl_m=59.876,
        geoid_separation_m=-9.753,
        corr_age_s=1.0,
        corr_station=2025,
        nav_status="S",
    )
    assert decode(b"$GNGST,163545.00,0.9,0.015,0.011,45.0,0.012,0.013,0.021*77\r\n") == Gst(
        talker="GN",
        tod_ns=hms(16, 35, 45.0),
        rms_m=0.9,
        major_m=0.015,
        minor_m=0.011,
        orientation_deg=45.0,
        lat_std_m=0.012,
        lon_std_m=0.013,
        alt_std_m=0.021,
    )
    assert decode(b"$GNGSA,A,3,19,23,38,,,,,,,,,,1.1,0.6,0.9,4*39\r\n") == Gsa(
        talker="GN",
        selection="A",
        dimension=3,
        used=(("C", 19), ("C", 23), ("C", 38)),
        pdop=1.1,
        hdop=0.6,
        vdop=0.9,
        system_id="4",
        n_unknown=0,
    )
    assert decode(b"$GBGSV,1,1,03,19,67,045,47,23,31,210,44,38,52,128,43,8*47\r\n") == Gsv(
        talker="GB",
        total=1,
        index=1,
        in_view=3,
        satellites=(
            Satellite("C", 19, 67, 45, 47, 8),
            Satellite("C", 23, 31, 210, 44, 8),
            Satellite("C", 38, 52, 128, 43, 8),
        ),
        signal=8,
        n_unknown=0,
    )


# u-blox M8 protocol specification (UBX-13003221), examples of GLL, VTG and ZDA.
def test_gll_vtg_zda_of_the_ublox_protocol_specification():
    assert decode(b"$GPGLL,4717.11364,N,00833.91565,E,092321.00,A,A*60\r\n") == Gll(
        talker="GP",
        lat_deg=near(47 + 17.11364 / 60),
        lon_deg=near(8 + 33.91565 / 60),
        tod_ns=hms(9, 23, 21.0),
        status="A",
        mode="A",
    )
    assert decode(b"$GPVTG,77.52,T,,M,0.004,N,0.008,K,A*06\r\n") == Vtg(
        talker="GP", course_deg=77.52, speed_kn=0.004, speed_km_h=0.008, mode="A"
    )
    assert decode(b"$GPZDA,082710.00,16,09,2002,00,00*64\r\n") == Zda(
        talker="GP", tod_ns=hms(8, 27, 10.0), date=dt.date(2002, 9, 16)
    )


def test_every_sentence_of_the_vectors_decodes_and_the_damaged_ones_are_no_frames():
    data = vectors()
    for text in [*data["nmea_checksum_ok"], *data["nmea_synthetic_ok"]]:
        line = text.encode() + b"\r\n"
        assert frame_nmea(line, 0, False) == len(line)
        assert not isinstance(decode(line), Malformed), text
    for text in data["nmea_checksum_bad"]:
        assert frame_nmea(text.encode() + b"\r\n", 0, False) == "bad_checksum"


def test_the_values_of_the_vectors():
    names = {
        "lat": "lat_deg",
        "lon": "lon_deg",
        "alt_msl": "alt_msl_m",
        "geoid_sep": "geoid_separation_m",
        "nsat": "sats_used",
        "age": "corr_age_s",
        "signal_id": "signal",
        "std_lat": "lat_std_m",
        "std_lon": "lon_std_m",
        "std_alt": "alt_std_m",
    }
    same = {"quality", "pdop", "hdop", "vdop", "mode"}
    n_compared = 0
    for row in vectors()["nmea_parse"]:
        sentence: Any = decode(row["sentence"].encode() + b"\r\n")
        if isinstance(sentence, Unsupported):
            continue
        for key, value in row.items():
            name = names.get(key, key if key in same else None)
            if name is None or not hasattr(sentence, name):
                continue
            got = getattr(sentence, name)
            n_compared += 1
            if isinstance(value, float):
                assert got == pytest.approx(value, abs=DEGREE), (row["sentence"], key)
            else:
                assert got == value, (row["sentence"], key)
        if "svids" in row:
            assert [prn for _, prn in sentence.used] == row["svids"]
            assert sentence.system_id == str(row["system_id"])
        if "svs" in row:
            assert [
                [s.prn, s.elevation_deg, s.azimuth_deg, s.cn0_dbhz] for s in sentence.satellites
            ] == row["svs"]
    assert n_compared >= 20


def test_the_gga_of_the_vectors_gives_its_values_back():
    for row in vectors()["gga_build"]:
        sentence = decode(row["sentence"].encode() + b"\r\n")
        assert isinstance(sentence, Gga)
        # 1e-7 minute is what the sentence carries: 1.7e-9 degree.
        assert sentence.lat_deg == pytest.approx(row["lat"], abs=2e-9)
        assert sentence.lon_deg == pytest.approx(row["lon"], abs=2e-9)
        assert sentence.alt_msl_m == row["alt"]
        assert sentence.quality == row["q"]
        assert sentence.sats_used == row["nsat"]
        assert sentence.corr_station == (int(row["sid"]) if "sid" in row else None)


@pytest.mark.parametrize("talker", TALKERS)
@pytest.mark.parametrize("formatter", sorted(KINDS))
def test_every_talker_speaks_every_sentence(talker, formatter):
    bodies = {
        "GGA": "120000,4717.1,N,00833.9,E,1,08,1.0,5,M,4,M,,",
        "RMC": "120000,A,4717.1,N,00833.9,E,1,2,130324,,,A",
        "GNS": "120000,4717.1,N,00833.9,E,AA,08,1.0,5,4,,",
        "GLL": "4717.1,N,00833.9,E,120000,A,A",
        "GST": "120000,1,2,3,4,5,6,7",
        "VTG": "1,T,,M,2,N,3,K,A",
        "ZDA": "120000,13,03,2024,00,00",
        "GSA": "A,3,1,,,,,,,,,,,,1,1,1",
        "GSV": "1,1,01,1,45,180,40",
    }
    sentence: Any = decode(sealed(f"{talker}{formatter},{bodies[formatter]}"))
    assert type(sentence) is KINDS[formatter]
    assert sentence.talker == talker


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("PASHR,1,2", "PASHR"),
        ("PQTMPVT,1,2", "PQTMPVT"),
        ("GPTXT,01,01,02,hello", "TXT"),
        ("GNTHS,80.41,A", "THS"),
        ("GPGGAH,120000", "GPGGAH"),
        ("X", "X"),
        (",,,", ""),
    ],
)
def test_a_sentence_of_another_kind_travels_on_by_its_name(body, name):
    sentence = decode(sealed(body))
    assert isinstance(sentence, Unsupported)
    assert sentence.name == name


_GOOD_TEXTS = {
    "GGA": "GNGGA,120000.00,4717.1,N,00833.9,E,1,08,1.0,5.0,M,4.0,M,1.0,0001",
    "RMC": "GNRMC,120000.00,A,4717.1,N,00833.9,E,1.0,2.0,130324,,,A,S",
    "GNS": "GNGNS,120000.00,4717.1,N,00833.9,E,AA,08,1.0,5.0,4.0,1.0,0001,S",
    "GLL": "GNGLL,4717.1,N,00833.9,E,120000.00,A,A",
    "GST": "GNGST,120000.00,1.0,2.0,3.0,4.0,5.0,6.0,7.0",
    "VTG": "GNVTG,1.0,T,,M,2.0,N,3.0,K,A",
    "ZDA": "GNZDA,120000.00,13,03,2024,00,00",
    "GSA": "GNGSA,A,3,1,,,,,,,,,,,,1.0,1.0,1.0,4",
    "GSV": "GBGSV,1,1,01,1,45,180,40,1",
}
GOOD = {name: text.split(",") for name, text in _GOOD_TEXTS.items()}
HOSTILE = [
    "nan",
    "inf",
    "-inf",
    "1_0",
    "1e999",
    "-",
    "+",
    " ",
    "0x1F",
    "-1",
    "9" * 900,
    "1" + "0" * 400 + ".0",
    "4760.0",
    "9100.0",
]


@pytest.mark.parametrize("formatter", sorted(GOOD))
def test_a_hostile_field_never_raises_and_never_gives_a_number_that_is_not_finite(formatter):
    fields = GOOD[formatter]
    for index in range(1, len(fields)):
        for text in HOSTILE:
            changed = [*fields[:index], text, *fields[index + 1 :]]
            sentence: Any = decode(sealed(",".join(changed)))
            if isinstance(sentence, Malformed):
                assert sentence.reason
                assert sentence.name == formatter
                continue
            assert type(sentence) is KINDS[formatter]
            for name in sentence.__struct_fields__:
                value = getattr(sentence, name)
                if isinstance(value, int | float):
                    assert abs(value) <= 86_401 * SECOND_NS, (formatter, index, text, name)


@pytest.mark.parametrize(
    ("formatter", "index", "text"),
    [
        ("GGA", 1, "-12000.00"),
        ("GGA", 2, "4760.0"),
        ("GGA", 2, "9100.0"),
        ("GGA", 3, "X"),
        ("GGA", 4, "18100.0"),
        ("GGA", 6, "12"),
        ("GGA", 7, "-8"),
        ("GGA", 7, "9" * 30),
        ("GGA", 8, "nan"),
        ("GGA", 9, "inf"),
        ("GGA", 13, "-1.0"),
        ("RMC", 7, "-1"),
        ("RMC", 8, "361"),
        ("RMC", 9, "310224"),
        ("RMC", 9, "2208-1"),
        ("RMC", 3, "1_000.0"),
        ("GNS", 7, "1_0"),
        ("GLL", 5, "240000"),
        ("GST", 6, "-0.1"),
        ("VTG", 5, "1_0"),
        ("ZDA", 4, "9" * 30),
        ("ZDA", 2, "9" * 30),
        ("ZDA", 3, "13"),
        ("GSA", 3, "1000"),
        ("GSA", 15, "-1"),
        ("GSV", 1, "x"),
        ("GSV", 5, "nan"),
        ("GSV", 8, "FFFFFFFFFFFFFFFFFFFF"),
        ("GSV", 8, "-1"),
        ("GSV", 2, "2"),
    ],
)
def test_a_field_against_the_standard_makes_the_sentence_malformed(formatter, index, text):
    fields = list(GOOD[formatter])
    assert not isinstance(decode(sealed(",".join(fields))), Malformed)
    fields[index] = text
    assert isinstance(decode(sealed(",".join(fields))), Malformed)


@pytest.mark.parametrize("formatter", sorted(set(GOOD) - {"GSA", "GSV", "ZDA"}))
def test_missing_fields_at_the_end_are_absent_and_extra_fields_are_passed_over(formatter):
    fields = GOOD[formatter]
    whole = decode(sealed(",".join(fields)))
    assert decode(sealed(",".join([*fields, "extra", "9" * 50]))) == whole
    only_address = decode(sealed(fields[0]))
    values = [getattr(only_address, name) for name in only_address.__struct_fields__]
    assert values == ["GN", *[None] * (len(values) - 1)]


@pytest.mark.parametrize(("formatter", "needs"), [("GSA", 18), ("GSV", 4), ("ZDA", 5)])
def test_sentences_cut_short_of_what_they_need_are_malformed(formatter, needs):
    fields = GOOD[formatter]
    assert not isinstance(decode(sealed(",".join(fields[:needs]))), Malformed)
    for count in range(1, needs):
        assert isinstance(decode(sealed(",".join(fields[:count]))), Malformed)


def test_a_position_that_the_sentence_calls_void_is_absent_whatever_it_says():
    garbage = "8960.0000,N,36000.0000,E"  # what u-blox 5 writes without a fix
    gga = decode(sealed(f"GPGGA,120000,{garbage},0,00,99.9,,,,,,"))
    assert isinstance(gga, Gga)
    assert (gga.lat_deg, gga.lon_deg, gga.quality) == (None, None, 0)
    rmc = decode(sealed(f"GPRMC,120000,V,{garbage},,,130324,,,N"))
    assert isinstance(rmc, Rmc)
    assert (rmc.lat_deg, rmc.lon_deg) == (None, None)


def test_quectel_beidou_sentences_end_with_a_system_id():
    # From the Quectel EG25-G: 4 satellites, signal 0, system 4.
    sentence = decode(b"$PQGSV,2,1,08,02,20,116,,03,,,,05,34,137,,07,06,045,,0,4*52\r\n")
    assert isinstance(sentence, Gsv)
    assert [(s.system, s.prn, s.elevation_deg) for s in sentence.satellites] == [
        ("C", 2, 20),
        ("C", 3, None),
        ("C", 5, 34),
        ("C", 7, 6),
    ]
    assert sentence.signal == 0


texts = st.text(
    alphabet=[c for c in string.printable if c not in "$!*\t\n\r\x0b\x0c"], min_size=1, max_size=120
)
addresses = st.builds(lambda t, k: t + k, st.sampled_from(TALKERS), st.sampled_from(sorted(KINDS)))
field_texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(alphabet="0123456789.-+_ NSEWAVDR", max_size=12),
    st.sampled_from(["", "120000.00", "4717.1", "N", "00833.9", "E", "A", "1", "130324", "08"]),
)
lines = st.one_of(
    texts,
    st.builds(lambda a, f: ",".join([a, *f]), addresses, st.lists(field_texts, max_size=22)),
    st.builds(lambda a, t: a + "," + t, addresses, texts),
)


@given(lines)
def test_any_text_with_a_good_checksum_is_a_value_or_unsupported_or_malformed(body):
    line = sealed(body)
    if frame_nmea(line, 0, False) != len(line):
        return  # too long
    sentence = decode(line)
    assert isinstance(sentence, (Unsupported, Malformed, *KINDS.values()))
    if isinstance(sentence, Gga | Rmc | Gns | Gll):
        assert sentence.lat_deg is None or -90 <= sentence.lat_deg <= 90
        assert sentence.lon_deg is None or -180 <= sentence.lon_deg <= 180


# Values as wire integers, so that the round trip is exact to the last digit.
tods = st.one_of(st.none(), st.integers(min_value=0, max_value=86_401_000 - 1)).map(
    lambda ms: None if ms is None else ms * 1_000_000
)
latitudes = st.one_of(st.none(), st.integers(min_value=-90 * 60 * 10**7, max_value=90 * 60 * 10**7))
longitudes = st.integers(min_value=-180 * 60 * 10**7, max_value=180 * 60 * 10**7)
tenths = st.one_of(st.none(), st.integers(min_value=0, max_value=99_999).map(lambda v: v / 10))
signed = st.one_of(
    st.none(), st.integers(min_value=-99_999, max_value=999_999).map(lambda v: v / 10)
)
angles = st.one_of(st.none(), st.integers(min_value=0, max_value=3599).map(lambda v: v / 10))
counts = st.one_of(st.none(), st.integers(min_value=0, max_value=99))
stations = st.one_of(st.none(), st.integers(min_value=0, max_value=4095))
talkers = st.sampled_from(TALKERS)
days = st.one_of(
    st.none(), st.dates(min_value=dt.date(1980, 1, 1), max_value=dt.date(2079, 12, 31))
)


def degrees(e7: int | None) -> Any:
    return None if e7 is None else pytest.approx(e7 / 60e7, abs=1.01 * DEGREE)


@given(
    talkers, tods, latitudes, longitudes, st.integers(1, 9), counts, tenths, signed, signed, tenths,
    stations,
)  # fmt: skip
def test_gga_round_trip(talker, tod, lat, lon, quality, sats, hdop, alt, sep, age, station):
    fields = [quality, sats, hdop, alt, "M", sep, "M", age, station]
    lon = None if lat is None else lon
    assert decode(joined(talker + "GGA", clock(tod), place(lat, lon), *fields)) == Gga(
        talker, degrees(lat), degrees(lon), tod, quality, sats, hdop, alt, sep, age, station
    )


@given(talkers, tods, latitudes, longitudes, tenths, angles, days, st.sampled_from("ADERFMSP"))
def test_rmc_round_trip(talker, tod, lat, lon, speed, course, day, mode):
    date = day.strftime("%d%m%y") if day else None
    lon = None if lat is None else lon
    line = joined(
        talker + "RMC", clock(tod), "A", place(lat, lon), speed, course, date, None, None, mode, "S"
    )
    assert decode(line) == Rmc(
        talker, degrees(lat), degrees(lon), tod, "A", speed, course, day, mode, "S"
    )


@given(
    talkers, tods, latitudes, longitudes, st.text("NADRFE", min_size=1, max_size=6), counts, tenths,
    signed, signed, tenths, stations,
)  # fmt: skip
def test_gns_round_trip(talker, tod, lat, lon, mode, sats, hdop, alt, sep, age, station):
    lon = None if lat is None else lon
    fields = [mode, sats, hdop, alt, sep, age, station, "S"]
    assert decode(joined(talker + "GNS", clock(tod), place(lat, lon), *fields)) == Gns(
        talker, degrees(lat), degrees(lon), tod, mode, sats, hdop, alt, sep, age, station, "S"
    )


@given(talkers, tods, latitudes, longitudes, st.sampled_from("ADERF"))
def test_gll_round_trip(talker, tod, lat, lon, mode):
    lon = None if lat is None else lon
    assert decode(joined(talker + "GLL", place(lat, lon), clock(tod), "A", mode)) == Gll(
        talker, degrees(lat), degrees(lon), tod, "A", mode
    )


@given(talkers, tods, st.tuples(tenths, tenths, tenths, signed, tenths, tenths, tenths))
def test_gst_round_trip(talker, tod, values):
    assert decode(joined(talker + "GST", clock(tod), *values)) == Gst(talker, tod, *values)


@given(talkers, angles, tenths, tenths, st.sampled_from("ADEN"))
def test_vtg_round_trip(talker, course, knots, km_h, mode):
    line = joined(talker + "VTG", course, "T", None, "M", knots, "N", km_h, "K", mode)
    assert decode(line) == Vtg(talker, course, knots, km_h, mode)


@given(talkers, tods, days)
def test_zda_round_trip(talker, tod, day):
    parts = [None] * 3 if day is None else [f"{day.day:02d}", f"{day.month:02d}", day.year]
    assert decode(joined(talker + "ZDA", clock(tod), *parts, "00", "00")) == Zda(talker, tod, day)


@given(st.lists(st.integers(1, 63), max_size=12), tenths, tenths, tenths)
def test_gsa_round_trip(prns, pdop, hdop, vdop):
    numbers = prns + [None] * (12 - len(prns))
    assert decode(joined("GNGSA", "A", 3, *numbers, pdop, hdop, vdop, 4)) == Gsa(
        "GN", "A", 3, tuple(("C", prn) for prn in prns), pdop, hdop, vdop, "4", 0
    )


@given(
    st.lists(
        st.tuples(
            st.integers(1, 63),
            st.one_of(st.none(), st.integers(0, 90)),
            st.one_of(st.none(), st.integers(0, 359)),
            st.one_of(st.none(), st.integers(0, 99)),
        ),
        max_size=4,
    ),
    st.one_of(st.none(), st.integers(0, 15)),
)
def test_gsv_round_trip(satellites, signal):
    fields = [value for satellite in satellites for value in satellite]
    tail = [] if signal is None else [f"{signal:X}"]
    line = joined("GBGSV", 1, 1, f"{len(satellites):02d}", *fields, *tail)
    assert decode(line) == Gsv(
        "GB",
        1,
        1,
        len(satellites),
        tuple(
            Satellite("C", prn, elevation, azimuth, cn0, signal)
            for prn, elevation, azimuth, cn0 in satellites
        ),
        signal,
        0,
    )


@given(st.integers(0, 86_399_999), latitudes.filter(lambda v: v is not None), longitudes, signed)
def test_two_other_decoders_read_the_same_position(ms, lat, lon, alt):
    line = joined(
        "GNGGA", clock(ms * 1_000_000), place(lat, lon), 4, 12, 0.8, alt, "M", 1.5, "M", 1, 7
    )
    ours = decode(line)
    assert isinstance(ours, Gga)
    first = NMEAReader.parse(line)
    second = pynmea2.parse(line.decode())
    assert ours.lat_deg == pytest.approx(first.lat, abs=2 * DEGREE)
    assert ours.lon_deg == pytest.approx(first.lon, abs=2 * DEGREE)
    assert ours.lat_deg == pytest.approx(second.latitude, abs=2 * DEGREE)
    assert ours.lon_deg == pytest.approx(second.longitude, abs=2 * DEGREE)
    assert ours.alt_msl_m == (None if first.alt == "" else first.alt)
    # Both peers give microseconds of a datetime.time.
    for time in (first.time, second.timestamp):
        assert ours.tod_ns == hms(time.hour, time.minute, 0) + time.second * SECOND_NS + (
            time.microsecond * 1000
        )


def test_field_errors_are_value_errors():
    assert issubclass(FieldError, ValueError)
