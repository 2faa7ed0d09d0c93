"""Cycle slips of single differences, found in five ways.

What the receivers say (flags, lock times that went back, a half cycle that was resolved), another
signal taken in place of the old one, phases of two carriers that part (geometry-free), and phases
that do not fit the motion that the others show since the epoch before (innovation).
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.double_difference import Groups, solve_ranges
from bdgw.positioning.match import common, is_one_of
from bdgw.positioning.pairing import Pairs
from bdgw.rtcm.lock import FloatArray
from bdgw.rtcm.observation import BoolArray, IntArray

__all__ = ["LONG_S", "SlipDetector"]

_FREE_M = 0.03
"""Two carriers part by this much in an epoch: half of the shortest difference of wavelengths."""
_FREE_DRIFT_M_S = 0.001
_MOTION_M = 0.015
"""Noise of a single difference between two epochs; grows with the time between them."""
_MOTION_DRIFT_M_S = 0.003
_LIMIT = 4.5
LONG_S = 12.0
"""After so long the motion between two epochs is no longer tested."""
_BANDS = 16


class SlipDetector:
    """Remembers the epoch before."""

    def __init__(self) -> None:
        self._last: Pairs | None = None

    def reset(self) -> None:
        """Forget the epoch before."""
        self._last = None

    def find(self, pairs: Pairs, groups: Groups, elapsed_s: float) -> BoolArray:
        """Tell which pairs slipped since the epoch before, by mask.

        A pair that was not in the epoch before is told as well: what happened since is not known.
        """
        slipped = (pairs.has_slipped | pairs.base_slipped) & np.isfinite(pairs.phase_m)
        last = self._last
        self._last = pairs
        if last is None:
            return slipped
        now, then = common(pairs.key, last.key)
        was_there = np.zeros(len(slipped), dtype=np.bool_)
        was_there[now] = True
        slipped |= ~was_there
        if not len(now):
            return slipped
        slipped[now] |= pairs.signals[now] != last.signals[then]
        slipped[now] |= pairs.is_half_cycle[now] != last.is_half_cycle[then]
        for name in ("lock_s", "base_lock_s"):
            later, earlier = getattr(pairs, name)[now], getattr(last, name)[then]
            # Unknown proves nothing. An indicator may stand for up to twice its time.
            slipped[now] |= (later < earlier) | (2.0 * later + 0.1 < elapsed_s)
        change_m = pairs.phase_m[now] - last.phase_m[then]
        apart = _apart(pairs.satellite[now], change_m, _FREE_M + _FREE_DRIFT_M_S * elapsed_s)
        slipped[now[apart]] = True
        if elapsed_s <= LONG_S:
            slipped[now] |= _off_motion(
                pairs, now, groups.taken(now), change_m, slipped[now], elapsed_s
            )
        return slipped


def _apart(satellite: IntArray, change_m: FloatArray, limit_m: float) -> IntArray:
    """Find satellites whose carriers part; neighbours in the order of keys are compared."""
    same = satellite[1:] == satellite[:-1]
    part = same & (np.abs(change_m[1:] - change_m[:-1]) > limit_m)
    if not part.any():
        return np.zeros(0, dtype=np.int64)
    return is_one_of(satellite, satellite[1:][part]).nonzero()[0]


def _off_motion(
    pairs: Pairs,
    now: IntArray,
    groups: Groups,
    change_m: FloatArray,
    known: BoolArray,
    elapsed_s: float,
) -> BoolArray:
    """Find phases whose change contradicts the common motion and clocks."""
    sigma_m = _MOTION_M + _MOTION_DRIFT_M_S * elapsed_s
    sine = np.maximum(np.sin(pairs.elevation_rad[now]), 0.1)
    weight = (np.minimum(1.0, sine * 2.0) / sigma_m) ** 2
    weight[known | ~np.isfinite(change_m)] = 0.0
    tried = weight > 0.0
    solved = solve_ranges(
        pairs.design[now],
        change_m,
        weight,
        groups,
        limit=_LIMIT,
        max_excluded=max(4, int(tried.sum()) // 3),
    )
    if solved is None:
        # Too many disagree to say which of them slipped.
        return tried
    return tried & ~solved.used
