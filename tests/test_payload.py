"""Payloads against their JSON Schemas, and the edges that schemas do not see."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from bdgw.model import Alarm, DeviceFix, Fix, FixKind, Satellite, Sky, TimeQuality, Via
from bdgw.offline import fixes
from bdgw.publish import payload
from bdgw.timescale import gpst_from_utc
from tests.app.rig import SCHEMAS, schema
from tests.conftest import read_capture, shared_data


def published(fix: Fix, **values: Any) -> dict[str, Any]:
    made = payload.fix_payload(fix, via=Via.SERIAL, **values)
    value: dict[str, Any] = json.loads(payload.encode(made))
    schema("fix").validate(value)
    return value


def at(day: dt.date, second: float = 0.0) -> int:
    return gpst_from_utc(day, round(second * 1e9))


def test_every_schema_is_one():
    names = sorted(path.name for path in SCHEMAS.glob("*.schema.json"))
    messages = [f"shortmsg_{kind}" for kind in ("command", "received", "reply", "status")]
    kinds = ["alarm", "connection", "fix", "health", *messages, "sky"]
    assert names == [f"{kind}.schema.json" for kind in kinds]
    for name in names:
        schema(name.removesuffix(".schema.json"))


def test_fixes_of_all_captures_fit_their_schema():
    """115 logs of as many receivers, of which some are from before BDT began."""
    validator = schema("fix")
    folder = shared_data("gnss", "gpsd")
    n_fixes = 0
    for path in sorted(folder.glob("*.log*")):
        if ".chk" in path.suffixes or path.name.endswith(".chk"):
            continue
        # The first of each are enough: what differs, differs between receivers.
        for number, fix in enumerate(fixes([read_capture(path)], frame="CGCS2000")):
            if number == 25:
                break
            validator.validate(json.loads(payload.encode(fix)))
            n_fixes += 1
    assert n_fixes > 500


def test_before_bdt_began_there_is_no_time_in_it():
    value = published(Fix(kind=FixKind.NONE, t_gpst_ns=at(dt.date(2005, 12, 31))))
    assert value["t_fix"] == "2005-12-31T00:00:00.000Z"
    assert value.keys().isdisjoint({"bdt_week", "bdt_sow_s"})
    value = published(Fix(kind=FixKind.NONE, t_gpst_ns=at(dt.date(2006, 1, 1))))
    assert (value["bdt_week"], value["bdt_sow_s"]) == (0, 0.0)


def test_unknown_is_absent_and_zero_is_zero():
    value = published(Fix(kind=FixKind.NONE))
    assert value == {
        "v": 1,
        "time_quality": "none",
        "fix": "none",
        "solver": "receiver",
        "via": "serial",
    }
    zero = Fix(
        kind=FixKind.SINGLE,
        lat_deg=0.0,
        lon_deg=0.0,
        alt_msl_m=0.0,
        speed_m_s=0.0,
        course_deg=0.0,
        sats_used=0,
        tod_utc_ns=0,
        corr_age_s=0.0,
        corr_station=0,
    )
    value = published(zero)
    for key in ("lat_deg", "lon_deg", "alt_msl_m", "speed_m_s", "course_deg", "sats_used"):
        assert value[key] == 0
    assert value["tod_utc_s"] == 0
    assert value["corr"] == {"station": 0, "age_s": 0.0}


def test_a_frame_is_said_of_a_position_alone():
    assert "frame" not in published(Fix(kind=FixKind.NONE), frame="CGCS2000", epoch=2000.0)


@pytest.mark.parametrize(
    ("posix_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (315964799_999_499_999, "1980-01-05T23:59:59.999Z"),
        (1769932800_200_000_000, "2026-02-01T08:00:00.200Z"),
        (1769932800_999_500_000, "2026-02-01T08:00:01.000Z"),
        (2**31 * 10**9, "2038-01-19T03:14:08.000Z"),
        (-1_000_000, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_host_time_is_written_whatever_it_is(posix_ns: int, text: str):
    """A board without a battery says 1970 until NTP has answered, and must publish all the same."""
    assert payload.format_posix(posix_ns) == text


def test_the_time_of_publishing_is_added_and_nothing_else_changes():
    item = DeviceFix(
        device="rover-1",
        boot="7f3a",
        seq=7,
        via=Via.IP,
        fix=Fix(kind=FixKind.NONE, time_quality=TimeQuality.NONE),
        t_rx_utc_ns=1769932800_200_000_000,
    )
    data = payload.device_fix_payload("yp-01", item)
    stamped = json.loads(payload.stamp_published(data, 1769932801_000_000_000))
    schema("fix").validate(stamped)
    assert stamped == {**json.loads(data), "t_pub": "2026-02-01T08:00:01.000Z"}


@pytest.mark.parametrize("posix_ns", [0, None])
@pytest.mark.parametrize("state", [payload.ONLINE, payload.OFFLINE])
def test_connection_states_fit_their_schema(state: str, posix_ns: int | None):
    value = json.loads(payload.connection_payload("gw", state, boot="ab", posix_ns=posix_ns))
    schema("connection").validate(value)
    assert ("t" in value) == (posix_ns is not None)


def test_an_alarm_fits_its_schema():
    alarm = Alarm(kind="time_implausible", device=None, text="…", t_utc_ns=0, fields={"n": 3})
    value = json.loads(payload.alarm_payload("gw", alarm))
    schema("alarm").validate(value)
    assert "dev" not in value


def test_a_satellite_is_used_by_its_system_and_number():
    def row(system: str, prn: int) -> Satellite:
        return Satellite(system, prn, 10, 20, None, None)

    sky = Sky(satellites=(row("G", 7), row("C", 7)), used=(("C", 7),))
    value = json.loads(payload.sky_payload("gw", "dev", sky))
    schema("sky").validate(value)
    assert [(s["system"], s["used"]) for s in value["satellites"]] == [("G", False), ("C", True)]


def test_a_fix_is_marked_as_historical_once():
    marked = payload.stamp_historical(b'{"v":1}')
    assert json.loads(marked) == {"v": 1, "historical": True}
    assert payload.stamp_historical(marked) == marked
    assert json.loads(payload.stamp_published(marked, 0))["historical"] is True
