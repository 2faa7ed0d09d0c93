"""Heads of frames, held against pyrtcm on every recorded frame; total on any bytes."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bdgw.rtcm.head import DECODED_NUMBERS, Head, MessageKind, RawEpoch, TimeScale, read_head
from tests.conftest import shared_data
from tests.rtcm import oracle
from tests.rtcm.corpus import capture_paths, sampled
from tests.rtcm.sealing import frame_of, sealed

MSM_BDS_HEAD = (
    (12, 1127),
    (12, 7),
    (30, 318_931_000),
    (1, 1),
    (3, 0),
    (7, 0),
    (2, 0),
    (2, 0),
    (1, 0),
    (3, 0),
    (64, 1 << 63 | 1 << 45 | 1),
    (32, 1 << 30 | 1 << 24 | 1 << 10 | 1 << 7 | 1 << 1 | 1),
)


def of_station(parsed) -> int | None:
    return getattr(parsed, "DF003", None)


def pyrtcm_epoch(parsed) -> int | None:
    for name in ("DF004", "DF034", "DF248", "DF427", "DF428", "DF546"):
        if hasattr(parsed, name):
            return int(getattr(parsed, name))
    return None


def pyrtcm_satellites(parsed) -> list[int]:
    if hasattr(parsed, "DF394"):
        return [i for i in range(1, 65) if parsed.DF394 >> (64 - i) & 1]
    return oracle.column(parsed, "DF009") or oracle.column(parsed, "DF038")


@pytest.mark.capture
@pytest.mark.parametrize("path", capture_paths(), ids=lambda path: path.name)
def test_heads_say_what_pyrtcm_says(path):
    for frame in sampled(path, 4):
        head = read_head(frame)
        assert head is not None
        if head.number not in DECODED_NUMBERS:
            continue
        parsed = oracle.parse(frame)
        assert head.station == of_station(parsed)
        if head.kind is not MessageKind.OBSERVATION:
            assert head.epoch is None
            continue
        assert head.epoch is not None
        assert head.epoch.time_ms == pyrtcm_epoch(parsed)
        assert head.epoch.day_of_week == getattr(parsed, "DF416", None)
        more = parsed.DF393 if hasattr(parsed, "DF393") else parsed.DF005
        assert head.has_more == bool(more)
        assert head.satellite_mask == sum(1 << (64 - i) for i in set(pyrtcm_satellites(parsed)))
        if hasattr(parsed, "DF395"):
            assert head.signal_mask == parsed.DF395


@pytest.mark.capture
def test_every_message_that_is_decoded_has_a_kind_of_its_own():
    vectors = json.loads(shared_data("vectors", "rtcm3.json").read_text(encoding="utf-8"))
    kinds = {}
    for row in vectors["frames"]:
        head = read_head(bytes.fromhex(row["hex"]))
        assert head is not None
        kinds[head.number] = head.kind.value
    assert kinds == {
        1005: "station",
        1006: "station",
        1008: "antenna",
        1029: "text",
        1033: "antenna",
        1042: "ephemeris",
        1124: "observation",
        1126: "observation",
        1127: "observation",
        1230: "bias",
    }


def test_a_bds_msm_names_satellites_signals_and_bdt():
    head = read_head(frame_of(*MSM_BDS_HEAD, (18, 0)))
    assert head == Head(
        number=1127,
        kind=MessageKind.OBSERVATION,
        station=7,
        system="C",
        epoch=RawEpoch(TimeScale.BDT, 318_931_000),
        has_more=True,
        satellite_mask=1 << 63 | 1 << 45 | 1,
        signal_mask=1 << 30 | 1 << 24 | 1 << 10 | 1 << 7 | 1 << 1 | 1,
    )
    assert head.n_satellites == 3
    assert head.satellites == ("C01", "C19", "C64")
    assert head.signal_codes == ("2I", "6I", "5D", "7D", "1P", "1X")


@pytest.mark.parametrize(
    ("number", "field", "satellites"),
    [
        (1019, (6, 32), ("G32",)),
        (1020, (6, 9), ("R09",)),
        (1042, (6, 59), ("C59",)),
        (1044, (4, 3), ("J03",)),
        (1045, (6, 36), ("E36",)),
        (1046, (6, 1), ("E01",)),
    ],
)
def test_an_ephemeris_names_its_satellite_and_no_station(number, field, satellites):
    head = read_head(frame_of((12, number), field, (200, 0)))
    assert head is not None
    assert (head.kind, head.station, head.satellites) == ("ephemeris", None, satellites)


def test_sbas_satellites_in_gps_messages_of_the_old_kind_are_named_so():
    row = (58 - 6, 0)
    head = read_head(
        frame_of((12, 1001), (12, 1), (30, 0), (1, 0), (5, 2), (4, 0), (6, 40), row, (6, 3), row)
    )
    assert head is not None
    assert head.satellites == ("G03", "S20")
    assert head.signal_codes == ("1C",)


@pytest.mark.parametrize(("number", "kind"), [(1057, "ssr"), (4076, "ssr"), (1023, "other")])
def test_what_is_not_decoded_has_a_head_too(number, kind):
    assert read_head(frame_of((12, number), (60, 0))) == Head(number=number, kind=MessageKind(kind))
    assert number not in DECODED_NUMBERS


@given(st.binary(max_size=60))
def test_any_payload_gives_a_head_or_none(payload):
    head = read_head(sealed(payload))
    assert (head is None) == (len(payload) < 2)


@given(st.sampled_from(sorted(DECODED_NUMBERS)), st.binary(max_size=200))
def test_a_head_of_any_length_never_raises_and_names_at_most_its_64_satellites(number, rest):
    frame = sealed((number << 4).to_bytes(2, "big") + rest)
    head = read_head(frame)
    assert head is not None
    assert head.number == number
    assert len(head.satellites) == head.n_satellites <= 64
    assert len(head.signal_codes) <= 32


def test_heads_frames_and_epochs_need_no_numpy():
    """A gateway that only forwards corrections stays light."""
    code = (
        "import sys, bdgw.rtcm.head, bdgw.rtcm.epoch, bdgw.rtcm.frame, bdgw.stream, bdgw.receiver,"
        "bdgw.offline;"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
