"""OwnTracks, Home Assistant and GeoJSON: what is written, against schemas of their documents.

The recorder of OwnTracks is in no distribution that the tests may use, and Home Assistant is too
large to install for them: the schemas are written from their documentation, element by element.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import geojson as readers_geojson
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator, FormatChecker

from bdgw.adapters import geojson, home_assistant, owntracks
from bdgw.adapters.adapter import Message
from bdgw.adapters.frame import Refusal, is_near_wgs84, is_wgs84
from bdgw.adapters.publishing import Format, HomeAssistantAdapter, PublishingAdapter
from bdgw.adapters.spec import HomeAssistantSpec
from bdgw.hub import SkySeen
from bdgw.model import DeviceFix
from bdgw.publish.payload import device_fix_payload
from tests.adapters.fixes import HEADING, SKY, T_POSIX_S, a_fix, corrected, no_fix
from tests.adapters.test_record import ITEMS, TELLABLE


def checked(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


# OwnTracks booklet, "JSON", _type=location.
OWNTRACKS = checked(
    {
        "type": "object",
        "required": ["_type", "lat", "lon", "tst"],
        "properties": {
            "_type": {"const": "location"},
            "lat": {"type": "number", "minimum": -90, "maximum": 90},
            "lon": {"type": "number", "minimum": -180, "maximum": 180},
            "tst": {"type": "integer"},
            "created_at": {"type": "integer"},
            "tid": {"type": "string", "minLength": 1, "maxLength": 2},
            "acc": {"type": "integer", "minimum": 0},
            "alt": {"type": "integer"},
            "vac": {"type": "integer", "minimum": 0},
            "vel": {"type": "integer", "minimum": 0},
            "cog": {"type": "integer", "minimum": 0, "maximum": 360},
        },
        # Elements beside these are kept by the recorder; none of its other names may be used.
        "not": {
            "anyOf": [
                {"required": [name]} for name in ("batt", "bs", "rad", "t", "p", "poi", "conn")
            ]
        },
    }
)
# Home Assistant, "MQTT device tracker" and "MQTT discovery": no other keys are accepted there.
HA_CONFIG = checked(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["json_attributes_topic", "unique_id", "device", "origin"],
        "properties": {
            "name": {"type": ["string", "null"]},
            "unique_id": {"type": "string"},
            "default_entity_id": {"type": "string", "pattern": "^device_tracker[.][a-z0-9_]+$"},
            "source_type": {"enum": ["gps", "router", "bluetooth", "bluetooth_le"]},
            "json_attributes_topic": {"type": "string", "pattern": "^[^#+]+$"},
            "json_attributes_template": {"type": "string"},
            "availability": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["topic"],
                    "properties": {
                        "topic": {"type": "string", "pattern": "^[^#+]+$"},
                        "value_template": {"type": "string"},
                        "payload_available": {"type": "string"},
                        "payload_not_available": {"type": "string"},
                    },
                },
            },
            "device": {
                "type": "object",
                "additionalProperties": False,
                "required": ["identifiers"],
                "properties": {
                    name: {"type": "string"}
                    for name in ("name", "manufacturer", "model", "sw_version", "hw_version")
                }
                | {"identifiers": {"type": "array", "items": {"type": "string"}}},
            },
            "origin": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {
                    name: {"type": "string"} for name in ("name", "sw_version", "support_url")
                },
            },
        },
    }
)
HA_PLACE = checked(
    {
        "type": "object",
        "required": ["latitude", "longitude"],
        "properties": {
            "latitude": {"type": "number", "minimum": -90, "maximum": 90},
            "longitude": {"type": "number", "minimum": -180, "maximum": 180},
            "gps_accuracy": {"type": "number", "minimum": 0},
        },
    }
)
# RFC 7946, clauses 3.1.1, 3.1.2 and 3.2.
FEATURE = checked(
    {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {
            "type": {"const": "Feature"},
            "id": {"type": ["string", "number"]},
            "geometry": {
                "type": "object",
                "required": ["type", "coordinates"],
                "properties": {
                    "type": {"const": "Point"},
                    "coordinates": {
                        "type": "array",
                        "minItems": 2,
                        "maxItems": 3,
                        "prefixItems": [
                            {"type": "number", "minimum": -180, "maximum": 180},
                            {"type": "number", "minimum": -90, "maximum": 90},
                            {"type": "number"},
                        ],
                    },
                },
            },
            "properties": {"type": ["object", "null"]},
        },
        # Clause 7.1: these have another meaning and may not stand in a feature.
        "not": {
            "anyOf": [{"required": [name]} for name in ("coordinates", "features", "geometries")]
        },
    }
)
SPEC = HomeAssistantSpec(
    name="homeassistant",
    devices=("rover-1", "rover-2"),
    gateway="yp-01",
    root="bdgw/v1/yp-01",
    connection_topic="bdgw/v1/yp-01/state/conn",
    prefix="homeassistant",
    period_s=10.0,
)
feature = partial(geojson.encode_feature, record=partial(device_fix_payload, "yp-01"))


def read(payload: bytes | Refusal) -> dict[str, Any]:
    assert isinstance(payload, bytes), payload
    value: dict[str, Any] = json.loads(payload)
    return value


# OwnTracks


def test_a_location_is_in_whole_units():
    value = read(owntracks.encode_location(a_fix(after_s=0.9)))
    assert value == {
        "_type": "location",
        "lat": 31.2994021,
        "lon": 121.5033127,
        "tst": T_POSIX_S,
        "created_at": T_POSIX_S + 1,
        "tid": "r1",
        "acc": 1,
        "alt": 8,
        "vac": 1,
        "vel": 5,
        "cog": 271,
        "frame": "WGS84",
        "fix": "rtk_fixed",
    }


def test_zero_is_told_and_unknown_is_not():
    value = read(owntracks.encode_location(a_fix(speed_m_s=0.0, alt_msl_m=None, acc_h_m=None)))
    assert value["vel"] == 0
    assert "alt" not in value
    assert "acc" not in value


@given(TELLABLE)
def test_every_location_is_as_documented(item: DeviceFix):
    payload = owntracks.encode_location(item)
    OWNTRACKS.validate(read(payload))


# Home Assistant


def test_the_announcement_is_as_documented():
    value = read(home_assistant.encode_config(SPEC, "rover-1", version="0.1.0"))
    HA_CONFIG.validate(value)
    assert value["json_attributes_topic"] == "bdgw/v1/yp-01/dev/rover-1/homeassistant"
    assert value["availability"][0]["topic"] == "bdgw/v1/yp-01/state/conn"
    assert home_assistant.config_topic(SPEC, "rover-1") == (
        "homeassistant/device_tracker/bdgw_yp-01_rover-1/config"
    )


@given(TELLABLE)
def test_every_place_is_as_documented(item: DeviceFix):
    payload = home_assistant.encode_place(item)
    HA_PLACE.validate(read(payload))


def test_where_it_points_is_told_where_it_is_known():
    told = read(home_assistant.encode_place(a_fix(heading=HEADING)))
    assert (told["course_deg"], told["heading_deg"]) == (271.3, 193.065)
    assert "heading_deg" not in read(home_assistant.encode_place(a_fix()))


def test_no_accuracy_is_claimed_that_the_frame_does_not_have():
    assert read(home_assistant.encode_place(a_fix()))["gps_accuracy"] == 0.012
    assert read(home_assistant.encode_place(corrected()))["gps_accuracy"] == 1.0
    assert read(home_assistant.encode_place(corrected(acc_h_m=4.5)))["gps_accuracy"] == 4.5
    assert "gps_accuracy" not in read(home_assistant.encode_place(corrected(acc_h_m=None)))


def test_trackers_are_announced_again_when_home_assistant_starts():
    said: list[Message] = []
    adapter = HomeAssistantAdapter(SPEC, post=said.append, version="0.1.0")
    adapter.on_message("homeassistant/status", b"offline")
    adapter.on_message("elsewhere/status", b"online")
    assert said == []
    adapter.on_message("homeassistant/status", b"online")
    assert [message.topic for message in said] == [
        f"homeassistant/device_tracker/bdgw_yp-01_{name}/config" for name in SPEC.devices
    ]
    assert all(message.retain and message.is_state for message in said)
    assert adapter.fields(0.0)["announced"] == 2


# GeoJSON


def test_longitude_comes_first_and_height_is_above_the_ellipsoid():
    value = read(feature(a_fix()))
    assert value["geometry"]["coordinates"] == [121.5033127, 31.2994021, 18.412]
    assert value["properties"] == json.loads(device_fix_payload("yp-01", a_fix()))
    assert read(feature(a_fix(alt_hae_m=None)))["geometry"]["coordinates"] == [
        121.5033127,
        31.2994021,
    ]


def test_another_frame_needs_an_agreement_and_is_named():
    assert feature(corrected()) is Refusal.FRAME_NOT_WGS84
    value = read(feature(corrected(), agreed=("CGCS2000",)))
    assert value["properties"]["frame"] == "CGCS2000"
    assert value["properties"]["epoch"] == 2000.0


@given(TELLABLE)
def test_every_feature_is_as_the_rfc_says(item: DeviceFix):
    payload = feature(item)
    FEATURE.validate(read(payload))
    read_by_another = readers_geojson.loads(payload)
    assert isinstance(read_by_another, readers_geojson.Feature)
    assert read_by_another.is_valid, read_by_another.errors()


@given(ITEMS)
def test_no_fix_raises(item: DeviceFix):
    for encode in ENCODERS:
        assert isinstance(encode(item), bytes | Refusal)


# What all of them refuse

ENCODERS: list[Callable[[DeviceFix], bytes | Refusal]] = [
    owntracks.encode_location,
    home_assistant.encode_place,
    feature,
]


@pytest.mark.parametrize("encode", ENCODERS)
def test_what_cannot_be_told_is_refused_by_name(encode):
    assert encode(no_fix()) is Refusal.NO_POSITION
    assert encode(a_fix(frame=None)) is Refusal.FRAME_UNKNOWN
    assert encode(a_fix(frame="GCJ-02")) is Refusal.FRAME_NOT_WGS84
    assert encode(a_fix(frame="Beijing 1954")) is Refusal.FRAME_NOT_WGS84


def test_a_location_without_a_day_is_refused():
    assert owntracks.encode_location(a_fix(t_gpst_ns=None)) is Refusal.NO_TIME


@pytest.mark.parametrize(
    ("frame", "is_same", "is_near"),
    [
        ("WGS84", True, True),
        ("WGS 84", True, True),
        ("wgs84 (G2139)", True, True),
        ("CGCS2000", False, True),
        ("ITRF2020", False, True),
        ("IGS20", False, True),
        ("ETRS89", False, True),
        ("GCJ-02", False, False),
        ("BD-09", False, False),
        ("WGS84 (GCJ-02)", False, False),
        ("CGCS2000-GCJ02", False, False),
        ("BD09", False, False),
        ("Xian 1980", False, False),
        ("WGS8", False, False),
    ],
)
def test_frames_are_known_by_name(frame: str, is_same: bool, is_near: bool):
    assert is_wgs84(frame) is is_same
    assert is_near_wgs84(frame) is is_near


# Pace and counters


def test_a_period_counts_by_the_time_of_the_fixes():
    said: list[Message] = []
    form = Format(
        kind="owntracks",
        encode=owntracks.encode_location,
        topic=partial(owntracks.topic_of, "yp-01"),
        content_type="application/json",
    )
    adapter = PublishingAdapter("ot", ("rover-1",), form, post=said.append, period_s=1.0)
    for seq in range(31):
        adapter.offer(a_fix(seq=seq, after_s=seq / 10))
    adapter.offer(no_fix())
    adapter.offer(a_fix(device="rover-2"))
    adapter.offer(SkySeen(device="rover-1", sky=SKY))
    assert [json.loads(message.payload)["tst"] - T_POSIX_S for message in said] == [0, 1, 2, 3]
    assert {message.topic for message in said} == {"owntracks/yp-01/rover-1"}
    assert adapter.fields(0.0) == {
        "fixes": 4,
        "passed_over": 27,
        "refused": {"no_position": 1},
    }
    # Time that goes back, as after a week rollover, does not silence the device.
    adapter.offer(a_fix(after_s=-5.0))
    assert len(said) == 5
