"""The binary record: there and back, and as a reader understands who knows only the document."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.adapters import record
from bdgw.adapters.frame import Refusal
from bdgw.adapters.record import FixRecord, decode_record, encode_fix, encode_record, record_of
from bdgw.adapters.varint import Reader, svarint, uvarint
from bdgw.errors import DecodeError, EncodeError
from bdgw.model import DeviceFix, Fix, FixKind, Heading, Provenance, Solver, TimeQuality, Via
from bdgw.publish.payload import device_fix_payload
from fwsim import fix_record
from fwsim.fix_record import decode_fix_record
from tests.adapters.fixes import HEADING, a_fix, corrected, no_fix
from tests.support.gateway_process import ROOT

LEFT_OUT = {"v", "gw", "dev", "grid"}
"""What the JSON says and the record leaves to its topic or to its reader."""


def scaled(low: int, high: int, per_unit: int) -> st.SearchStrategy[float | None]:
    """Numbers with as many decimals as the record has, or none."""
    return st.none() | st.integers(low, high).map(lambda number: number / per_unit)


NAMES = st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
FRAMES = st.sampled_from([None, "WGS84", "CGCS2000", "ITRF2014", "ITRF2020", "PZ-90.11", "框架"])
YEARS = scaled(19_800_000, 21_000_000, 10**4)
COUNTS = st.none() | st.integers(0, 2**32)
HEADINGS = st.none() | st.builds(
    Heading,
    heading_deg=st.integers(0, 359_999).map(lambda number: number / 10**3),
    acc_heading_deg=st.integers(0, 10**6).map(lambda number: number / 10**3),
    pitch_deg=st.integers(-90_000, 90_000).map(lambda number: number / 10**3),
    acc_pitch_deg=st.integers(0, 10**6).map(lambda number: number / 10**3),
    baseline_m=st.integers(0, 10**8).map(lambda number: number / 10**4),
)
FIXES = st.builds(
    Fix,
    kind=st.sampled_from(FixKind),
    # 2006 to 2080: BDT has begun.
    t_gpst_ns=st.none() | st.integers(820_108_814 * 10**9, 3_155_760_000 * 10**9),
    tod_utc_ns=st.none() | st.integers(0, 86_400 * 10**9 - 1),
    time_quality=st.sampled_from(TimeQuality),
    lat_deg=scaled(-90 * 10**10, 90 * 10**10, 10**10),
    lon_deg=scaled(-180 * 10**10, 180 * 10**10, 10**10),
    alt_hae_m=scaled(-(10**7), 10**12, 10**4),
    alt_msl_m=scaled(-(10**7), 10**12, 10**4),
    acc_h_m=scaled(0, 10**8, 10**4),
    acc_v_m=scaled(0, 10**8, 10**4),
    acc_conf=scaled(0, 10**4, 10**4),
    speed_m_s=scaled(0, 10**8, 10**4),
    course_deg=scaled(0, 359_999, 10**3),
    sats_used=COUNTS,
    hdop=scaled(0, 9999, 10**2),
    corr_age_s=scaled(0, 10**7, 10**3),
    corr_station=COUNTS,
    heading=HEADINGS,
)
CORRECTIONS = st.none() | st.builds(
    Provenance,
    name=NAMES,
    mount=NAMES,
    station=COUNTS,
    age_s=scaled(0, 10**7, 10**3),
    frame=FRAMES,
    frame_epoch_year=YEARS,
)


def whole_place(fix: Fix) -> Fix:
    """No receiver gives half a position."""
    if fix.lat_deg is None or fix.lon_deg is None:
        return msgspec.structs.replace(fix, lat_deg=None, lon_deg=None)
    return fix


ITEMS = st.builds(
    DeviceFix,
    device=st.just("rover-1"),
    boot=st.binary(max_size=8).map(bytes.hex),
    seq=st.integers(0, 2**63),
    fix=FIXES.map(whole_place),
    via=st.sampled_from(Via),
    t_rx_utc_ns=st.integers(0, 4_102_444_800 * 10**9),
    solver=st.sampled_from(Solver),
    frame=FRAMES,
    frame_epoch_year=YEARS,
    corr=CORRECTIONS,
)


def tellable(item: DeviceFix, kind: FixKind, lat: int, lon: int, t_s: int, frame: str) -> DeviceFix:
    fix = msgspec.structs.replace(
        item.fix, kind=kind, lat_deg=lat / 1e10, lon_deg=lon / 1e10, t_gpst_ns=t_s * 10**9
    )
    return msgspec.structs.replace(item, fix=fix, frame=frame)


TELLABLE = st.builds(
    tellable,
    ITEMS,
    st.sampled_from([kind for kind in FixKind if kind is not FixKind.NONE]),
    st.integers(-90 * 10**10, 90 * 10**10),
    st.integers(-180 * 10**10, 180 * 10**10),
    st.integers(820_108_814, 3_155_760_000),
    st.sampled_from(["WGS84", "WGS 84 (G2139)"]),
)
"""Fixes that every format can tell."""


def as_json(item: DeviceFix) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(device_fix_payload("yp-01", item))
    # A correction of which nothing is known is an empty object there.
    if value.get("corr") == {}:
        del value["corr"]
    return {name: part for name, part in value.items() if name not in LEFT_OUT}


@given(ITEMS | TELLABLE)
def test_a_record_comes_back(item: DeviceFix):
    assert decode_record(encode_record(record_of(item))) == record_of(item)


@given(ITEMS | TELLABLE)
def test_a_reader_of_the_document_finds_what_the_json_says(item: DeviceFix):
    found = decode_fix_record(encode_record(record_of(item)))
    assert found == as_json(item)


@given(st.binary(max_size=80))
def test_any_bytes_give_a_record_or_a_decode_error(data: bytes):
    for tried in (data, b"\xbd\x01" + data):
        try:
            value = decode_record(tried)
        except DecodeError:
            continue
        # What can be read is what would have been written.
        assert decode_record(encode_record(value)) == value


@given(ITEMS | TELLABLE, st.data())
def test_what_is_cut_or_has_more_is_refused(item: DeviceFix, draw: st.DataObject):
    data = encode_record(record_of(item))
    with pytest.raises(DecodeError):
        decode_record(data[: draw.draw(st.integers(0, len(data) - 1))])
    with pytest.raises(DecodeError):
        decode_record(data + b"\0")


def test_fields_of_a_later_change_are_passed_over():
    data = bytearray(encode_record(record_of(a_fix())))
    data[2] |= 0x80
    assert decode_record(bytes(data) + b"later") == record_of(a_fix())
    assert decode_fix_record(bytes(data) + b"later") == as_json(a_fix())


def test_a_reader_of_before_headings_reads_the_rest(monkeypatch: pytest.MonkeyPatch):
    data = encode_record(record_of(a_fix(heading=HEADING)))
    monkeypatch.setattr(record, "_ROWS", record._ROWS[:24])
    monkeypatch.setattr(fix_record, "_FIELDS", fix_record._FIELDS[:24])
    assert decode_record(data) == record_of(a_fix())
    assert decode_fix_record(data) == as_json(a_fix())


def test_a_frame_that_has_got_its_number_later_may_be_written_out():
    data = bytes.fromhex("bd01 00000200 00 00 00 05 5747533834")
    assert decode_record(data).frame == "WGS84"
    assert decode_fix_record(data)["frame"] == "WGS84"


def test_another_version_is_refused():
    data = bytearray(encode_record(record_of(a_fix())))
    data[1] = 2
    with pytest.raises(DecodeError, match="version 2"):
        decode_record(bytes(data))


@pytest.mark.parametrize(
    "changes",
    [{"speed_m_s": -1.0}, {"acc_h_m": float("nan")}, {"hdop": float("inf")}, {"boot": "no-hex"}],
)
def test_what_has_no_place_in_a_record_is_refused(changes: dict[str, Any]):
    assert encode_fix(a_fix(**changes)) is Refusal.OUT_OF_RANGE


def test_a_word_without_a_number_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(record, "_VIAS", (Via.FILE,))
    assert encode_fix(a_fix(via=Via.IP)) is Refusal.OUT_OF_RANGE


def test_half_a_position_is_refused():
    half = FixRecord(
        kind=FixKind.SINGLE,
        time_quality=TimeQuality.NONE,
        via=Via.IP,
        solver=Solver.RECEIVER,
        lat_deg=1.0,
    )
    with pytest.raises(EncodeError):
        encode_record(half)


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        ("00000200 00 00 09", "frame 9 is unknown"),
        ("00000200 00 00 00 01 ff", "not UTF-8"),
        ("00000020 00 00 00", "latitude and longitude go together"),
        ("00000000 90 00", "9 stands for nothing"),
        ("00000000 06 00", "6 stands for nothing"),
        ("00000000 00 30", "3 stands for nothing"),
        ("00000000 00 02", "2 stands for nothing"),
        ("00000004 00 00 0000", "6 bytes too few"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(tail: str, what: str):
    data = bytes.fromhex("bd01" + tail)
    with pytest.raises(DecodeError, match=what):
        decode_record(data)
    with pytest.raises(ValueError):
        decode_fix_record(data)


def test_a_text_too_long_and_an_instant_before_gpst_are_refused():
    assert encode_fix(corrected(boot="7f" * 256)) is Refusal.OUT_OF_RANGE
    assert encode_fix(a_fix(frame="x" * 256)) is Refusal.OUT_OF_RANGE
    assert encode_fix(a_fix(t_gpst_ns=-1)) is Refusal.OUT_OF_RANGE


def test_every_word_of_the_model_has_a_number():
    assert set(record._KINDS) == set(FixKind)
    assert set(record._QUALITIES) == set(TimeQuality)
    assert set(record._VIAS) == set(Via)
    assert set(record._SOLVERS) == set(Solver)


# Known values: protobuf's documentation of varints says that 150 is 96 01 and folds like this.


@pytest.mark.parametrize(
    ("number", "data"), [(0, "00"), (1, "01"), (127, "7f"), (150, "9601"), (300, "ac02")]
)
def test_varints_are_the_usual_ones(number: int, data: str):
    assert uvarint(number).hex() == data
    assert Reader(bytes.fromhex(data)).uvarint() == number


@pytest.mark.parametrize(
    ("number", "folded"), [(0, 0), (-1, 1), (1, 2), (-2, 3), (2**31 - 1, 2**32 - 2)]
)
def test_signs_are_folded_in_the_usual_way(number: int, folded: int):
    assert svarint(number) == uvarint(folded)


@pytest.mark.parametrize("data", ["8000", "ffffffffffffffffff02", "80" * 11 + "01", "80"])
def test_a_number_too_long_or_too_large_is_refused(data: str):
    with pytest.raises(DecodeError):
        Reader(bytes.fromhex(data)).uvarint()


def test_the_document_lists_every_field_and_every_number():
    text = (ROOT / "docs" / "binary-record.md").read_text(encoding="utf-8")
    text = text.partition("## An example")[0]
    rows = re.findall(r"^\| (\d+) \| `[a-z]", text, re.MULTILINE)
    assert len(rows) == len(record._ROWS) + len(record._KINDS)
    for members in (FixKind, TimeQuality, Via, Solver):
        assert all(f"`{member.value}`" in text for member in members)


def test_the_example_of_the_document_is_read_as_it_says():
    text = (ROOT / "docs" / "binary-record.md").read_text(encoding="utf-8")
    data = bytes.fromhex(text.split("```")[1])
    assert decode_record(data) == record_of(corrected())
    assert decode_fix_record(data) == {
        "fix": "rtk_fixed",
        "time_quality": "gnss",
        "via": "ip",
        "solver": "receiver",
        "boot": "7f3a0001",
        "seq": 0,
        "t_fix": "2026-11-22T08:00:00.000Z",
        "bdt_week": 1090,
        "bdt_sow_s": 28804.0,
        "t_rx": "2026-11-22T08:00:00.250Z",
        "lat_deg": 31.2994021,
        "lon_deg": 121.5033127,
        "alt_hae_m": 18.412,
        "alt_msl_m": 8.1,
        "frame": "CGCS2000",
        "epoch": 2000.0,
        "acc_h_m": 0.012,
        "acc_v_m": 0.021,
        "acc_conf": 0.68,
        "speed_m_s": 1.42,
        "course_deg": 271.3,
        "sats_used": 31,
        "hdop": 0.6,
        "corr": {
            "name": "net",
            "mount": "RTCM33_GRCE",
            "station": 1042,
            "age_s": 0.8,
            "frame": "CGCS2000",
            "epoch": 2000.0,
        },
    }


def test_the_heading_of_the_document_is_read_as_it_says():
    text = (ROOT / "docs" / "binary-record.md").read_text(encoding="utf-8")
    data = bytes.fromhex(text.split("```")[3])
    assert decode_fix_record(data) == {
        "fix": "none",
        "time_quality": "none",
        "via": "ip",
        "solver": "gateway",
        "heading_deg": 193.065,
        "acc_heading_deg": 0.035,
        "pitch_deg": -1.25,
        "acc_pitch_deg": 0.07,
        "baseline_m": 0.9907,
    }
    told = FixRecord(
        kind=FixKind.NONE,
        time_quality=TimeQuality.NONE,
        via=Via.IP,
        solver=Solver.GATEWAY,
        heading_deg=193.065,
        acc_heading_deg=0.035,
        pitch_deg=-1.25,
        acc_pitch_deg=0.07,
        baseline_m=0.9907,
    )
    assert decode_record(data) == told
    assert encode_record(told) == data


def test_each_field_of_a_heading_is_read_by_itself():
    data = bytes.fromhex("bd01 10000000 00 00 b34d")
    assert decode_record(data).baseline_m == 0.9907
    assert decode_fix_record(data)["baseline_m"] == 0.9907


def test_it_is_small():
    for item in (corrected(), a_fix(), a_fix(heading=HEADING), no_fix()):
        data = encode_fix(item)
        assert isinstance(data, bytes)
        assert 4 * len(data) < len(device_fix_payload("yp-01", item))
