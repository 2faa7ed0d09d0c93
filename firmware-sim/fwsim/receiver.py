"""A simulated receiver: scene, sky and dialect become the bytes of one epoch.

Pure and random-access: epoch ``n`` depends on nothing but the settings and ``n``, unless the
receiver listens to corrections: then also on the bytes it heard. When the bytes leave, and what
happens to them on the way, is not decided here.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fwsim.constellation import System
from fwsim.correction import Corrections, Support
from fwsim.dialect import KINDS, ORDERS, Dialect
from fwsim.gnss_time import gpst_of_utc_ns
from fwsim.nmea import Sentence, Writer
from fwsim.scene import NS_PER_S, EpochGrid, Place, State, Track, offset
from fwsim.sky import Sighting, Sky
from fwsim.truth import CORRECTED, Epoch, Fix, carried

# Typical horizontal accuracy of a good open-sky receiver; the vertical is 1.7 times worse.
ACCURACY_H_M = {
    Fix.NONE: 0.0,
    Fix.SINGLE: 1.5,
    Fix.DGNSS: 0.6,
    Fix.RTK_FLOAT: 0.25,
    Fix.RTK_FIXED: 0.012,
    Fix.DEAD_RECKONING: 8.0,
    Fix.MANUAL: 0.0,
    Fix.SIMULATED: 1.0,
}
VERTICAL_FACTOR = 1.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time, seconds since the start; the end is not part of it."""

    from_s: float
    to_s: float

    def covers(self, elapsed_s: float) -> bool:
        """Tell whether an instant lies inside."""
        return self.from_s <= elapsed_s < self.to_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a receiver knows when: cold start, losses and the quality schedule.

    ``cold_start_s`` seconds have no time at all, the following ``acquire_s`` have time and no fix.
    ``quality`` is (seconds since start, kind), ascending.
    """

    cold_start_s: float = 0.0
    acquire_s: float = 0.0
    losses: tuple[Span, ...] = ()
    quality: tuple[tuple[float, Fix], ...] = ((0.0, Fix.SINGLE),)

    def fix_at(self, elapsed_s: float) -> Fix:
        """Return the kind of fix of an instant."""
        if elapsed_s < self.cold_start_s + self.acquire_s:
            return Fix.NONE
        if any(span.covers(elapsed_s) for span in self.losses):
            return Fix.NONE
        current = Fix.NONE
        for since_s, fix in self.quality:
            if elapsed_s >= since_s:
                current = fix
        return current


@dataclass(frozen=True, slots=True)
class Rendered:
    """The output of one epoch: the truth, its sentences, and what a perfect reader gets."""

    epoch: Epoch
    sentences: tuple[Sentence, ...]
    truth: dict[str, object]

    @property
    def data(self) -> bytes:
        """All bytes of the epoch."""
        return b"".join(sentence.data for sentence in self.sentences)


class Receiver:
    """One receiver; ``render`` is all it does."""

    def __init__(
        self,
        *,
        name: str,
        track: Track,
        grid: EpochGrid,
        dialect: Dialect,
        order: str,
        kinds: Sequence[str],
        systems: Sequence[System],
        behaviour: Behaviour,
        sky_every_s: float = 1.0,
        geoid_m: float = 10.3,
        station: int = 1042,
        seed: str = "0",
        corrections: Corrections | None = None,
        error_scale: float = 0.0,
    ) -> None:
        """Put a receiver on a track.

        With ``corrections`` the quality schedule says only from when on there is any fix, and its
        kind comes from them. ``error_scale`` times the typical accuracy of the fix is the spread
        of the error of a position.

        ``sky_every_s`` thins GSA and GSV: they come on the multiples of so many UTC seconds, and
        with every epoch when it is 0.

        Raises:
            ValueError: an unknown sentence kind or order, or no system left to speak of.
        """
        unknown = set(kinds) - set(KINDS)
        if unknown or order not in ORDERS:
            what = ", ".join(sorted(unknown)) or order
            msg = f"unknown sentence or order {what}; orders {', '.join(ORDERS)}"
            raise ValueError(msg)
        self.name = name
        self.grid = grid
        self._track = track
        self._behaviour = behaviour
        self._writer = Writer(dialect, systems)
        self._kinds = tuple(kind for kind in ORDERS[order] if kind in kinds)
        self._sky_every_s = sky_every_s
        self._geoid_m = geoid_m
        self._station = station
        self._corrections = corrections
        self._error_scale = error_scale
        self._seed = seed
        self._sky = Sky(self._writer.systems, seed=f"{seed}:{name}")
        self._seen: tuple[int, tuple[Sighting, ...]] = (-1, ())

    def epoch(self, n: int) -> Epoch:
        """Return the truth of epoch ``n``."""
        elapsed_s = self.grid.elapsed_s(n)
        state = self._track.at(elapsed_s)
        behaviour = self._behaviour
        fix = behaviour.fix_at(elapsed_s)
        support = self._support(n, fix)
        fix = support.fix
        is_cold = elapsed_s < behaviour.cold_start_s
        sightings = () if is_cold else self._sightings(elapsed_s)
        if fix is Fix.NONE:
            sightings = tuple(replace(sighting, is_used=False) for sighting in sightings)
        n_used = sum(sighting.is_used for sighting in sightings)
        hdop = min(2.2 / max(n_used, 1) ** 0.4, 20.0)
        acc_h_m = ACCURACY_H_M[fix]
        return Epoch(
            n=n,
            utc_ns=self.grid.utc_ns(n),
            has_time=not is_cold,
            fix=fix,
            state=self._erring(state, fix, n),
            geoid_m=self._geoid_m,
            sightings=sightings,
            hdop=hdop,
            vdop=hdop * VERTICAL_FACTOR,
            acc_h_m=acc_h_m,
            acc_v_m=acc_h_m * VERTICAL_FACTOR,
            age_s=support.age_s,
            station=support.station,
        )

    def render(self, n: int) -> Rendered:
        """Return epoch ``n`` as bytes and as truth."""
        epoch = self.epoch(n)
        kinds = self._kinds
        if not self._has_sky(epoch.utc_ns):
            kinds = tuple(kind for kind in kinds if kind not in {"GSA", "GSV"})
        sentences = tuple(self._writer.write(epoch, kinds))
        return Rendered(epoch, sentences, carried(epoch, self._writer.dialect, kinds))

    def hear(self, data: bytes, elapsed_s: float) -> None:
        """Take bytes that arrive some seconds after the start."""
        if self._corrections is not None:
            at_utc_ns = self.grid.start_utc_ns + round(elapsed_s * NS_PER_S)
            self._corrections.feed(data, gpst_of_utc_ns(at_utc_ns))

    def counts(self) -> dict[str, int]:
        """Return what was counted of the corrections, if the receiver listens to any."""
        corrections = self._corrections
        if corrections is None:
            return {}
        return {
            "rtcm_frames": corrections.n_frames,
            "rtcm_crc_failures": corrections.n_crc_failures,
            "rtcm_stale": corrections.n_stale,
        }

    def _support(self, n: int, scheduled: Fix) -> Support:
        """Return kind, age and station: by the schedule, or by what was heard."""
        corrections = self._corrections
        if corrections is None:
            if scheduled not in CORRECTED:
                return Support(scheduled)
            return Support(scheduled, 1.0 + (n % 5) / 10, self._station)
        if scheduled is Fix.NONE:
            corrections.forget()
            return Support(scheduled)
        return corrections.support(gpst_of_utc_ns(self.grid.utc_ns(n)))

    def _erring(self, state: State, fix: Fix, n: int) -> State:
        """Return the state with an error of the size that the kind of fix has."""
        spread_m = self._error_scale * ACCURACY_H_M[fix]
        if spread_m == 0.0:
            return state
        rng = random.Random(f"error:{self._seed}:{self.name}:{n}")  # noqa: S311 - reproducible
        east_m, north_m, up_m = (rng.gauss(0.0, spread_m) for _ in range(3))
        place = Place(lat_deg=state.lat_deg, lon_deg=state.lon_deg, alt_hae_m=state.alt_hae_m)
        lat_deg, lon_deg = offset(
            place, east_m=east_m / math.sqrt(2.0), north_m=north_m / math.sqrt(2.0)
        )
        return replace(
            state,
            lat_deg=lat_deg,
            lon_deg=lon_deg,
            alt_hae_m=state.alt_hae_m + VERTICAL_FACTOR * up_m,
        )

    def _has_sky(self, utc_ns: int) -> bool:
        every_ns = round(self._sky_every_s * NS_PER_S)
        return every_ns == 0 or utc_ns % every_ns == 0

    def _sightings(self, elapsed_s: float) -> tuple[Sighting, ...]:
        """Compute the sky once a second; between, it stands still as it does in a receiver."""
        second = int(elapsed_s)
        if self._seen[0] != second:
            state = self._track.at(float(second))
            found = self._sky.sightings(state, float(second))
            self._seen = (second, tuple(s for s in found if self._writer.knows(s)))
        return self._seen[1]
