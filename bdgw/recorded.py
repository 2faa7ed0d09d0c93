"""Positioning on recorded raw data: files of rover, base and navigation to solutions and a summary.

The epochs go through the same engine, in the same order, as they would live: an epoch of the
rover is solved with the newest epoch of the base that is not later.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bdgw.errors import DecodeError
from bdgw.geodesy import Ecef, enu_from_ecef
from bdgw.model import FixKind
from bdgw.positioning.antenna import AntennaPair
from bdgw.positioning.atmosphere import Klobuchar
from bdgw.positioning.base_place import BaseCheck
from bdgw.positioning.engine import EngineOptions, RtkEngine
from bdgw.positioning.ephemeris import Orbit
from bdgw.positioning.geometry import place_of
from bdgw.positioning.observation import ObservationEpoch
from bdgw.positioning.residual import Residual
from bdgw.positioning.solution import Covariance, Solution
from bdgw.rawlog.code_phase import ALIGNED
from bdgw.rawlog.event import (
    AntennaSeen,
    BasePlace,
    CodePhaseSeen,
    EpochSeen,
    IonosphereSeen,
    OrbitSeen,
    RawEvent,
)
from bdgw.rawlog.intake import RawIntake
from bdgw.rinex.navigation import read_navigation
from bdgw.rinex.observation import ObservationHeader, read_observations
from bdgw.timescale import format_utc
from bdgw.ubx.frame import PROTOCOL as UBX

__all__ = [
    "Recording",
    "Summary",
    "covariance_line",
    "fix_line",
    "in_step",
    "read_recording",
    "residual_line",
    "solutions",
    "tell_broadcast",
]

_SAME_INSTANT_NS = 50_000_000
_WRONG_M = 0.1
_BEYOND_M = 0.05
_SIGMAS = 3.0


_Heard = OrbitSeen | IonosphereSeen | BasePlace | CodePhaseSeen


class Recording(msgspec.Struct, kw_only=True):
    """What a file holds.

    ``places`` are the positions that the station said, each with the time of its last epoch before
    (GPST nanoseconds); the first one is taken to hold from the beginning, and has 0. They are of
    the antenna's reference point, which stands ``antenna_hen_m`` (up, east, north) over the mark.
    ``antenna`` is the IGS name that the file has last for antenna and radome.
    """

    epochs: list[ObservationEpoch] = []
    orbits: list[Orbit] = []
    places: list[tuple[int, Ecef]] = []
    heard: list[tuple[int, _Heard]] = []
    """What raw data brought of orbits, ionospheres, places and code-phase biases, each with the
    time of the last epoch before (GPST nanoseconds), 0 before the first."""
    code_phase_m: dict[int, float] = {}
    """GLONASS code-phase biases by signal, as the receiver declared them at last."""
    is_ubx: bool = False
    """Whether the epochs are of RXM-RAWX."""
    ion_gps: Klobuchar | None = None
    ion_bds: Klobuchar | None = None
    antenna: str | None = None
    antenna_serial: str | None = None
    antenna_hen_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def stand_at(self, ecef_m: Ecef) -> None:
        """Have the station stand at a place, whatever it says itself."""
        self.places = [(0, ecef_m)]
        self.heard = [one for one in self.heard if not isinstance(one[1], BasePlace)]

    def about_gpst_ns(self) -> int | None:
        """Tell about when it was recorded."""
        if self.epochs:
            return self.epochs[0].t_gpst_ns
        return max((orbit.toe_gpst_ns for orbit in self.orbits), default=None)


def read_recording(data: bytes, near_gpst_ns: int | None = None) -> Recording:
    """Read a file of any of the languages: RINEX, or RTCM 3 and UBX mixed.

    ``near_gpst_ns`` says about when it was recorded, for RTCM, which names no week; where the
    file itself says so that counts. Of a file with epochs in both languages, those of the one that
    has more of them are taken: phases of both do not continue each other.

    Raises:
        DecodeError: it is none of them, or no date is known.
    """
    head = data[:200].decode("latin-1")
    if "RINEX VERSION / TYPE" in head or "CRINEX VERS" in head:
        return _read_rinex(data.decode("latin-1"))
    return _read_raw(data, near_gpst_ns)


def _read_rinex(text: str) -> Recording:
    lines = [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
    if "CRINEX" in lines[0] or lines[0][20:21] == "O":
        header = ObservationHeader()
        epochs = list(read_observations(lines, header))
        place = _antenna_m(header)
        return Recording(
            epochs=epochs,
            places=[] if place is None else [(0, place)],
            antenna=header.antenna,
            antenna_serial=header.antenna_serial,
            antenna_hen_m=header.antenna_hen_m,
            code_phase_m=dict.fromkeys(header.aligned_signals, 0.0),
        )
    found = read_navigation(lines)
    return Recording(orbits=found.orbits, ion_gps=found.ion_gps, ion_bds=found.ion_bds)


def _read_raw(data: bytes, near_gpst_ns: int | None) -> Recording:
    intake = RawIntake()
    intake.receive(data, now=0.0)
    intake.receive(b"", now=0.0)
    events = list(intake.events())
    near_gpst_ns = near_gpst_ns if near_gpst_ns is not None else intake.guess_gpst_ns
    if intake.near_gpst_ns is None and near_gpst_ns is not None:
        intake = RawIntake(near_gpst_ns)
        intake.receive(data, now=0.0)
        intake.receive(b"", now=0.0)
        events = list(intake.events())
    if not events:
        raise DecodeError("no RINEX, and no dated RTCM 3 or UBX in it", bit=0)
    found = Recording(orbits=[e.orbit for e in events if isinstance(e, OrbitSeen)])
    epochs: dict[str, list[ObservationEpoch]] = {}
    last_ns = 0
    for event in events:
        if isinstance(event, EpochSeen):
            last_ns = event.epoch.t_gpst_ns
            epochs.setdefault(event.source, []).append(event.epoch)
        else:
            _note(found, event, last_ns)
    language = max(epochs, key=lambda one: len(epochs[one]), default="")
    found.epochs = epochs.get(language, [])
    found.is_ubx = language == UBX
    if found.is_ubx:
        found.code_phase_m = dict(ALIGNED)
    return found


def _note(found: Recording, event: RawEvent, last_ns: int) -> None:
    """Note what is no epoch; ``last_ns`` is the time of the last epoch before."""
    if isinstance(event, OrbitSeen | IonosphereSeen | BasePlace | CodePhaseSeen):
        found.heard.append((last_ns, event))
    if isinstance(event, BasePlace):
        found.places.append((last_ns if found.places else 0, event.ecef_m))
    elif isinstance(event, AntennaSeen):
        if event.serial is not None or event.name != found.antenna:
            found.antenna_serial = event.serial  # 1007 has none
        found.antenna = event.name
    elif isinstance(event, CodePhaseSeen):
        found.code_phase_m = event.bias_m
    elif isinstance(event, IonosphereSeen) and event.system == "C":
        found.ion_bds = event.model
    elif isinstance(event, IonosphereSeen):
        found.ion_gps = event.model


def _antenna_m(header: ObservationHeader) -> Ecef | None:
    """Give the antenna reference point: the marker's position and the antenna over it."""
    if header.approx_m is None:
        return None
    up, east, north = header.antenna_hen_m
    place = place_of(header.approx_m)
    x, y, z = (place.ecef_m + place.to_enu.T @ (east, north, up)).tolist()
    return x, y, z


def solutions(
    rover: Recording,
    base: Recording | None,
    navigation: Iterable[Recording],
    options: EngineOptions,
    antennas: AntennaPair | None = None,
    *,
    is_as_live: bool = False,
) -> Iterator[Solution]:
    """Solve every epoch of the rover, in the order of its file.

    Sets of orbits are known from the beginning, also those that the files bring later, and so is
    the first position of the base. With ``is_as_live`` what rover and base say counts from where
    it stands, as it would live, the rover's word before the base's of one epoch.
    """
    engine = RtkEngine(options)
    engine.set_antennas(antennas)
    at_once = [] if is_as_live else [*([base] if base else []), rover]
    tell_broadcast(engine, (*navigation, *at_once))
    if not is_as_live:
        base_m = base.code_phase_m if base else None
        engine.set_code_phase(rover_m=rover.code_phase_m, base_m=base_m)
    else:
        # What a language implies holds from the beginning, what a message says from where it is.
        is_aligned = (rover.is_ubx, base is not None and base.is_ubx)
        rover_m, base_m = (ALIGNED if one else None for one in is_aligned)
        engine.set_code_phase(rover_m=rover_m, base_m=base_m)
    of_rover = deque(rover.heard if is_as_live else ())
    of_bases = deque(base.heard if base and is_as_live else ())
    is_placed_live = any(isinstance(event, BasePlace) for _, event in of_bases)
    places = deque(base.places if base and not is_placed_live else ())
    for epoch, of_base in in_step(rover.epochs, base.epochs if base else []):
        while of_rover and of_rover[0][0] < epoch.t_gpst_ns:
            event = of_rover.popleft()[1]
            if isinstance(event, CodePhaseSeen):
                engine.set_code_phase(rover_m=event.bias_m)
            elif not isinstance(event, BasePlace):
                _tell(engine, event)
        while of_bases and of_base is not None and of_bases[0][0] <= of_base.t_gpst_ns:
            _tell(engine, of_bases.popleft()[1])
        while places and places[0][0] <= epoch.t_gpst_ns:
            engine.set_base(places.popleft()[1])
        yield engine.solve(epoch, of_base)


def tell_broadcast(engine: RtkEngine, recordings: Iterable[Recording]) -> None:
    """Tell an engine the sets of orbits and the first ionosphere that recordings hold."""
    for one in recordings:
        for orbit in one.orbits:
            engine.add_orbit(orbit)
        engine.ionosphere = engine.ionosphere._replace(
            gps=engine.ionosphere.gps or one.ion_gps, bds=engine.ionosphere.bds or one.ion_bds
        )


def _tell(engine: RtkEngine, event: _Heard) -> None:
    if isinstance(event, OrbitSeen):
        engine.add_orbit(event.orbit)
    elif isinstance(event, BasePlace):
        engine.set_base(event.ecef_m)
    elif isinstance(event, CodePhaseSeen):
        engine.set_code_phase(base_m=event.bias_m)
    else:
        engine.ionosphere = engine.ionosphere.heard(event.system, event.model)


def in_step(
    rover: Iterable[ObservationEpoch], base: Iterable[ObservationEpoch]
) -> Iterator[tuple[ObservationEpoch, ObservationEpoch | None]]:
    """Give each epoch of the rover with the newest one of the base that is not later.

    Receivers steer their clocks to a few milliseconds, so up to 50 ms later is the same instant.
    """
    waiting = iter(base)
    newest: ObservationEpoch | None = None
    following = next(waiting, None)
    for epoch in rover:
        while following is not None and following.t_gpst_ns <= epoch.t_gpst_ns + _SAME_INSTANT_NS:
            newest, following = following, next(waiting, None)
        yield epoch, newest


def fix_line(solution: Solution, reference_m: Ecef | None) -> dict[str, Any]:
    """Write a solution with its documented names; what is unknown is left out."""
    line: dict[str, Any] = {"t_fix": format_utc(solution.t_gpst_ns), "fix": solution.kind.value}
    if solution.ecef_m is not None:
        line["ecef_m"] = [round(value, 4) for value in solution.ecef_m]
        if reference_m is not None:
            enu = enu_from_ecef(reference_m, solution.ecef_m)
            line["enu_m"] = [round(value, 4) for value in enu]
    line["sats_used"] = solution.sats_used
    for name, digits in (("ratio", 2), ("age_s", 3), ("acc_h_m", 4), ("acc_v_m", 4)):
        value = getattr(solution, name)
        if value is not None and math.isfinite(value):
            line[name] = round(value, digits)
    if solution.covariance_enu_m2 is not None:
        line["cov_enu_m2"] = covariance_line(solution.covariance_enu_m2)
    if solution.velocity_m_s is not None:
        line["velocity_m_s"] = [round(value, 4) for value in solution.velocity_m_s]
    if solution.residual_m is not None:
        line["residual_m"] = round(solution.residual_m, 4)
    if solution.why is not None:
        line["why"] = solution.why
    if solution.residuals is not None:
        line["residuals"] = [residual_line(one) for one in solution.residuals]
    return line


def residual_line(residual: Residual) -> dict[str, Any]:
    """Write a residual; what is unknown is left out."""
    line: dict[str, Any] = {
        "sat": residual.satellite,
        "signal": residual.signal,
        "elevation_deg": round(residual.elevation_deg, 2),
        "azimuth_deg": round(residual.azimuth_deg, 2) % 360.0,
    }
    if residual.code_m is not None:
        line["code_m"] = round(residual.code_m, 3)
    if residual.phase_m is not None:
        line["phase_m"] = round(residual.phase_m, 4)
    return line | {"code_used": residual.is_code_used, "phase_used": residual.is_phase_used}


def covariance_line(covariance_m2: Covariance) -> list[float]:
    """Write a covariance (ee, en, eu, nn, nu, uu) to four digits."""
    return [float(f"{value:.4g}") for value in covariance_m2]


class Summary:
    """Counts solutions as they come."""

    _NAMES = (
        ("fixed", FixKind.RTK_FIXED),
        ("float", FixKind.RTK_FLOAT),
        ("dgnss", FixKind.DGNSS),
        ("single", FixKind.SINGLE),
        ("none", FixKind.NONE),
    )

    def __init__(self, reference_m: Ecef | None) -> None:
        self._reference_m = reference_m
        self._kinds: Counter[FixKind] = Counter()
        self._best: dict[FixKind, list[Ecef]] = {}
        self._n_wrong = 0
        self.base_check: BaseCheck | None = None
        """What was found of the base's position: that it is wrong, or else the last."""

    def add(self, solution: Solution) -> None:
        """Count one."""
        self._kinds[solution.kind] += 1
        check = solution.base_check
        if check is not None and (
            check.is_misplaced or self.base_check is None or not self.base_check.is_misplaced
        ):
            self.base_check = check
        if self._reference_m is None or solution.ecef_m is None:
            return
        enu = enu_from_ecef(self._reference_m, solution.ecef_m)
        self._best.setdefault(solution.kind, []).append(enu)
        if solution.kind is FixKind.RTK_FIXED:
            off_m = math.hypot(*enu)
            claimed_m = math.hypot(solution.acc_h_m or 0.0, solution.acc_v_m or 0.0)
            is_beyond = off_m > max(_BEYOND_M, _SIGMAS * claimed_m)
            self._n_wrong += off_m > _WRONG_M or is_beyond

    def fields(self, ms_per_epoch: float) -> dict[str, Any]:
        """Write the summary; the errors are those of the best kind that occurred."""
        n = sum(self._kinds.values())
        line: dict[str, Any] = {"epochs": n}
        line |= {name: self._kinds[kind] for name, kind in self._NAMES}
        if self._reference_m is not None:
            line["wrong_fixed"] = self._n_wrong
            best = next((k for _, k in self._NAMES if self._best.get(k)), None)
            if best is not None:
                columns = list(zip(*self._best[best], strict=True))
                means = [sum(column) / len(column) for column in columns]
                line["mean_enu_m"] = [round(mean, 4) for mean in means]
                line["std_enu_m"] = [
                    round(math.sqrt(sum((v - mean) ** 2 for v in column) / len(column)), 4)
                    for mean, column in zip(means, columns, strict=True)
                ]
                line["max_error_m"] = round(max(math.hypot(*enu) for enu in self._best[best]), 4)
        if self.base_check is not None:
            line["base_check"] = msgspec.to_builtins(self.base_check)
        line["ms_per_epoch"] = round(ms_per_epoch, 3)
        return line
