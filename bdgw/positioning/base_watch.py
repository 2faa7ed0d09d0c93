"""Whether the base stands where it says: its own phases, epoch after epoch, against its position.

A base that is moved, or pushed over, shows in the change of its phases from one epoch to the next
to centimetres, without any rover. A base whose announced position changes while its phases show no
such step contradicts itself as well. In either case no fixed solution can be believed until what
it announces and what it shows agree again. What is wrong from the beginning its codes tell
(``base_place``).
"""

from __future__ import annotations

import numpy as np

from bdgw.geodesy import Ecef
from bdgw.positioning.base_place import BasePlace
from bdgw.positioning.double_difference import Groups, solve_ranges
from bdgw.positioning.geometry import place_of
from bdgw.positioning.match import common
from bdgw.positioning.pairing import Pairs
from bdgw.rtcm.lock import FloatArray

__all__ = ["BaseWatch"]

_NOISE_M = 0.01
_DRIFT_M_S = 0.003
"""How much troposphere, ionosphere and clocks change a phase in a second, beyond the models."""
_MOVED_M = 0.08
_SIGMAS = 6.0
_LONG_S = 32.0
_SAME_M = 0.01
_AGREE_M = 0.15
_LIMIT = 4.5


class BaseWatch:
    """Follows the base; ``doubt`` says why it is not believed, or None.

    A base that may move (``is_moving``) is not followed: it is never doubted.
    """

    def __init__(self, place: BasePlace, *, is_moving: bool = False) -> None:
        self._place = place
        self._is_moving = is_moving
        self._announced_m: Ecef | None = None
        self._pairs: Pairs | None = None
        self._t_s = 0.0
        self._owed_m: FloatArray = np.zeros(3)
        self._doubt: str | None = None

    @property
    def doubt(self) -> str | None:
        """Why the base is not believed: it moved, or does not stand where it says."""
        return self._doubt or self._place.doubt

    def forget_epoch(self) -> None:
        """Forget the epoch before, as when the differences begin anew."""
        self._pairs = None

    def announce(self, ecef_m: Ecef) -> bool:
        """Take an announced position; True where it is another than before."""
        before = self._announced_m
        self._announced_m = ecef_m
        if self._is_moving or ecef_m == before:
            return False
        was_misplaced = self._place.doubt is not None
        self._place.announce(place_of(ecef_m))
        if before is None:
            return False
        step = np.array(ecef_m) - np.array(before)
        if float(np.linalg.norm(step)) < _SAME_M:
            return False
        self._pairs = None
        if was_misplaced and self._place.doubt is None:
            # A wrong position was put right: what led to it is of no account.
            self._doubt, self._owed_m = None, np.zeros(3)
            return True
        self._settle(announced_m=step)
        return True

    def see(self, t_s: float, pairs: Pairs, groups: Groups) -> bool:
        """Take an epoch of the base and its groups; True where it moved since the one before."""
        last, last_s = self._pairs, self._t_s
        self._pairs, self._t_s = pairs, t_s
        elapsed_s = t_s - last_s
        if self._is_moving or last is None or not 0.0 < elapsed_s <= _LONG_S:
            return False
        now, then = common(pairs.key, last.key)
        change_m = pairs.base_phase_m[now] - last.base_phase_m[then]
        sigma_m = _NOISE_M + _DRIFT_M_S * elapsed_s
        bad = pairs.base_slipped[now] | ~np.isfinite(change_m)
        bad |= pairs.signals[now] != last.signals[then]
        weight = np.where(bad, 0.0, np.sin(pairs.elevation_rad[now]) ** 2 / sigma_m**2)
        solved = solve_ranges(
            pairs.design[now],
            change_m,
            weight,
            groups.taken(now),
            limit=_LIMIT,
            max_excluded=len(now) // 3,
        )
        if solved is None or solved.n_left < 4:
            return False
        step = solved.step_m
        size_m = float(np.linalg.norm(step))
        bound_m = _SIGMAS * float(np.sqrt(np.trace(solved.covariance)))
        if size_m < max(_MOVED_M, bound_m):
            return False
        self._place.begin_anew()
        self._settle(shown_m=step)
        return True

    def _settle(
        self, *, announced_m: FloatArray | None = None, shown_m: FloatArray | None = None
    ) -> None:
        """Keep account of what was announced and what was shown; they must come to the same."""
        if announced_m is not None:
            self._owed_m = self._owed_m + announced_m
        if shown_m is not None:
            self._owed_m = self._owed_m - shown_m
        if float(np.linalg.norm(self._owed_m)) < _AGREE_M:
            self._doubt, self._owed_m = None, np.zeros(3)
        elif shown_m is not None:
            self._doubt = "the base moved"
        else:
            self._doubt = "the base says another position, but did not move"
