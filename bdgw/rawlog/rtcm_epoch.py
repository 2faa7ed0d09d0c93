"""One observation message of RTCM 3 to a part of an epoch."""

from __future__ import annotations

import numpy as np

from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import satellite_id, signal_id
from bdgw.rtcm.epoch import raw_epoch_gpst_ns
from bdgw.rtcm.observation import Observations

__all__ = ["epoch_of_message"]


def epoch_of_message(message: Observations, near_gpst_ns: int) -> ObservationEpoch | None:
    """Give the cells of known signals; None where the time is unknown, or ranges are not whole."""
    t_gpst_ns = raw_epoch_gpst_ns(message.epoch, near_gpst_ns)
    if t_gpst_ns is None or message.range_modulus_m is not None:
        return None
    satellites = np.array([satellite_id(name) for name in message.satellites], dtype=np.int64)
    signals = np.array(
        [-1 if s.code is None else signal_id(message.system, s.code) for s in message.signals],
        dtype=np.int64,
    )
    if not len(satellites) or not len(signals):
        return None
    signal = signals[message.signal_index]
    known = signal >= 0
    half = message.is_half_cycle
    n = message.n_cells
    return ObservationEpoch(
        t_gpst_ns=t_gpst_ns,
        satellite=satellites[message.satellite_index][known],
        signal=signal[known],
        frequency_hz=message.frequency_hz[known],
        pseudorange_m=message.pseudorange_m[known],
        phase_cycles=message.phase_cycles[known],
        doppler_hz=message.doppler_hz[known],
        cn0_dbhz=message.cn0_dbhz[known],
        lock_s=message.lock_s[known],
        has_slipped=np.zeros(n, dtype=np.bool_)[known],
        is_half_cycle=(np.zeros(n, dtype=np.bool_) if half is None else half)[known],
    )
