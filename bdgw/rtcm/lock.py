"""How long a phase has been tracked without a slip, in seconds, from the three lock indicators.

Every table gives the shortest time that an indicator stands for.
Source: RTCM 10403.3, tables 3.4-2 (DF013, DF043), 3.5-74 (DF402) and 3.5-75 (DF407).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["LOCK_4_S", "LOCK_7_S", "LOCK_10_S", "FloatArray", "has_slipped", "lock_indicator"]

FloatArray = npt.NDArray[np.float64]

_DF407_LAST = 704


def _table(values: list[float]) -> FloatArray:
    table = np.array(values)
    table.flags.writeable = False
    return table


def _df013(indicator: int) -> float:
    """Six pieces of 24 values, each twice as coarse as the one before; 127 is 937 s or more."""
    if indicator == 127:
        return 937.0
    piece = indicator // 24
    offset = (0, 24, 120, 408, 1176, 3096)[piece]
    return float((indicator << piece) - offset)


def _df407(indicator: int) -> float:
    """Up to 64 in milliseconds, then 20 pieces of 32 values; above 704 reserved."""
    if indicator > _DF407_LAST:
        return float("nan")
    if indicator < 64:
        return indicator / 1000.0
    piece = indicator // 32 - 1
    return (indicator - 32 * piece) * (1 << piece) / 1000.0


LOCK_4_S = _table([0.0] + [(1 << (i + 4)) / 1000.0 for i in range(1, 16)])
"""DF402, 4 bits: 0 stands for less than 32 ms."""
LOCK_10_S = _table([_df407(i) for i in range(1024)])
"""DF407, 10 bits; reserved indicators are NaN."""
LOCK_7_S = _table([_df013(i) for i in range(128)])
"""DF013, DF019, DF043 and DF049, 7 bits, of the legacy observations."""


def lock_indicator(table: FloatArray, lock_s: FloatArray) -> list[int]:
    """Find the greatest indicator whose time is not longer than each lock time.

    An unknown time (NaN) becomes 0, which promises nothing.
    """
    known = table[~np.isnan(table)]
    found = np.searchsorted(known, lock_s, side="right") - 1
    return [0 if np.isnan(s) else max(int(i), 0) for i, s in zip(found, lock_s, strict=True)]


def has_slipped(earlier_s: float, later_s: float) -> bool:
    """Tell from two lock times of a signal, in order of time, whether its phase slipped between.

    It did where the lock time went back, and it may have where both are 0 or one is unknown.
    """
    return not later_s >= earlier_s or earlier_s == later_s == 0.0
