"""One observation message of RTCM 3 to a part of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import satellite_id, signal_id
from bdgw.rtcm.epoch import raw_epoch_gpst_ns
from bdgw.rtcm.observation import IntArray, Observations

__all__ = ["epoch_of_message"]


def epoch_of_message(message: Observations, near_gpst_ns: int) -> ObservationEpoch | None:
    """Give the cells of known signals; None where the time is unknown, or ranges are not whole."""
    t_gpst_ns = raw_epoch_gpst_ns(message.epoch, near_gpst_ns)
    if t_gpst_ns is None or message.range_modulus_m is not None:
        return None
    satellites = _satellite_ids(tuple(message.satellites))
    signals = _signal_ids(message.system, tuple(signal.code for signal in message.signals))
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


@lru_cache(maxsize=1024)
def _satellite_ids(names: Sequence[str]) -> IntArray:
    # A stream names the same satellites for minutes.
    return np.array([satellite_id(name) for name in names], dtype=np.int64)


@lru_cache(maxsize=1024)
def _signal_ids(system: str, codes: Sequence[str | None]) -> IntArray:
    return np.array(
        [-1 if code is None else signal_id(system, code) for code in codes], dtype=np.int64
    )
