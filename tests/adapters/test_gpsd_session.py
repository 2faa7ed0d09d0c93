"""The dialogue with a gpsd client, without a socket."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bdgw.adapters import gpsd_report as report
from bdgw.adapters.gpsd_session import GpsdSession
from bdgw.model import FixKind, Satellite, Sky, TimeQuality
from tests.adapters.fixes import SKY, a_fix, no_fix


class Room:
    def device(self, path: str) -> dict[str, Any] | None:
        return report.device(path, activated=None) if path in self.paths() else None

    def paths(self) -> tuple[str, ...]:
        return ("rover-1", "rover-2")

    def poll(self, only: str | None) -> dict[str, Any]:
        return report.poll("2026-11-22T08:00:00.000Z", [], [], n_active=0)


def session() -> GpsdSession:
    fresh = GpsdSession(Room(), release="bdgw test")
    assert json.loads(fresh.data_to_send())["class"] == "VERSION"
    return fresh


def answers(to: GpsdSession, data: bytes) -> list[dict[str, Any]]:
    to.receive(data)
    return [json.loads(line) for line in to.data_to_send().splitlines()]


def classes(found: list[dict[str, Any]]) -> list[str]:
    return [each["class"] for each in found]


def test_nobody_is_told_anything_who_has_not_asked():
    assert not session().wants("rover-1")


def test_watch_answers_devices_then_watch_and_begins():
    client = session()
    found = answers(client, b'?WATCH={"enable":true,"json":true};\r\n')
    assert classes(found) == ["DEVICES", "WATCH"]
    assert [each["path"] for each in found[0]["devices"]] == ["rover-1", "rover-2"]
    assert found[1]["json"] is True
    assert client.wants("rover-1")
    assert client.wants("rover-2")


def test_json_is_the_default_and_nmea_alone_is_possible():
    client = session()
    answers(client, b'?WATCH={"enable":true}\n')
    assert client.watch["json"]
    answers(client, b'?WATCH={"enable":true,"nmea":true}\n')
    assert client.watch["nmea"]
    assert not client.watch["json"]


def test_a_watch_of_one_device_and_its_end():
    client = session()
    answers(client, b'?WATCH={"enable":true,"device":"rover-2"};')
    assert not client.wants("rover-1")
    assert client.wants("rover-2")
    answers(client, b'?WATCH={"enable":false};')
    assert not client.wants("rover-2")


def test_a_watch_that_only_asks_changes_nothing():
    client = session()
    assert classes(answers(client, b"?WATCH;")) == ["DEVICES", "WATCH"]
    assert not client.wants("rover-1")


def test_what_is_no_object_is_refused():
    client = session()
    for request in (b"?WATCH=[1];", b"?WATCH={;", b"?DEVICE=nonsense;", b"?GOPHER;"):
        assert classes(answers(client, request)) == ["ERROR"]
    assert classes(answers(client, b'?WATCH={"device":"a\\"b;c"};')) == ["ERROR"]
    assert client.n_bad == 5


def test_an_unknown_device_is_refused_and_changes_nothing():
    client = session()
    answers(client, b'?WATCH={"enable":true};')
    found = answers(client, b'?WATCH={"enable":true,"device":"rover-9"};')
    assert classes(found) == ["ERROR"]
    assert client.wants("rover-1")
    assert client.n_bad == 1


def test_several_requests_in_one_line_and_a_semicolon_inside_a_text():
    found = answers(session(), b'?DEVICES;?POLL;?VERSION;?DEVICE={"path":"a;b"};?DEVICE;\n')
    assert classes(found) == ["DEVICES", "POLL", "VERSION", "ERROR", "DEVICE"]


def test_a_request_without_end_is_not_kept():
    client = session()
    assert classes(answers(client, b"?" + b"x" * 5000)) == ["ERROR"]
    assert answers(client, b"x" * 5000) == []
    # What ends it belongs to it; the next one is served.
    assert classes(answers(client, b";?VERSION;")) == ["VERSION"]


@given(st.binary(max_size=300))
def test_no_request_raises_and_every_answer_is_json(data: bytes):
    for found in answers(session(), data + b"\n"):
        assert "class" in found


ALPHABET = st.sampled_from(
    [b"?", b"WATCH", b"=", b"{", b"}", b'"', b"enable", b":", b"true", b";", b"\n", b"POLL", b"\\"]
)


@given(st.lists(ALPHABET, max_size=40).map(b"".join), st.data())
def test_any_cut_of_the_bytes_gives_the_same_answers(data: bytes, draw: st.DataObject):
    whole = session()
    whole.receive(data)
    cut = session()
    at = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    for begin, end in zip([0, *at], [*at, len(data)], strict=True):
        cut.receive(data[begin:end])
    assert cut.data_to_send() == whole.data_to_send()
    assert cut.watch == whole.watch


# Reports


def test_unknown_is_absent_and_zero_is_zero():
    item = a_fix(alt_hae_m=None, acc_h_m=None, speed_m_s=0.0, course_deg=None, frame=None)
    value = report.tpv(item)
    assert value["speed"] == 0.0
    for name in ("altHAE", "geoidSep", "eph", "track", "datum", "alt"):
        assert name not in value
    assert value["mode"] == 3
    assert report.tpv(a_fix(alt_hae_m=None, alt_msl_m=None))["mode"] == 2


def test_without_a_fix_there_is_a_mode_and_nothing_else():
    assert report.tpv(no_fix()) == {"class": "TPV", "device": "rover-1", "mode": 1}


def test_a_time_that_is_not_believed_is_not_told():
    assert "time" not in report.tpv(a_fix(time_quality=TimeQuality.UNVERIFIED))


def test_the_frame_stands_in_datum():
    assert report.tpv(a_fix(frame="CGCS2000"))["datum"] == "CGCS2000"


def test_nmea_without_a_position_is_nothing_and_without_a_day_has_no_date():
    assert report.nmea_lines(no_fix().fix) == b""
    undated = a_fix(t_gpst_ns=None, tod_utc_ns=None, speed_m_s=None, course_deg=None).fix
    assert b"$GNRMC,,A,3117.9641260,N,12130.1987620,E,,,,,,D*" in report.nmea_lines(undated)


def test_a_system_that_gpsd_does_not_know_is_left_out():
    unknown = Sky(
        satellites=(
            Satellite(system="X", prn=1, elevation_deg=1, azimuth_deg=1, cn0_dbhz=30, signal=None),
        ),
        used=(),
    )
    assert report.sky("rover-1", unknown, None) == {
        "class": "SKY",
        "device": "rover-1",
        "nSat": 0,
        "uSat": 0,
        "satellites": [],
    }


def test_every_kind_of_fix_has_a_status():
    # gpsd_json(5): 1 normal, 2 DGPS, 3 RTK fixed, 4 RTK float, 5 dead reckoning, 7 surveyed,
    # 8 simulated.
    found = {kind: report.tpv(a_fix(kind=kind)).get("status") for kind in FixKind}
    assert found == {
        FixKind.NONE: None,
        FixKind.SINGLE: 1,
        FixKind.DGNSS: 2,
        FixKind.PPP: 2,
        FixKind.RTK_FIXED: 3,
        FixKind.RTK_FLOAT: 4,
        FixKind.DEAD_RECKONING: 5,
        FixKind.MANUAL: 7,
        FixKind.SIMULATED: 8,
    }


def test_a_satellite_stands_once_with_its_strongest_signal():
    value = report.sky("rover-1", SKY, a_fix())
    assert (value["nSat"], value["uSat"]) == (4, 2)
    beidou = next(each for each in value["satellites"] if each["gnssid"] == 3)
    assert (beidou["svid"], beidou["PRN"], beidou["ss"], beidou["used"]) == (21, 421, 47, True)
    assert "ss" not in next(each for each in value["satellites"] if each["gnssid"] == 0)
