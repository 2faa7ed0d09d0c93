"""What the ephemerides of Unicore's messages have in common, to a set of Keplerian elements."""

from __future__ import annotations

import math
from typing import Any

from bdgw.positioning.ephemeris import KeplerOrbit
from bdgw.timescale import resolve_tow

__all__ = ["BDT_NS", "KEPLER", "kepler_of", "root_of"]

BDT_NS = 14_000_000_000
_WEEK_S = 604_800.0
KEPLER = (
    "delta_n_rad_s", "m0_rad", "e", "omega_rad", "cuc_rad", "cus_rad", "crc_m", "crs_m",
    "cic_rad", "cis_rad", "i0_rad", "idot_rad_s", "omega0_rad", "omega_dot_rad_s",
)  # fmt: skip
"""In this order, which all messages have."""


def kepler_of(fields: dict[str, Any], t_gpst_ns: int, toc_s: float) -> KeplerOrbit | None:
    """Make a set of what all systems have; times of week are those next to the frame's."""
    toe_s, behind_ns = fields["toe_s"], fields.pop("behind_ns", 0)
    numbers = [value for value in fields.values() if isinstance(value, float)]
    is_in_week = 0.0 <= toe_s < _WEEK_S and 0.0 <= toc_s < _WEEK_S
    if fields["satellite"] is None or not is_in_week or not all(map(math.isfinite, numbers)):
        return None
    near_ns = t_gpst_ns - behind_ns
    return KeplerOrbit(
        toe_gpst_ns=resolve_tow(round(toe_s * 1e9), near_ns) + behind_ns,
        toc_gpst_ns=resolve_tow(round(toc_s * 1e9), near_ns) + behind_ns,
        accuracy_m=math.nan,
        **fields,
    )


def root_of(a_m: float) -> float:
    """Give the square root of a semi-major axis, NaN where it is none."""
    return math.sqrt(a_m) if a_m > 0.0 else math.nan
