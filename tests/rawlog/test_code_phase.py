"""Code-phase biases of GLONASS: their sign, and what needs none, by recorded streams."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import signal_id
from bdgw.rawlog.code_phase import ALIGNED, code_phase_of_message
from bdgw.rawlog.event import CodePhaseSeen, EpochSeen
from bdgw.rawlog.intake import RawIntake
from bdgw.rtcm.notice import GlonassBias
from tests.conftest import shared_data

SIGNALS = (signal_id("R", "1C"), signal_id("R", "2P"))
NEAR_NS = 1_220_000_000_000_000_000


def read(data: bytes, near_ns: int | None = None) -> tuple[list[EpochSeen], dict[int, float]]:
    intake = RawIntake(near_ns)
    intake.receive(data, now=0.0)
    intake.receive(b"", now=0.0)
    events = list(intake.events())
    biases = [event.bias_m for event in events if isinstance(event, CodePhaseSeen)]
    return [event for event in events if isinstance(event, EpochSeen)], biases[-1]


def apart_m(epochs: list[EpochSeen], signal: int) -> float:
    """Median of phase less code on a signal of GLONASS."""
    found: list[float] = []
    for epoch in (one.epoch for one in epochs):
        mine = (epoch.signal == signal) & (epoch.satellite // 100 == 1)
        found += (epoch.phase_m - epoch.pseudorange_m)[mine].tolist()
    return float(np.nanmedian(found))


@pytest.mark.capture
def test_added_to_the_phases_they_bring_all_makes_together() -> None:
    """One station of a network (Geo++), sent in the manner of four makes, within minutes."""
    plain: dict[int, list[float]] = {}
    aligned: dict[int, list[float]] = {}
    for make in ("LEI", "NOV", "SEP1", "TRM"):
        data = shared_data("gnss", "rtcm3", f"geo++_{make}.rtcm").read_bytes()
        epochs, bias_m = read(data, NEAR_NS)
        for signal in SIGNALS:
            plain.setdefault(signal, []).append(apart_m(epochs, signal))
            aligned.setdefault(signal, []).append(apart_m(epochs, signal) + bias_m[signal])
    for signal in SIGNALS:
        assert np.ptp(plain[signal]) > 80.0
        # The arcs begin with whole cycles of their own, which are some metres.
        assert np.ptp(aligned[signal]) < 6.0


@pytest.mark.capture
def test_ubx_is_as_aligned_as_the_msm_of_the_same_receiver() -> None:
    path = shared_data("gnss", "rtk", "jdesbonnet-20181004-static", "base-20181004-1236.ubx.gz")
    epochs, bias_m = read(gzip.decompress(path.read_bytes()))
    assert bias_m == ALIGNED  # DF421 of its 1230 is 1, with a value of 84.94 m beside it
    of_rtcm = [one.epoch for one in epochs if one.source == "rtcm3"]
    off_m = []
    for raw in (one.epoch for one in epochs if one.source == "ubx"):
        near = min(of_rtcm, key=lambda one: abs(one.t_gpst_ns - raw.t_gpst_ns))
        if abs(near.t_gpst_ns - raw.t_gpst_ns) < 50_000_000:
            off_m += differences_m(raw, near)
    assert len(off_m) > 500
    # 1 ms of clock steering is in code and phase of both alike; the rest is the resolution.
    assert np.abs(off_m).max() < 0.05


def differences_m(raw: ObservationEpoch, msm: ObservationEpoch) -> list[float]:
    """Give how much code less phase differs between both languages on GLONASS."""
    found = []
    _, at, there = np.intersect1d(raw.cell, msm.cell, return_indices=True)
    for i, j in zip(at.tolist(), there.tolist(), strict=True):
        if 100 <= raw.satellite[i] < 200:
            apart = (raw.pseudorange_m - raw.phase_m)[i] - (msm.pseudorange_m - msm.phase_m)[j]
            if np.isfinite(apart):
                found.append(float(apart))
    return found


def message(*, is_aligned: bool, **bias_m: float | None) -> GlonassBias:
    named = {name[1:]: value for name, value in bias_m.items()}
    return GlonassBias(number=1230, station=7, is_aligned=is_aligned, bias_m=named)


def test_what_a_station_does_not_know_is_not_known() -> None:
    found = code_phase_of_message(message(is_aligned=False, L1C=-71.94, L2C=None))
    assert found == {signal_id("R", "1C"): -71.94}


def test_aligned_phases_need_nothing_whatever_value_was_used() -> None:
    assert code_phase_of_message(message(is_aligned=True, L1C=84.94)) == ALIGNED
    assert code_phase_of_message(message(is_aligned=True)) == ALIGNED
