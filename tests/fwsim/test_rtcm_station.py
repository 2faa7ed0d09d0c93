"""Station messages, byte for byte those that real stations sent."""

import json

import pytest
from pyrtcm import RTCMReader

from fwsim import rtcm_station
from tests.conftest import shared_data


def rows(prefix):
    frames = json.loads(shared_data("vectors", "rtcm3.json").read_text())["frames"]
    found = [row for row in frames if row["name"].startswith(prefix)]
    assert found
    return found


@pytest.mark.parametrize("prefix", ["1005", "1006"])
def test_positions(prefix):
    for row in rows(prefix):
        told = row["decode"]
        flags = rtcm_station.PositionFlags(
            itrf_year=told["itrf_year"],
            has_gps=bool(told["gps"]),
            has_glonass=bool(told["glo"]),
            has_galileo=bool(told["gal"]),
            is_non_physical=bool(told["ref_ind"]),
            is_single_oscillator=bool(told["single_osc"]),
            quarter_cycle=told["quarter_cycle"],
        )
        ecef_m = (told["x_m"], told["y_m"], told["z_m"])
        written = rtcm_station.position(
            told["station"], ecef_m, flags, antenna_height_m=told.get("height_m")
        )
        assert written.hex() == row["hex"]


def test_descriptors():
    (row,) = rows("1033")
    told = row["decode"]
    written = rtcm_station.antenna_and_receiver(
        told["station"],
        antenna=told["antenna"],
        antenna_serial=told["antenna_serial"],
        receiver=told["receiver"],
        firmware=told["firmware"],
        receiver_serial=told["receiver_serial"],
        setup=told["setup_id"],
    )
    assert written.hex() == row["hex"]


def test_antenna():
    # 1008 is 1007 with a serial number behind it.
    (row,) = rows("1008")
    told = row["decode"]
    written = rtcm_station.antenna(told["station"], told["antenna"], setup=told["setup_id"])
    assert written[5:-3] == bytes.fromhex(row["hex"])[5 : len(written) - 3]
    parsed = RTCMReader.parse(written)
    assert parsed.identity == "1007"
    assert len(told["antenna"]) == parsed.DF029


def test_text():
    (row,) = rows("1029")
    told = row["decode"]
    written = rtcm_station.text(
        told["station"], told["text"], mjd=told["mjd"], utc_of_day_s=told["utc_sod"]
    )
    assert written.hex() == row["hex"]
    chinese = RTCMReader.parse(rtcm_station.text(7, "基站移动", mjd=60_000, utc_of_day_s=1))
    assert (chinese.DF138, chinese.DF139) == (4, 12)


def test_biases():
    (row,) = rows("1230")
    told = row["decode"]
    written = rtcm_station.glonass_biases(
        told["station"], tuple(told["bias_m"]), is_aligned=bool(told["aligned"])
    )
    assert written.hex() == row["hex"]
    parsed = RTCMReader.parse(rtcm_station.glonass_biases(7, (None, 1.5, None, -2.0)))
    assert [parsed.DF422_1, parsed.DF422_2, parsed.DF422_3, parsed.DF422_4] == [0, 1, 0, 1]
    assert (parsed.DF424, parsed.DF426) == (1.5, -2.0)
