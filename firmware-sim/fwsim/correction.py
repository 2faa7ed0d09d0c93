"""A rover's use of corrections: the bytes that reach it decide the kind of its fix.

Takes any bytes at any time, finds the frames, and knows at every epoch which kind of fix the
corrections support, how old they are and from which station. Pure: time is GPST, a parameter.
"""

from collections.abc import Collection
from dataclasses import dataclass

from fwsim.constellation import System
from fwsim.gnss_time import NS_PER_S
from fwsim.orbit import Vector
from fwsim.rtcm_frame import FrameReader
from fwsim.rtcm_head import ObservationHead, StationPosition, epoch_gpst_ns, read_head
from fwsim.truth import Fix

MIN_SATELLITES = 5
MAX_STATIONS = 8
# A base that moves more than this is another base.
SAME_PLACE_M = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a receiver takes to get better, and how old corrections may become.

    ``*_after_s`` count from the first epoch at which position and observations are there. Beyond
    ``fixed_max_age_s`` the ambiguities are let go, beyond ``float_max_age_s`` the float solution,
    beyond ``dgnss_max_age_s`` the corrections. Defaults as receivers have them, 20 to 120 s.
    """

    dgnss_after_s: float = 0.0
    float_after_s: float = 3.0
    fixed_after_s: float = 15.0
    fixed_max_age_s: float = 20.0
    float_max_age_s: float = 60.0
    dgnss_max_age_s: float = 120.0

    def __post_init__(self) -> None:
        """Refuse limits that are out of order.

        Raises:
            ValueError: a better fix sooner, or with older corrections, than a worse one.
        """
        afters = (0.0, self.dgnss_after_s, self.float_after_s, self.fixed_after_s)
        ages = (0.0, self.fixed_max_age_s, self.float_max_age_s, self.dgnss_max_age_s)
        if list(afters) != sorted(afters) or list(ages) != sorted(ages):
            msg = "dgnss, float and fixed must come in this order and end in the reverse one"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Support:
    """The kind of fix that corrections support, their age and station."""

    fix: Fix
    age_s: float | None = None
    station: int | None = None


UNSUPPORTED = Support(Fix.SINGLE)


class Corrections:
    """The correction input of one receiver."""

    def __init__(self, systems: Collection[System], patience: Patience | None = None) -> None:
        """Listen for observations of the systems that the receiver tracks."""
        self._systems = frozenset(systems)
        self._patience = patience or Patience()
        self._reader = FrameReader()
        self._positions: dict[int, Vector] = {}
        self._station: int | None = None
        self._epoch_ns: int | None = None
        self._building: tuple[int, int, set[tuple[System, int]]] | None = None
        self._since_ns: int | None = None
        self._fresh_since_ns: int | None = None
        self.n_stale = 0
        self.n_malformed = 0

    @property
    def n_frames(self) -> int:
        """Frames with a good checksum."""
        return self._reader.n_frames

    @property
    def n_crc_failures(self) -> int:
        """Frames with a bad one."""
        return self._reader.n_crc_failures

    def feed(self, data: bytes, gpst_ns: int) -> None:
        """Take bytes that arrive at an instant."""
        for payload in self._reader.feed(data):
            try:
                head = read_head(payload)
            except ValueError:
                self.n_malformed += 1
                continue
            if isinstance(head, StationPosition):
                self._place(head)
            elif head is not None:
                self._observe(head, gpst_ns)

    def forget(self) -> None:
        """Start anew with ambiguities: the receiver lost its own satellites."""
        self._since_ns = self._fresh_since_ns = None

    def support(self, gpst_ns: int) -> Support:
        """Return what the corrections support at an epoch; epochs come in order of time."""
        patience = self._patience
        if self._epoch_ns is None or self._station not in self._positions:
            self.forget()
            return UNSUPPORTED
        age_s = max(0.0, (gpst_ns - self._epoch_ns) / NS_PER_S)
        if age_s > patience.dgnss_max_age_s:
            self.forget()
            return UNSUPPORTED
        if age_s > patience.float_max_age_s:
            self.forget()
            return Support(Fix.DGNSS, age_s, self._station)
        if self._since_ns is None:
            self._since_ns = self._fresh_since_ns = gpst_ns
        if age_s > patience.fixed_max_age_s:
            self._fresh_since_ns = None
        elif self._fresh_since_ns is None:
            self._fresh_since_ns = gpst_ns
        fix = self._converged(gpst_ns)
        return UNSUPPORTED if fix is Fix.SINGLE else Support(fix, age_s, self._station)

    def _converged(self, gpst_ns: int) -> Fix:
        patience = self._patience
        if self._since_ns is None or gpst_ns - self._since_ns < patience.dgnss_after_s * NS_PER_S:
            return Fix.SINGLE
        if gpst_ns - self._since_ns < patience.float_after_s * NS_PER_S:
            return Fix.DGNSS
        # From float to fixed takes as long after an interruption as at the beginning.
        to_fix_ns = (patience.fixed_after_s - patience.float_after_s) * NS_PER_S
        is_settled = gpst_ns - self._since_ns >= patience.fixed_after_s * NS_PER_S
        if self._fresh_since_ns is None or not is_settled:
            return Fix.RTK_FLOAT
        is_fixed = gpst_ns - self._fresh_since_ns >= to_fix_ns
        return Fix.RTK_FIXED if is_fixed else Fix.RTK_FLOAT

    def _place(self, told: StationPosition) -> None:
        known_m = self._positions.pop(told.station, None)
        if known_m is not None and told.station == self._station:
            moved_m = max(abs(a - b) for a, b in zip(known_m, told.ecef_m, strict=True))
            if moved_m > SAME_PLACE_M:
                self.forget()
        self._positions[told.station] = told.ecef_m
        while len(self._positions) > MAX_STATIONS:
            self._positions.pop(next(iter(self._positions)))

    def _observe(self, head: ObservationHead, gpst_ns: int) -> None:
        """Collect the satellites of an epoch; enough of them make it the one in use."""
        if head.system not in self._systems:
            return
        epoch_ns = epoch_gpst_ns(head, gpst_ns)
        limit_ns = self._patience.dgnss_max_age_s * NS_PER_S
        is_older = self._epoch_ns is not None and epoch_ns < self._epoch_ns
        if abs(gpst_ns - epoch_ns) > limit_ns or (is_older and head.station == self._station):
            self.n_stale += 1
            return
        key = (epoch_ns, head.station)
        if self._building is None or self._building[:2] != key:
            self._building = (*key, set())
        satellites = self._building[2]
        satellites |= {(head.system, number) for number in head.satellites}
        if len(satellites) < MIN_SATELLITES:
            return
        if head.station != self._station:
            self.forget()
        self._station, self._epoch_ns = head.station, epoch_ns
