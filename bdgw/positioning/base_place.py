"""Whether the base stands where it says, by its own codes: a wrong place from the beginning.

A rover that is solved against a base with a wrong position is wrong by the same, and everything
else fits. Only the base's own codes know (``code_place``), to a metre or two: of a position every
ten seconds the median of ten minutes is compared with what is announced. What does not average
out in that time has its bounds, over which a base is misplaced for certain:

- across 3 m: 1 m of datum (CGCS2000 and ETRS89 are up to 0.8 m from the frame of the orbits), 2 m
  of orbits, delays, reflections; or one standard deviation of a single epoch, with few satellites;
- in height 8 m, or the same;
- with one carrier more, by the ionosphere over the base: 0.6 of it across, 2.5 of it in height.

What the medians themselves are uncertain by is added, so that 30 m are told after three epochs and
5 m (with two carriers) after a minute or two.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import msgspec
import numpy as np

from bdgw.positioning.code_place import CodePlace, place_by_codes
from bdgw.positioning.constellation import Constellation
from bdgw.positioning.geometry import Place
from bdgw.positioning.ionosphere import Ionosphere
from bdgw.positioning.observation import ObservationEpoch
from bdgw.rtcm.lock import FloatArray

__all__ = ["BaseCheck", "BasePlace"]

_EVERY_NS = 10_000_000_000
_FIRST_NS = 2_000_000_000
"""The first few come sooner."""
_WINDOW_NS = 600_000_000_000
_FEWEST = 3
_FEWEST_FOR_SCATTER = 6
_LASTING = 3.0
"""So many samples in a row have about the same error: reflections last half a minute."""
_SIGMAS = 3.0
_ACROSS_M, _UP_M = 3.0, 8.0
_ION_ACROSS, _ION_UP = 0.6, 2.5
_TOO_POOR_M = 10.0
"""Positions less precise across than this are not taken."""
_BACK = 0.8
"""A base is believed again within this part of the bounds that it was beyond: that bounds become
wider when satellites set is no reason."""
_MASK_RAD = math.radians(10.0)
_MAD = 1.4826
"""Standard deviation over the median of absolute deviations, of a normal distribution."""
_DOUBT = "the base does not stand where it says"


class BaseCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A base's announced place less the place that its codes have shown, east, north, up."""

    off_enu_m: tuple[float, float, float]
    bound_h_m: float
    bound_v_m: float
    is_misplaced: bool

    def __str__(self) -> str:
        east_m, north_m, up_m = self.off_enu_m
        return (
            f"{east_m:+.1f} m east, {north_m:+.1f} m north, {up_m:+.1f} m up of where its own "
            f"observations put it (bounds: {self.bound_h_m:.1f} m across, "
            f"{self.bound_v_m:.1f} m up)"
        )


class _Sample(NamedTuple):
    t_gpst_ns: int
    found: CodePlace


class BasePlace:
    """Follows one base; ``doubt`` says why its position is not believed, or None.

    A doubt stays until codes agree with what is announced, also when another position is.
    """

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self._announced: Place | None = None
        self._seen_ns: int | None = None
        self._told_m = (math.inf, math.inf)
        """The narrowest bounds that it was beyond, across and in height, while it is in doubt."""
        self.check: BaseCheck | None = None
        """The last judgement; None while there is none."""
        self.doubt: str | None = None

    def announce(self, place: Place) -> None:
        """Take an announced position."""
        before = self._announced
        self._announced = place
        if before is None or not self._samples or np.array_equal(before.ecef_m, place.ecef_m):
            return
        judged = self._judge(place)
        if judged is None or judged.is_misplaced:
            # The antenna may have been moved as well: the samples prove nothing of another place.
            self.begin_anew()
        else:
            self._settle(judged)

    def begin_anew(self) -> None:
        """Forget what the codes have shown, as when the antenna moved."""
        self._samples.clear()
        self._seen_ns = self.check = None

    def is_due(self, t_gpst_ns: int) -> bool:
        """Whether an epoch of this time is wanted."""
        if self._announced is None or self._seen_ns is None:
            return self._announced is not None
        passed_ns = t_gpst_ns - self._seen_ns
        every_ns = _FIRST_NS if len(self._samples) < _FEWEST else _EVERY_NS
        return not 0 <= passed_ns < every_ns

    def see(
        self, base: ObservationEpoch, constellation: Constellation, ionosphere: Ionosphere
    ) -> None:
        """Take an epoch of the base."""
        announced = self._announced
        if announced is None:
            return
        if self._seen_ns is not None and base.t_gpst_ns < self._seen_ns:
            self.begin_anew()
        self._seen_ns = base.t_gpst_ns
        found = place_by_codes(base, constellation, ionosphere, announced, _MASK_RAD)
        if found is None:
            return
        across_m2 = float(found.covariance_enu_m2[0, 0] + found.covariance_enu_m2[1, 1])
        if not across_m2 <= _TOO_POOR_M**2:
            return
        self._samples.append(_Sample(base.t_gpst_ns, found))
        while self._samples[0].t_gpst_ns <= base.t_gpst_ns - _WINDOW_NS:
            self._samples.popleft()
        judged = self._judge(announced)
        if judged is not None:
            self._settle(judged)

    def _settle(self, judged: BaseCheck) -> None:
        self.check = judged
        if judged.is_misplaced:
            self.doubt = _DOUBT
            across_m, up_m = self._told_m
            self._told_m = (min(across_m, judged.bound_h_m), min(up_m, judged.bound_v_m))
        else:
            self.doubt, self._told_m = None, (math.inf, math.inf)

    def _judge(self, announced: Place) -> BaseCheck | None:
        """Compare a position with what the codes have shown; None with too few samples."""
        n = len(self._samples)
        if n < _FEWEST:
            return None
        places = np.array([each.found.ecef_m for each in self._samples])
        off: FloatArray = (announced.ecef_m - places) @ announced.to_enu.T
        each_m2 = np.array([each.found.covariance_enu_m2 for each in self._samples])
        covariance: FloatArray = each_m2.mean(axis=0)
        zenith_m = float(np.median([each.found.zenith_m for each in self._samples]))
        median: FloatArray = np.median(off, axis=0)
        scatter: FloatArray = _MAD * np.median(np.abs(off - median), axis=0)
        if n < _FEWEST_FOR_SCATTER:
            scatter = np.maximum(scatter, np.sqrt(covariance.diagonal()))
        noise = _SIGMAS * scatter / math.sqrt(max(1.0, n / _LASTING))
        across_m = math.hypot(median[0], median[1])
        way = median[:2] / max(across_m, 1e-9)
        bound_h_m = max(_ACROSS_M, _along(covariance[:2, :2], way)) + _ION_ACROSS * zenith_m
        bound_h_m += math.hypot(way[0] * noise[0], way[1] * noise[1])
        bound_v_m = max(_UP_M, math.sqrt(float(covariance[2, 2]))) + _ION_UP * zenith_m
        bound_v_m += float(noise[2])
        east_m, north_m, up_m = median.tolist()
        part = 1.0 if self.doubt is None else _BACK
        is_misplaced = across_m > part * min(bound_h_m, self._told_m[0])
        is_misplaced |= abs(up_m) > part * min(bound_v_m, self._told_m[1])
        return BaseCheck(
            off_enu_m=(round(east_m, 3), round(north_m, 3), round(up_m, 3)),
            bound_h_m=round(bound_h_m, 3),
            bound_v_m=round(bound_v_m, 3),
            is_misplaced=is_misplaced,
        )


def _along(covariance: FloatArray, way: FloatArray) -> float:
    """Give the standard deviation along a direction."""
    return math.sqrt(max(0.0, float(way @ covariance @ way)))
