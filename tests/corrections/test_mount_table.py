"""Which mounts of a sourcetable may be chosen, from tables as casters send them."""

import json

from bdgw.corrections.choice import StreamKey
from bdgw.corrections.mount_table import MountTable
from bdgw.corrections.spec import SourceSpec
from bdgw.geodesy import chord_m, ecef_from_geodetic
from bdgw.ntrip.address import CasterAddress
from bdgw.ntrip.sourcetable import parse_sourcetable
from tests.conftest import shared_data

STR = (
    "STR;{mount};place;{format};1005(10),1077(1),1127(1);{carrier};GPS+BDS;NET;CHN;{lat};{lon};"
    "{nmea};{solution};GEN;none;B;N;5000;"
)


def line(mount, *, lat="31.00", lon="121.00", nmea="0", solution="0", form="RTCM 3.2", carrier="2"):
    return STR.format(
        mount=mount, lat=lat, lon=lon, nmea=nmea, solution=solution, format=form, carrier=carrier
    )


def table(*lines, mounts=()):
    spec = SourceSpec(name="net", address=CasterAddress(host="caster.example.com"), mounts=mounts)
    made = MountTable(spec)
    made.table_seen(parse_sourcetable("\r\n".join([*lines, "ENDSOURCETABLE\r\n"]).encode()))
    return made


def names(made):
    return sorted(key.mount for key in made.places)


def test_only_single_bases_with_carrier_phase_and_rtcm_3_are_chosen_from():
    made = table(
        line("GOOD"),
        line("OLD", form="RTCM 2.3"),
        line("CMR", form="CMR+"),
        line("VRS", solution="1"),
        line("NEAR", nmea="1"),
        line("CODE", carrier="0"),
        line("RTCM3X", form="RTCM v3.3"),
        line("BARE", form="RTCM3"),
        line("SAYSNOTHING", form="", carrier=""),
        line("NOWHERE", lat="0.00", lon="0.00"),
        line("EMPTY", lat="", lon=""),
    )
    assert names(made) == ["BARE", "GOOD", "RTCM3X", "SAYSNOTHING"]
    assert made.text == "11 mounts in the sourcetable, 6 that fit, 4 with a position"


def test_patterns_say_which_mounts_may_be_chosen():
    made = table(line("SH01"), line("SH02"), line("BJ01"), mounts=("SH*", "BJ02"))
    assert names(made) == ["SH01", "SH02"]


def test_the_place_that_a_base_has_said_stands_above_the_tables_and_outlives_it():
    made = table(line("GOOD"))
    key = StreamKey("net", "GOOD")
    said = ecef_from_geodetic(31.05, 121.02, 20.0)
    assert chord_m(made.places[key], said) > 5000.0
    made.base_seen(key, said)
    assert made.places[key] == said
    made.table_seen(parse_sourcetable((line("GOOD") + "\r\nENDSOURCETABLE\r\n").encode()))
    assert made.places[key] == said
    made.base_seen(StreamKey("net", "UNKNOWN"), said)
    assert names(made) == ["GOOD"]


def test_a_table_that_cannot_be_had_leaves_the_one_before():
    made = table(line("GOOD"))
    made.failed("caster.example.com: connection refused")
    assert names(made) == ["GOOD"]
    assert made.text.endswith("the one before stays in use")


def test_a_table_of_the_vectors_gives_the_one_base_that_stands_somewhere():
    vectors = json.loads(shared_data("vectors", "ntrip.json").read_text(encoding="utf-8"))
    row = vectors["sourcetable"]
    made = MountTable(SourceSpec(name="net", address=CasterAddress(host="caster.example.com")))
    made.table_seen(parse_sourcetable(row["text"].encode()))
    first = row["str0"]
    place = made.places[StreamKey("net", first["mountpoint"])]
    assert chord_m(place, ecef_from_geodetic(first["lat"], first["lon"], 0.0)) < 1e-6
    assert row["str1"]["mountpoint"] not in names(made)  # it wants a position: its place is ours
