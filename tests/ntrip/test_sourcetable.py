"""Tables as casters send them: captured, damaged, in other codings; and our own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.ntrip.sourcetable import (
    CasterRecord,
    NetworkRecord,
    Sourcetable,
    StreamRecord,
    format_sourcetable,
    is_table_start,
    parse_sourcetable,
)
from tests.conftest import read_capture, shared_data
from tests.ntrip.dialogue import vectors

ROW = (
    b"STR;MP;%b;RTCM 3.2;1005(10),1077(1);2;GPS+BDS;NET;CHN;31.30;121.50;1;0;"
    b"gen;none;B;N;9600;m\r\n"
)


def one(line: bytes) -> StreamRecord:
    (record,) = parse_sourcetable(line).streams
    return record


def test_vector():
    table = vectors()["sourcetable"]
    parsed = parse_sourcetable(table["text"].encode())
    assert len(parsed.casters) == table["n_cas"]
    assert len(parsed.networks) == table["n_net"]
    assert len(parsed.streams) == table["n_str"]
    assert parsed.is_complete
    assert (parsed.n_damaged, parsed.n_repaired) == (0, 0)
    first, expected = parsed.streams[0], table["str0"]
    assert first.mount == expected["mountpoint"]
    assert first.identifier == expected["identifier"]
    assert first.format == expected["format"]
    assert first.carrier == expected["carrier"]
    assert list(first.systems) == expected["nav"]
    assert first.country == expected["country"]
    assert (first.lat_deg, first.lon_deg) == (expected["lat"], expected["lon"])
    assert first.needs_gga == bool(expected["nmea"])
    assert first.is_network == bool(expected["solution"])
    assert first.authentication == expected["auth"]
    assert first.has_fee == (expected["fee"] == "Y")
    assert first.bitrate == expected["bitrate"]
    second, expected = parsed.streams[1], table["str1"]
    assert second.mount == expected["mountpoint"]
    assert second.carrier is None
    assert second.needs_gga is True
    assert [list(each) for each in second.details] == expected["details"]
    assert second.bitrate is None


def test_captured_table_of_a_german_network():
    data = read_capture(shared_data("gnss", "gpsd", "ntrip_sourcetable.log"))
    table = parse_sourcetable(data)
    # Counted with grep in the capture.
    assert len(table.casters) == len(re.findall(rb"(?m)^CAS;", data)) == 15
    assert len(table.networks) == 1
    assert len(table.streams) == 4
    assert table.is_complete
    assert (table.n_damaged, table.n_repaired) == (0, 0)
    mac = table.find("MAC_3_2G")
    assert mac is not None
    assert (mac.needs_gga, mac.is_network, mac.has_fee) == (True, True, True)
    assert (mac.lat_deg, mac.lon_deg) == (52.48, 13.30)
    assert {1004: 1.0, 1014: 10.0, 1015: 10.0, 1039: 10.0}.items() <= dict(mac.details).items()
    assert dict(mac.details)[1005] is None
    assert table.casters[-1].fallback_host == "www.sapos-ni-ntrip.de"


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_any_line_end(end):
    data = vectors()["sourcetable"]["text"].encode()
    assert parse_sourcetable(data.replace(b"\r\n", end)) == parse_sourcetable(data)


def test_missing_end_is_told():
    table = parse_sourcetable(ROW % b"a")
    assert not table.is_complete
    assert len(table.streams) == 1


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"P\xf8\xedbram", "Příbram"),  # cp1250
        ("千寻位置".encode("gb18030"), "千寻位置"),
        ("上海".encode(), "上海"),
        (b"Krak\xf3w \x81", "Kraków �"),
        (b"a\x00b\x1b[31m", "a b [31m"),
    ],
)
def test_names_in_other_codings(raw, text):
    record = one(ROW % raw)
    assert record.identifier == text
    assert (record.mount, record.lat_deg, record.lon_deg) == ("MP", 31.30, 121.50)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'"a;b;c"', "a;b;c"),
        (b'"say ""hi"";"', 'say "hi";'),
        (b'"never closed', '"never closed'),
        (b'5" pipe', '5" pipe'),
        (b"a;b;c", "a;b;c"),
        (b"Praha; Zizkov", "Praha;Zizkov"),
    ],
)
def test_semicolons_in_names_do_not_shift_the_rest(raw, text):
    record = one(ROW % raw)
    assert record.identifier == text
    assert (record.format, record.country) == ("RTCM 3.2", "CHN")
    assert (record.lat_deg, record.lon_deg, record.needs_gga) == (31.30, 121.50, True)
    assert (record.authentication, record.has_fee, record.bitrate) == ("B", False, 9600)


def test_semicolon_in_the_generator_does_not_shift_the_account():
    record = one((ROW % b"a").replace(b";gen;", b";gen; 1.0; beta;"))
    assert record.generator == "gen;1.0;beta"
    assert (record.compression, record.authentication, record.bitrate) == ("none", "B", 9600)


def test_what_is_missing_is_none():
    assert one(b"STR;MP\r\n") == StreamRecord(mount="MP")
    empty = one(b"STR;MP;;;;;;;;;;;;;;;;;\r\n")
    assert empty == StreamRecord(mount="MP")
    assert empty.needs_gga is None
    assert one((ROW % b"a").replace(b"31.30;121.50", b"0.00;0.00")).lat_deg is None
    assert one((ROW % b"a").replace(b"31.30;121.50", b"91;121.50")).lon_deg is None
    assert one((ROW % b"a").replace(b"31.30;121.50", b"31,30;238.5")).lon_deg == -121.5
    for odd in (b"nan", b"inf", b"1e9", b"0x10", "١".encode()):
        assert one((ROW % b"a").replace(b"9600", odd)).bitrate is None


def test_lines_that_are_no_record_are_counted():
    table = parse_sourcetable(b"STR;;x\r\nFOO;bar\r\nSTR;MP\r\n\r\n# remark\r\nCAS;\r\n")
    assert [stream.mount for stream in table.streams] == ["MP"]
    assert table.n_damaged == 3


def test_big_table():
    lines = b"".join((ROW % b"n").replace(b";MP;", b";MP%d;" % i) for i in range(3000))
    assert len(lines) > 200_000
    table = parse_sourcetable(lines + b"ENDSOURCETABLE\r\n")
    assert len(table.streams) == 3000
    assert table.find("mp2999") == table.streams[-1]


def test_records_beyond_the_limit_are_counted():
    table = parse_sourcetable(b"STR;A\n" * 30_000)
    assert len(table.streams) == 20_000
    assert table.n_dropped == 10_000


def test_a_table_is_told_by_its_beginning():
    assert is_table_start(b"STR;") is True
    assert is_table_start(b"\r\nENDSOURCETABLE") is True
    assert is_table_start(b"ST") is None
    assert is_table_start(b"") is None
    assert is_table_start(b"Start") is False
    assert is_table_start(b"\xd3\x00") is False


WORD = st.text(
    st.characters(blacklist_categories=["C", "Z"], blacklist_characters="\ufffd"), max_size=20
)
NAME = WORD.filter(bool)
NUMBER = st.none() | st.integers(0, 9)
FLAG = st.none() | st.booleans()
PLACE = st.just((None, None)) | st.tuples(
    st.integers(-9_000, 9_000).map(lambda n: n / 100),
    st.integers(-17_999, 18_000).map(lambda n: n / 100),
).filter(lambda place: place != (0.0, 0.0))  # fmt: skip
ACCESS = st.sampled_from(["", "N", "B", "D"])


@st.composite
def streams(draw) -> StreamRecord:
    lat_deg, lon_deg = draw(PLACE)
    details = draw(st.lists(st.tuples(st.integers(1, 4095), st.none() | st.integers(1, 99))))
    text = ",".join(str(n) if p is None else f"{n}({p})" for n, p in details)
    return StreamRecord(
        mount=draw(NAME),
        identifier=draw(WORD),
        format=draw(WORD),
        format_details=text,
        details=tuple((n, None if p is None else float(p)) for n, p in details),
        carrier=draw(NUMBER),
        systems=tuple(draw(st.lists(st.sampled_from(["GPS", "GLO", "GAL", "BDS"])))),
        network=draw(WORD),
        country=draw(st.sampled_from(["CHN", "DEU", ""])),
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        needs_gga=draw(FLAG),
        is_network=draw(FLAG),
        generator=draw(WORD),
        compression=draw(WORD),
        authentication=draw(ACCESS),
        has_fee=draw(FLAG),
        bitrate=draw(NUMBER),
        misc=draw(WORD),
    )


@given(st.lists(streams(), max_size=4))
def test_our_own_streams_go_round(records):
    table = Sourcetable(streams=tuple(records), is_complete=True)
    assert parse_sourcetable(format_sourcetable(table)) == table


@given(NAME, WORD, WORD, FLAG, NUMBER, ACCESS)
def test_our_own_casters_and_networks_go_round(name, one_word, other_word, flag, number, access):
    caster = CasterRecord(
        host=name, port=number or None, identifier=one_word, operator=other_word, takes_gga=flag,
        country="CHN", lat_deg=31.3, lon_deg=-121.5, fallback_port=number or None, misc=one_word,
    )  # fmt: skip
    network = NetworkRecord(
        identifier=name, operator=one_word, authentication=access, has_fee=flag,
        web_net=other_word, web_str=one_word, misc=other_word,
    )  # fmt: skip
    table = Sourcetable(casters=(caster,), networks=(network,), is_complete=True)
    assert parse_sourcetable(format_sourcetable(table)) == table


@given(
    st.lists(
        st.sampled_from([b"STR;", b"CAS;", b"NET;", b";", b'"', b"\r\n", b"1.5", b"0", b"RTCM 3"])
        | st.binary(max_size=20),
        max_size=60,
    ).map(b"".join)
)  # fmt: skip
def test_any_bytes_make_a_table(data):
    table = parse_sourcetable(data)
    again = parse_sourcetable(format_sourcetable(table))
    assert len(again.streams) == len(table.streams)
    assert table.n_damaged <= len(data)
