"""What the base last sent of each system.

Corrections come as a message a system; one that is lost leaves the others useful, and of its own
system the epoch before still serves.
"""

from __future__ import annotations

import numpy as np

from bdgw.positioning.match import distinct, is_one_of
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.satellite import N_SYSTEM_SATELLITES

__all__ = ["BaseParts"]


class BaseParts:
    """Keeps the newest epoch of the base that has each system."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_ns = round(max_age_s * 1e9)
        self._newest: dict[int, ObservationEpoch] = {}

    def young(self, base: ObservationEpoch, t_gpst_ns: int) -> list[ObservationEpoch]:
        """Take an epoch; give the parts that are young enough, newest first, each system once."""
        system = base.satellite // N_SYSTEM_SATELLITES
        for one in distinct(system[np.isfinite(base.pseudorange_m)]):
            known = self._newest.get(one)
            if known is None or known.t_gpst_ns != base.t_gpst_ns:
                self._newest[one] = base
        found: dict[int, list[int]] = {}
        for one, epoch in self._newest.items():
            if abs(t_gpst_ns - epoch.t_gpst_ns) <= self._max_age_ns:
                found.setdefault(epoch.t_gpst_ns, []).append(one)
        if list(found) == [base.t_gpst_ns]:
            return [base]
        parts = []
        for t_ns in sorted(found, reverse=True):
            epoch = self._newest[found[t_ns][0]]
            mask = is_one_of(epoch.satellite // N_SYSTEM_SATELLITES, found[t_ns])
            parts.append(epoch.taken(mask))
        return parts
