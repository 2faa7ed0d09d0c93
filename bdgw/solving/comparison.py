"""Whether two positions of one epoch agree, and for how long they have not. Pure.

The bound is ``K_SIGMA`` times the root of the sum of both variances. Nobody's own estimate is
believed below a floor that depends on the kind of fix: receivers are known to promise too much.
"""

from __future__ import annotations

import math

import msgspec

from bdgw.geodesy import ecef_from_geodetic, enu_from_ecef
from bdgw.model import Fix, FixKind

__all__ = ["K_SIGMA", "AgreementWatch", "Comparison", "compare", "lowered"]

K_SIGMA = 3.0
_FLOOR_M = {
    FixKind.RTK_FIXED: 0.02,
    FixKind.RTK_FLOAT: 0.3,
    FixKind.PPP: 0.3,
    FixKind.DGNSS: 1.0,
}
_UNKNOWN_M = {
    FixKind.RTK_FIXED: 0.03,
    FixKind.RTK_FLOAT: 0.6,
    FixKind.PPP: 0.6,
    FixKind.DGNSS: 2.0,
}
"""Where a fix says nothing of its own accuracy."""
_FLOOR_OTHER_M, _UNKNOWN_OTHER_M = 3.0, 6.0
_VERTICAL = 2.0
"""Heights are so much worse, in floors and where nothing is said."""
_FRAME_M = 1.0
"""A position without corrections is in the frame of the orbits: 0.7 m off CGCS2000 in China."""
_DIFFERENTIAL = (FixKind.DGNSS, FixKind.RTK_FLOAT, FixKind.RTK_FIXED)
_DISAGREE_EPOCHS = 3
_AGREE_EPOCHS = 10


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two positions of one epoch; without heights nothing is said of them."""

    diff_h_m: float
    diff_v_m: float | None
    bound_h_m: float
    bound_v_m: float

    @property
    def is_agreeing(self) -> bool:
        """Whether both lie within their combined bounds."""
        is_high = self.diff_v_m is not None and self.diff_v_m > self.bound_v_m
        return self.diff_h_m <= self.bound_h_m and not is_high


def compare(first: Fix, second: Fix) -> Comparison | None:
    """Compare two fixes of one epoch; None where one of them has no position."""
    places = []
    for fix in (first, second):
        if fix.kind is FixKind.NONE or fix.lat_deg is None or fix.lon_deg is None:
            return None
        height_m = 0.0 if fix.alt_hae_m is None else fix.alt_hae_m
        try:
            places.append(ecef_from_geodetic(fix.lat_deg, fix.lon_deg, height_m))
        except ValueError:
            return None
    has_heights = first.alt_hae_m is not None and second.alt_hae_m is not None
    if not has_heights:
        # Of both on the ellipsoid: a missing height must not look like a distance.
        places = [
            ecef_from_geodetic(fix.lat_deg or 0.0, fix.lon_deg or 0.0, 0.0)
            for fix in (first, second)
        ]
    east_m, north_m, up_m = enu_from_ecef(places[0], places[1])
    is_mixed = (first.kind in _DIFFERENTIAL) != (second.kind in _DIFFERENTIAL)
    margin_m = _FRAME_M if is_mixed else 0.0
    return Comparison(
        diff_h_m=math.hypot(east_m, north_m),
        diff_v_m=abs(up_m) if has_heights else None,
        bound_h_m=margin_m + K_SIGMA * math.hypot(_across_m(first), _across_m(second)),
        bound_v_m=margin_m + K_SIGMA * math.hypot(_up_m(first), _up_m(second)),
    )


def lowered(kind: FixKind) -> FixKind:
    """Give the status of a fix that is in doubt."""
    if kind is FixKind.RTK_FIXED:
        return FixKind.RTK_FLOAT
    return FixKind.DGNSS if kind is FixKind.RTK_FLOAT else kind


class AgreementWatch:
    """Tells when two solvers have begun to disagree, and when that is over.

    Three epochs in a row begin it, ten in a row end it.
    """

    def __init__(self) -> None:
        self.is_disagreeing = False
        self._n_other = 0
        """Epochs in a row that speak against what stands."""

    def see(self, *, is_agreeing: bool) -> bool:
        """Take an epoch; True where the state has changed."""
        if is_agreeing != self.is_disagreeing:
            self._n_other = 0
            return False
        self._n_other += 1
        if self._n_other < (_AGREE_EPOCHS if self.is_disagreeing else _DISAGREE_EPOCHS):
            return False
        self.is_disagreeing, self._n_other = not self.is_disagreeing, 0
        return True


def _across_m(fix: Fix) -> float:
    floor_m = _FLOOR_M.get(fix.kind, _FLOOR_OTHER_M)
    said_m = fix.acc_h_m
    return max(floor_m, _UNKNOWN_M.get(fix.kind, _UNKNOWN_OTHER_M) if said_m is None else said_m)


def _up_m(fix: Fix) -> float:
    floor_m = _VERTICAL * _FLOOR_M.get(fix.kind, _FLOOR_OTHER_M)
    said_m = fix.acc_v_m
    unknown_m = _VERTICAL * _UNKNOWN_M.get(fix.kind, _UNKNOWN_OTHER_M)
    return max(floor_m, unknown_m if said_m is None else said_m)
