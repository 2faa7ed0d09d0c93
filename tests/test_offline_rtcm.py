"""RTCM 3 in the lines of decode and in the counts of --stats."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdgw.offline import decode_lines, stats_object
from bdgw.rtcm.head import DECODED_NUMBERS
from bdgw.rtcm.line import rtcm_fields
from bdgw.stream import StreamDecoder
from tests.conftest import read_capture, shared_data
from tests.rtcm import wire
from tests.rtcm.corpus import capture_paths, frames_of, sampled
from tests.rtcm.sealing import frame_of, sealed

SSR = frame_of((12, 1060), (12, 0), (200, 5))
CUT_SHORT = frame_of((12, 1019), (100, 0))
TOO_MANY = frame_of((12, 1124), (61, 0), (64, (1 << 40) - 1), (32, 3), (80, 0))
FILLER = sealed(b"")

OF_A_CELL = {
    "satellite",
    "code",
    "signal_id",
    "pseudorange_m",
    "phase_cycles",
    "doppler_hz",
    "lock_s",
    "cn0_dbhz",
    "is_half_cycle",
    "phase_range_m",
    "phase_rate_m_s",
}


def vector(beginning: str) -> dict[str, Any]:
    rows = json.loads(shared_data("vectors", "rtcm3.json").read_text(encoding="utf-8"))["frames"]
    (row,) = (row for row in rows if row["name"].startswith(beginning))
    return dict(row)


def line_of(frame: bytes) -> dict[str, Any]:
    """One line as it would be printed."""
    (line,) = decode_lines([frame])
    return dict(json.loads(msgspec.json.encode(line)))


def assert_nothing_is_empty(value: Any) -> None:
    if isinstance(value, dict):
        for item in value.values():
            assert_nothing_is_empty(item)
    elif isinstance(value, list | tuple):
        for item in value:
            assert_nothing_is_empty(item)
    else:
        assert value is not None
        assert value != ""
        assert not isinstance(value, float) or math.isfinite(value)


def test_an_msm_of_the_reference_line_by_line():
    row = vector("1127")
    line = line_of(bytes.fromhex(row["hex"]))
    cells = line.pop("observations")
    assert line == {
        "offset": 0,
        "length": 311,
        "protocol": "rtcm3",
        "type": "1127",
        "payload_bytes": 305,
        "kind": "observation",
        "station": 0,
        "system": "C",
        "time_scale": "bdt",
        "tow_s": 318_931.0,
        "has_more": True,
        "iods": 0,
        "clock_steering": 0,
        "external_clock": 0,
        "is_divergence_free": False,
        "smoothing_interval": 0,
    }
    assert len(cells) == row["n_cells"]
    for ours, theirs in zip(cells, row["first_cells"], strict=False):
        assert ours == {
            "satellite": f"C{theirs['sat']:02d}",
            "code": theirs["sig"],
            "pseudorange_m": pytest.approx(theirs["pr"], abs=1e-5),
            "phase_cycles": pytest.approx(theirs["cp"], abs=1e-5),
            "doppler_hz": pytest.approx(theirs["doppler"], abs=1e-5),
            "lock_s": theirs["lock"] / 1000,
            "cn0_dbhz": theirs["cnr"],
            "is_half_cycle": bool(theirs["half"]),
        }


def test_an_ephemeris_has_its_units_in_its_names():
    row = vector("1042")
    line = line_of(bytes.fromhex(row["hex"]))
    says = row["decode"]
    assert line["satellite"] == "C12"
    assert line["kind"] == "ephemeris"
    assert line["toe_s"] == says["toe"]
    assert line["crs_m"] == says["crs"]
    assert line["i0_rad"] == pytest.approx(says["i0"] * math.pi, rel=1e-14)
    assert line["is_unhealthy"] is False


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        ("1029", {"kind": "text", "text": "Unknown", "mjd": 60382, "sod_s": 59727}),
        ("1230", {"kind": "bias", "bias_m": {"1C": 0.0, "1P": 0.0, "2C": 0.0, "2P": 0.0}}),
        ("1033", {"kind": "antenna", "receiver": "SEPT POLARX5", "firmware": "5.5.0"}),
        ("1006", {"kind": "station", "antenna_height_m": 0.0343}),
    ],
)
def test_other_messages_of_the_reference(beginning, expected):
    line = line_of(bytes.fromhex(vector(beginning)["hex"]))
    assert expected.items() <= line.items()


def test_what_is_not_decoded_is_unsupported_and_what_cannot_be_says_why():
    assert line_of(SSR) == {
        "offset": 0,
        "length": len(SSR),
        "protocol": "rtcm3",
        "type": "1060",
        "payload_bytes": len(SSR) - 6,
        "kind": "ssr",
        "unsupported": True,
    }
    short = line_of(CUT_SHORT)
    assert short["unsupported"] is True
    assert short["error"].startswith("1019: the payload ends within ")
    assert "40 satellites times 2 signals" in line_of(TOO_MANY)["error"]
    assert "unsupported" not in line_of(FILLER)


def test_the_counts_put_what_is_not_understood_under_unsupported():
    good = bytes.fromhex(vector("1127")["hex"])
    data = good + SSR + CUT_SHORT + SSR + FILLER + good + b"zz" + TOO_MANY
    counts = stats_object("x", [data])
    assert counts["events"] == {"1127": 2, "empty": 1}
    assert counts["unsupported"] == {"1019": 1, "1060": 2, "1124": 1}
    assert counts["decoded_bytes"] == len(data) - 2
    assert counts["skipped_bytes"] == 2


def test_a_gateway_counts_by_the_number_alone():
    decoder = StreamDecoder()
    decoder.receive(SSR + CUT_SHORT + FILLER, now=0.0)
    decoder.events()
    assert decoder.stats.events == {"1019": 1, "empty": 1}
    assert decoder.stats.unsupported == {"1060": 1}
    assert decoder.stats.rtcm == {1060: 1, 1019: 1, None: 1}


def test_numbers_of_a_peers_own_making_do_not_fill_the_memory():
    decoder = StreamDecoder()
    for number in range(1300, 4096):
        decoder.receive(frame_of((12, number), (4, 0)), now=0.0)
        decoder.events()
    assert len(decoder.stats.unsupported) <= 257
    assert sum(decoder.stats.unsupported.values()) == 4096 - 1300


@pytest.mark.parametrize("number", sorted(DECODED_NUMBERS))
def test_any_frame_becomes_values_that_json_knows(number):
    @given(wire.frames(number))
    def run(frame):
        fields = rtcm_fields(frame)
        assert "unsupported" not in fields
        assert_nothing_is_empty(fields)
        for cell in fields.get("observations", ()):
            assert cell.keys() <= OF_A_CELL
            assert ("code" in cell) != ("signal_id" in cell)
        msgspec.json.decode(msgspec.json.encode(fields))

    settings(
        max_examples=5,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
    )(run)()


@given(st.binary(max_size=300))
def test_any_payload_becomes_values_that_json_knows(payload):
    assert_nothing_is_empty(rtcm_fields(sealed(payload)))


@pytest.mark.capture
def test_every_recorded_frame_becomes_a_line():
    refused = set()
    for path in capture_paths():
        for frame in sampled(path, 10):
            fields = rtcm_fields(frame)
            assert_nothing_is_empty(fields)
            if "error" in fields:
                refused.add(path.name)
    assert refused == set()


junk = st.one_of(
    st.binary(max_size=40),
    # A false preamble whose length reaches over the frames that follow.
    st.integers(0, 1023).map(lambda n: b"\xd3" + n.to_bytes(2, "big")),
    st.sampled_from([SSR[:-1], CUT_SHORT[:-2], b"$GPGGA,1*00\r\n"]),
).filter(lambda data: not any(line.get("protocol") == "rtcm3" for line in decode_lines([data])))


@pytest.mark.capture
@settings(max_examples=40)
@given(st.lists(junk, min_size=12, max_size=12), st.integers(0, 280), st.integers(1, 500))
def test_frames_between_damaged_bytes_say_the_same(between, first, size):
    frames = frames_of(shared_data("gnss", "rtcm3", "sept.rtcm"))[first : first + 11]
    data = between[0] + b"".join(f + j for f, j in zip(frames, between[1:], strict=False))
    lines = [
        {name: value for name, value in line.items() if name != "offset"}
        for line in decode_lines([data[i : i + size] for i in range(0, len(data), size)])
        if line.get("protocol") == "rtcm3"
    ]
    expected = [
        {name: value for name, value in line.items() if name != "offset"}
        for line in decode_lines(frames)
    ]
    assert lines == expected


@pytest.mark.capture
def test_lines_and_counts_of_a_capture_agree():
    data = read_capture(shared_data("gnss", "rtcm3", "switch-legacy-msm-legacy-msm.rtcm"))
    counts = stats_object("x", [data])
    lines = [line for line in decode_lines([data]) if line["type"] != "skipped"]
    assert counts["unsupported"] == {"4094": 27}
    assert sum(counts["events"].values()) + 27 == len(lines)
    assert sum(1 for line in lines if line.get("unsupported")) == 27
    assert len(frames_of(shared_data("gnss", "rtcm3", "switch-legacy-msm-legacy-msm.rtcm"))) == len(
        lines
    )
