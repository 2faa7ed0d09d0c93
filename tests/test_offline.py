"""What users script against: the lines of decode, the counts of --stats, the fixes of a file."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.offline import decode_lines, fixes, stats_object
from tests.nmea.writer import sealed

GGA = sealed("GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,")
RMC = sealed("GPRMC,092725.00,A,4717.11399,N,00833.91590,E,0.004,77.52,091202,,,A")
GSA = sealed("GNGSA,A,3,19,23,38,,,,,,,,,,1.1,0.6,0.9,4")
GSV = sealed("GBGSV,1,1,01,19,67,045,48,1")
STATION = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")  # a real 1005
FILLER = bytes.fromhex("d3000047ea4b")
FOREIGN = sealed("PASHR,1,2")
MALFORMED = sealed("GPGGA,250000,4717.1,N,00833.9,E,1,08,1.0,5,M,4,M,,")
BAD = GGA.replace(b"*5B", b"*5C")

parts = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([GGA, RMC, GSA, GSV, STATION, FILLER, FOREIGN, MALFORMED, BAD, GGA[:20]]),
)
captures = st.lists(parts, max_size=12).map(b"".join)


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def assert_plain(value: object) -> None:
    """Unknown is absent: no null, no empty text, no number that JSON does not know."""
    if isinstance(value, dict):
        for name, item in value.items():
            assert isinstance(name, str)
            assert item is not None
            assert item != ""
            assert_plain(item)
    elif isinstance(value, float):
        assert math.isfinite(value)
    else:
        assert isinstance(value, str | int | float | list | tuple | bool)


@given(captures, st.integers(1, 200))
def test_the_lines_cover_the_capture_in_order_without_a_gap(data, size):
    offset = 0
    for line in decode_lines(chunked(data, size)):
        assert line["offset"] == offset
        assert line["length"] > 0
        assert line["type"]
        if line["type"] == "skipped":
            assert line["reason"]
            assert (
                bytes.fromhex(line["data_hex"]) == data[offset : offset + min(line["length"], 64)]
            )
        else:
            assert line["protocol"] in {"nmea", "rtcm3"}
            assert_plain({k: v for k, v in line.items() if k != "satellites"})
        json.loads(msgspec.json.encode(line))
        offset += line["length"]
    assert offset == len(data)


@given(captures, st.integers(1, 200))
def test_the_counts_add_up_and_agree_with_the_lines(data, size):
    counts = stats_object("a.log", chunked(data, size))
    assert counts["file"] == "a.log"
    assert counts["bytes"] == len(data)
    assert counts["decoded_bytes"] + counts["skipped_bytes"] == len(data)
    lines = list(decode_lines(chunked(data, size)))
    events: dict[str, int] = {}
    unsupported: dict[str, int] = {}
    n_skipped: dict[str, int] = {}
    for line in lines:
        if line["type"] == "skipped":
            n_skipped[line["reason"]] = n_skipped.get(line["reason"], 0) + 1
        else:
            kind = unsupported if line.get("unsupported") else events
            kind[line["type"]] = kind.get(line["type"], 0) + 1
    assert counts["events"] == events
    assert counts["unsupported"] == unsupported
    assert counts["skipped"] == n_skipped
    assert counts["bad_checksum"] == n_skipped.get("bad_checksum", 0)
    assert counts["skipped_bytes"] == sum(
        line["length"] for line in lines if line["type"] == "skipped"
    )
    json.loads(msgspec.json.encode(counts))


def test_the_stats_object_is_what_the_design_promises():
    data = GGA + GGA + RMC + STATION + FILLER + FOREIGN + BAD + b"zz" + MALFORMED
    counts = stats_object("x.log", [data])
    assert list(counts)[:7] == [
        "file",
        "bytes",
        "decoded_bytes",
        "skipped_bytes",
        "events",
        "unsupported",
        "bad_checksum",
    ]
    assert counts["events"] == {"1005": 1, "GGA": 2, "RMC": 1, "empty": 1}
    assert counts["unsupported"] == {"PASHR": 1}
    assert counts["bad_checksum"] == 1
    assert counts["skipped_bytes"] == len(BAD) + 2 + len(MALFORMED)


def test_a_line_of_each_sort():
    (gga, rmc, gsa, gsv, station, filler, foreign, bad) = decode_lines(
        [GGA, RMC, GSA, GSV, STATION, FILLER, FOREIGN, BAD]
    )
    assert gga == {
        "offset": 0,
        "length": len(GGA),
        "protocol": "nmea",
        "type": "GGA",
        "talker": "GP",
        "lat_deg": pytest.approx(47.2852331667, abs=1e-10),
        "lon_deg": 8.565265,
        "tod_ns": 34_045_000_000_000,
        "quality": 1,
        "sats_used": 8,
        "hdop": 1.01,
        "alt_msl_m": 499.6,
        "geoid_separation_m": 48.0,
    }
    assert rmc["date"] == "2002-12-09"
    assert [list(satellite) for satellite in gsa["used"]] == [["C", 19], ["C", 23], ["C", 38]]
    assert gsv["satellites"][0]["prn"] == 19
    assert station == {
        "offset": len(GGA + RMC + GSA + GSV),
        "length": 25,
        "protocol": "rtcm3",
        "type": "1005",
        "payload_bytes": 19,
        "kind": "station",
        "station": 2003,
        "ecef_m": (1114104.5999, -4850729.7108, 3975521.4643),
        "serves_gps": True,
        "serves_glonass": False,
        "serves_galileo": False,
        "is_non_physical": False,
        "has_single_oscillator": False,
        "quarter_cycle": 0,
    }
    assert (filler["type"], filler["payload_bytes"]) == ("empty", 0)
    assert (foreign["type"], foreign["unsupported"]) == ("PASHR", True)
    assert (bad["type"], bad["reason"]) == ("skipped", "bad_checksum")
    assert bad["data_hex"] == BAD[:64].hex()


def test_protocols_can_be_asked_for():
    types = [line["type"] for line in decode_lines([GGA + STATION], protocols=("rtcm3",))]
    assert types == ["skipped", "1005"]
    assert stats_object("x", [GGA + STATION], protocols=("nmea",))["events"] == {"GGA": 1}


def test_an_empty_capture_has_no_lines_and_counts_of_zero():
    assert list(decode_lines([])) == []
    assert list(fixes([b"", b""])) == []
    counts = stats_object("empty", [b""])
    assert (counts["bytes"], counts["decoded_bytes"], counts["skipped_bytes"]) == (0, 0, 0)


@given(captures, st.integers(1, 200))
def test_fixes_do_not_depend_on_the_reads(data, size):
    assert list(fixes(chunked(data, size))) == list(fixes([data]))


def test_a_fix_of_a_file_has_nothing_of_a_gateway():
    (fix,) = fixes(
        [
            sealed("GPGGA,163527.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,"),
            sealed("GPRMC,163527.00,A,4717.11399,N,00833.91590,E,0.004,77.52,130324,,,A"),
        ]
    )
    value = json.loads(msgspec.json.encode(fix))
    assert value == {
        "v": 1,
        # This instant and its BDT are a row of the reference's conversions.
        "t_fix": "2024-03-13T16:35:27.000Z",
        "bdt_week": 949,
        "bdt_sow_s": 318_931.0,
        "time_quality": "gnss",
        "fix": "single",
        "lat_deg": pytest.approx(47.2852331667, abs=1e-10),
        "lon_deg": 8.565265,
        "alt_hae_m": 547.6,
        "alt_msl_m": 499.6,
        "speed_m_s": pytest.approx(0.004 * 1852 / 3600, abs=1e-4),
        "course_deg": 77.52,
        "sats_used": 8,
        "hdop": 1.01,
        "solver": "receiver",
        "via": "file",
    }


def test_the_frame_is_named_where_the_caller_knows_it():
    (fix,) = fixes([GGA], frame="CGCS2000")
    assert fix.frame == "CGCS2000"
    assert fix.grid
    (fix,) = fixes([sealed("GPGGA,092725.00,,,,,0,00,99.9,,,,,,")], frame="CGCS2000")
    assert (fix.frame, fix.grid) == (None, None)
