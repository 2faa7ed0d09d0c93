"""The reference's decoded frames: values of two programs that are not ours."""

import json
import math

import numpy as np
import pytest

from bdgw.rtcm import decode
from bdgw.rtcm.antenna import StationEquipment
from bdgw.rtcm.ephemeris import BdsEphemeris, GpsEphemeris, toc_gpst_ns, toe_gpst_ns, week_gpst
from bdgw.rtcm.lock import LOCK_4_S, LOCK_7_S, LOCK_10_S, has_slipped, lock_indicator
from bdgw.rtcm.notice import GlonassBias, StationText, day_of_mjd
from bdgw.rtcm.observation import Observations
from bdgw.rtcm.station import StationPosition
from bdgw.timescale import WEEK_NS
from tests.conftest import shared_data
from tests.rtcm.corpus import frames_of

VECTORS = json.loads(shared_data("vectors", "rtcm3.json").read_text(encoding="utf-8"))
FRAMES = {row["name"]: row for row in VECTORS["frames"]}
S_NS = 1_000_000_000


def row_and_message(beginning: str):
    (name,) = (name for name in FRAMES if name.startswith(beginning))
    return FRAMES[name], decode(bytes.fromhex(FRAMES[name]["hex"]))


@pytest.mark.parametrize("beginning", ["1005 standard", "1005 USCL", "1006 USCL"])
def test_station_positions(beginning):
    row, message = row_and_message(beginning)
    says = row["decode"]
    assert isinstance(message, StationPosition)
    assert message == StationPosition(
        number=says["type"],
        station=says["station"],
        ecef_m=(says["x_m"], says["y_m"], says["z_m"]),
        antenna_height_m=says.get("height_m"),
        itrf_year=None,
        serves_gps=bool(says["gps"]),
        serves_glonass=bool(says["glo"]),
        serves_galileo=bool(says["gal"]),
        is_non_physical=bool(says["ref_ind"]),
        has_single_oscillator=bool(says["single_osc"]),
        quarter_cycle=says["quarter_cycle"],
    )


@pytest.mark.parametrize("beginning", ["1008", "1033"])
def test_antenna_and_receiver(beginning):
    row, message = row_and_message(beginning)
    says = row["decode"]
    assert message == StationEquipment(
        number=int(beginning),
        station=says["station"],
        antenna=says["antenna"],
        setup_id=says["setup_id"],
        antenna_serial=says["antenna_serial"],
        receiver=says.get("receiver"),
        firmware=says.get("firmware"),
        receiver_serial=says.get("receiver_serial"),
    )


def test_text():
    row, message = row_and_message("1029")
    says = row["decode"]
    assert message == StationText(
        number=1029,
        station=says["station"],
        mjd=says["mjd"],
        sod_s=says["utc_sod"],
        text=says["text"],
    )
    assert day_of_mjd(says["mjd"]).isoformat() == "2024-03-13"


def test_glonass_biases():
    row, message = row_and_message("1230")
    assert message == GlonassBias(
        number=1230,
        station=0,
        is_aligned=True,
        bias_m=dict(
            zip(("1C", "1P", "2C", "2P"), map(float, row["decode"]["bias_m"]), strict=True)
        ),
    )


SEMICIRCLES = {
    "idot": "idot_rad_s",
    "dn": "delta_n_rad_s",
    "m0": "m0_rad",
    "omega0": "omega0_rad",
    "i0": "i0_rad",
    "omega": "omega_rad",
    "omegadot": "omega_dot_rad_s",
}
AS_THEY_ARE = {
    "week": "raw_week",
    "urai": "ura_index",
    "aode": "aode",
    "aodc": "aodc",
    "toc": "toc_s",
    "toe": "toe_s",
    "a0": "af0_s",
    "a1": "af1_s_s",
    "a2": "af2_s_s2",
    "crs": "crs_m",
    "crc": "crc_m",
    "cuc": "cuc_rad",
    "cus": "cus_rad",
    "cic": "cic_rad",
    "cis": "cis_rad",
    "e": "eccentricity",
    "sqrta": "sqrt_a_sqrt_m",
}


def test_a_beidou_ephemeris():
    row, message = row_and_message("1042")
    says = dict(row["decode"])
    assert isinstance(message, BdsEphemeris)
    assert says.pop("msg") == message.number
    assert message.satellite == f"C{says.pop('prn')}"
    assert message.is_unhealthy == bool(says.pop("health"))
    for name, attribute in (("tgd1", "tgd1_s"), ("tgd2", "tgd2_s")):
        assert getattr(message, attribute) == pytest.approx(says.pop(name) * 1e-9, rel=1e-12)
    for name, attribute in SEMICIRCLES.items():
        assert getattr(message, attribute) == pytest.approx(says.pop(name) * math.pi, rel=1e-14)
    for name, attribute in AS_THEY_ARE.items():
        assert getattr(message, attribute) == says.pop(name)
    assert says == {}


def test_the_weeks_of_ephemerides():
    (bds,) = (row for row in VECTORS["week_resolve"] if row["msg"] == "1042")
    _, message = row_and_message("1042")
    assert isinstance(message, BdsEphemeris)
    week, second = bds["reference_gps_time"]
    near = week * WEEK_NS + second * S_NS
    week, second = bds["toe_gps"]
    assert toe_gpst_ns(message, near) == week * WEEK_NS + second * S_NS
    assert toc_gpst_ns(message, near) == week * WEEK_NS + second * S_NS
    assert week_gpst(message, near) == bds["full_bds_week"] + 1356

    (gps,) = (row for row in VECTORS["week_resolve"] if row["msg"] == "1019")
    ephemeris = next(
        message
        for frame in frames_of(
            shared_data("gnss", "rtcm3", "pyrtcm", "pygpsdata-NTRIP-USCL00CHL0.log")
        )
        if isinstance(message := decode(frame), GpsEphemeris)
    )
    assert ephemeris.raw_week == gps["week_10bit"]
    assert week_gpst(ephemeris, near) == gps["full_gps_week"]


@pytest.mark.parametrize("beginning", ["1126", "1127", "1124"])
def test_observations(beginning):
    row, message = row_and_message(beginning)
    head, cells = row["header"], row["first_cells"]
    assert isinstance(message, Observations)
    assert message.number == head["type"]
    assert message.station == head["sta"]
    assert message.epoch.time_ms == head["epoch"]
    assert message.has_more == bool(head["mm"])
    assert (message.clock_steering, message.external_clock) == (head["clk"], head["ext"])
    assert message.n_cells == row["n_cells"]
    phases, dopplers = message.phase_cycles, message.doppler_hz
    for i, cell in enumerate(cells):
        assert message.satellites[message.satellite_index[i]] == f"C{cell['sat']:02d}"
        assert message.signals[message.signal_index[i]].code == cell["sig"]
        assert message.pseudorange_m[i] == pytest.approx(cell["pr"], abs=1e-6)
        assert phases[i] == pytest.approx(cell["cp"], abs=2e-6)
        assert message.lock_s[i] * 1000 == cell["lock"]
        assert message.is_half_cycle is not None
        assert message.is_half_cycle[i] == bool(cell["half"])
        assert message.cn0_dbhz[i] == cell["cnr"]
        if "doppler" in cell:
            assert dopplers[i] == pytest.approx(cell["doppler"], abs=1e-6)
            assert message.phase_rate_m_s[i] == pytest.approx(cell["rate"], abs=1e-9)
        else:
            assert np.isnan(dopplers[i])
    if beginning == "1124":
        # The fourteenth of fifteen places is absent: no B2b of C38.
        assert len(message.satellites) * len(message.signals) == message.n_cells + 1


def test_lock_times():
    tables = VECTORS["lock_time_ms"]
    for indicator, ms in tables["DF402_4bit"]:
        assert LOCK_4_S[indicator] * 1000 == ms
    for indicator, ms in tables["DF407_10bit"]:
        assert LOCK_10_S[indicator] * 1000 == ms
    assert np.isnan(LOCK_10_S[705:]).all()


def test_lock_times_of_the_old_messages():
    """Corners of the standard's table 3.4-2, by its own formulas."""
    formulas = [(0, 24, 1, 0), (24, 48, 2, 24), (48, 72, 4, 120), (72, 96, 8, 408)]
    formulas += [(96, 120, 16, 1176), (120, 127, 32, 3096)]
    for first, last, times, less in formulas:
        for indicator in range(first, last):
            assert LOCK_7_S[indicator] == indicator * times - less
    assert LOCK_7_S[127] == 937


def test_a_lock_time_between_two_steps_takes_the_lower_one():
    lock_s = np.array([0.0, 0.031, 0.032, 0.05, 1e9, np.nan])
    assert lock_indicator(LOCK_4_S, lock_s) == [0, 0, 1, 1, 15, 0]
    assert lock_indicator(LOCK_10_S, np.array([0.0655, 1e9])) == [64, 704]


def test_the_rule_of_slips():
    assert not has_slipped(1.0, 1.0)
    assert not has_slipped(1.0, 2.0)
    assert has_slipped(2.0, 1.0)
    assert has_slipped(0.0, 0.0)
    assert has_slipped(1.0, math.nan)
    assert has_slipped(math.nan, 1.0)
