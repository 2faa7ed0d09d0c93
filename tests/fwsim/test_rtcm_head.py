"""What a rover reads of corrections: heads, positions and epochs, against real frames."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S, WEEK_S, bdt_ns, gpst_of_utc_ns, leap_seconds
from fwsim.rtcm_head import ObservationHead, StationPosition, epoch_gpst_ns, read_head
from fwsim.rtcm_msm import epoch_field
from tests.conftest import shared_data

NOW_NS = gpst_of_utc_ns(1_795_348_800 * NS_PER_S)


def vectors():
    return json.loads(shared_data("vectors", "rtcm3.json").read_text())


def payload_of(hexadecimal):
    return bytes.fromhex(hexadecimal)[3:-3]


def test_positions_of_real_stations():
    rows = [row for row in vectors()["frames"] if row["name"][:4] in {"1005", "1006"}]
    assert len(rows) == 3
    for row in rows:
        told = row["decode"]
        head = read_head(payload_of(row["hex"]))
        assert isinstance(head, StationPosition)
        assert head.station == told["station"]
        assert head.ecef_m == pytest.approx((told["x_m"], told["y_m"], told["z_m"]), abs=1e-6)


def test_heads_of_a_capture_are_those_of_pyrtcm():
    epochs = {"107": "DF004", "108": "DF034", "109": "DF248", "112": "DF427", "111": "DF428"}
    checked = 0
    for name in ("sept.rtcm", "trimble.rtcm", "msm.rtcm", "mixed-msm-legacy.rtcm"):
        with shared_data("gnss", "rtcm3", name).open("rb") as stream:
            for raw, message in RTCMReader(stream, quitonerror=0):
                if message is None:
                    continue
                head = read_head(raw[3:-3])
                number = message.identity
                if number[:3] in epochs and number[3] in "4567":
                    assert isinstance(head, ObservationHead)
                    satellites = [
                        int(getattr(message, f"PRN_{i:02d}")) for i in range(1, message.NSat + 1)
                    ]
                    shift = 192 if head.system is System.QZSS else 0
                    assert sorted(prn + shift for prn in head.satellites) == satellites
                    epoch = getattr(message, epochs[number[:3]])
                    assert head.epoch & (1 << 27) - 1 == epoch % (1 << 27)
                elif number in {"1004", "1012"}:
                    assert isinstance(head, ObservationHead)
                    field, first = ("DF006", "DF009") if number == "1004" else ("DF035", "DF038")
                    count = getattr(message, field)
                    numbers = {getattr(message, f"{first}_{i:02d}") for i in range(1, count + 1)}
                    assert head.satellites == numbers
                else:
                    assert not isinstance(head, ObservationHead)
                    continue
                assert head.station == message.DF003
                checked += 1
    assert checked > 100


@given(st.binary(max_size=40))
def test_any_payload_is_read_or_refused(payload):
    with contextlib.suppress(ValueError):
        head = read_head(payload)
        assert head is None or 0 <= head.station <= 4095


@pytest.mark.parametrize("number", [1001, 1005, 1012, 1077, 1124])
def test_short_messages_are_refused(number):
    with pytest.raises(ValueError, match="left"):
        read_head((number << 12).to_bytes(3, "big"))


def test_epochs_of_the_vectors():
    systems = {"MSM BDS": System.BEIDOU, "MSM GPS": System.GPS}
    rows = [row for row in vectors()["week_resolve"] if row["msg"] in systems]
    assert len(rows) == 2
    for row in rows:
        week, tow_s = row["reference_gps_time"]
        expected_week, expected_s = row["expect_gps"]
        head = ObservationHead(
            station=0, system=systems[row["msg"]], epoch=row["tow_ms"], satellites=frozenset()
        )
        near_ns = round((week * WEEK_S + tow_s) * NS_PER_S)
        expected_ns = round((expected_week * WEEK_S + expected_s) * NS_PER_S)
        assert epoch_gpst_ns(head, near_ns) == expected_ns


@given(
    st.sampled_from(list(System)),
    st.integers(-3 * 86_400_000, 40 * 86_400_000),
    st.integers(-11 * 3_600_000, 11 * 3_600_000),
)
def test_an_epoch_is_found_from_any_near_time(system, after_ms, off_ms):
    epoch_ns = NOW_NS + after_ms * 1_000_000
    head = ObservationHead(
        station=0, system=system, epoch=epoch_field(system, epoch_ns), satellites=frozenset()
    )
    assert epoch_gpst_ns(head, epoch_ns + off_ms * 1_000_000) == epoch_ns


def test_scales_differ_as_they_should():
    assert leap_seconds(NOW_NS) == 18
    assert epoch_field(System.GPS, NOW_NS) - epoch_field(System.BEIDOU, NOW_NS) == 14_000
    assert bdt_ns(NOW_NS) % NS_PER_S == 0
    # 12:00:00 UTC on a Sunday is 15:00:00 in Moscow.
    assert epoch_field(System.GLONASS, NOW_NS) == 15 * 3_600_000
