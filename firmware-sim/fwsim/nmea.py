"""Writes the sentences of one epoch in a dialect.

An encoder of its own, with its own checksum: plain string building on purpose, so that it shares no
idea, and no mistake, with a table-driven reader.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fwsim.constellation import System
from fwsim.dialect import SYSTEM_IDS, Dialect
from fwsim.sky import Sighting
from fwsim.truth import (
    CORRECTED,
    KNOT_M_S,
    Angle,
    Epoch,
    Fix,
    fixed,
    rounded_utc,
    shown_sats,
    shows_course,
)

SATS_PER_GSV = 4
SATS_PER_GSA = 12


@dataclass(frozen=True, slots=True)
class Sentence:
    """A complete sentence and its kind (the three letters of the formatter)."""

    kind: str
    data: bytes


def checksum(body: str) -> str:
    """Return the two hex digits of the characters between ``$`` and ``*``."""
    value = 0
    for char in body.encode("ascii"):
        value ^= char
    return f"{value:02X}"


def sentence(body: str) -> bytes:
    """Frame a body: dollar, checksum, carriage return and line feed."""
    return f"${body}*{checksum(body)}\r\n".encode("ascii")


class Writer:
    """Writes the epochs of one receiver."""

    def __init__(self, dialect: Dialect, systems: Iterable[System]) -> None:
        """Speak ``dialect`` about those of the ``systems`` that the dialect knows.

        Raises:
            ValueError: the dialect knows none of them.
        """
        wanted = set(systems)
        self.dialect = dialect
        self.systems = tuple(system for system in dialect.talkers if system in wanted)
        if not self.systems:
            msg = f"dialect {dialect.name} speaks of none of the systems asked for"
            raise ValueError(msg)
        self.talker = "GN" if len(self.systems) > 1 else dialect.talkers[self.systems[0]]
        self._kinds: dict[str, Callable[[Epoch], list[str]]] = {
            "GGA": lambda epoch: [self._gga(epoch)],
            "RMC": lambda epoch: [self._rmc(epoch)],
            "GNS": lambda epoch: [self._gns(epoch)],
            "GSA": self._gsa,
            "GSV": self._gsv,
            "GST": lambda epoch: [self._gst(epoch)],
            "VTG": lambda epoch: [self._vtg(epoch)],
            "ZDA": lambda epoch: [self._zda(epoch)],
            "GLL": lambda epoch: [self._gll(epoch)],
        }

    def write(self, epoch: Epoch, kinds: Sequence[str]) -> list[Sentence]:
        """Return the sentences of the kinds, in their order."""
        return [
            Sentence(kind, sentence(body)) for kind in kinds for body in self._kinds[kind](epoch)
        ]

    def knows(self, sighting: Sighting) -> bool:
        """Tell whether the dialect has a number for a satellite."""
        limit = self.dialect.prn_limits.get(sighting.system)
        return sighting.system in self.systems and (limit is None or sighting.prn <= limit)

    def _instant(self, epoch: Epoch) -> datetime | None:
        if not epoch.has_time:
            return None
        return rounded_utc(epoch.utc_ns, self.dialect.time_decimals)

    def _time(self, epoch: Epoch) -> str:
        instant = self._instant(epoch)
        if instant is None:
            return ""
        decimals = self.dialect.time_decimals
        dot = f".{instant.microsecond // 10 ** (6 - decimals):0{decimals}d}" if decimals else ""
        return instant.strftime("%H%M%S") + dot

    def _position(self, epoch: Epoch) -> str:
        if epoch.fix is Fix.NONE:
            return ",,,"
        lat = Angle.of(epoch.state.lat_deg, self.dialect.minute_decimals)
        lon = Angle.of(epoch.state.lon_deg, self.dialect.minute_decimals)
        ns, ew = "S" if lat.is_negative else "N", "W" if lon.is_negative else "E"
        return f"{lat.text(2)},{ns},{lon.text(3)},{ew}"

    def _mode(self, epoch: Epoch) -> str:
        is_rtk = epoch.fix in {Fix.RTK_FIXED, Fix.RTK_FLOAT}
        return "D" if is_rtk and not self.dialect.has_rtk_modes else epoch.fix.mode

    def _motion(self, epoch: Epoch) -> tuple[str, str]:
        """Return speed in knots and course, empty where the receiver does not say."""
        if epoch.fix is Fix.NONE:
            return "", ""
        knots = fixed(epoch.state.speed_m_s / KNOT_M_S, self.dialect.speed_decimals)
        if not shows_course(epoch, self.dialect):
            return knots, ""
        course = fixed(epoch.state.course_deg, self.dialect.course_decimals)
        # 359.999 rounds to 360.00, which the field does not allow.
        if float(course) >= 360.0:
            course = fixed(0.0, self.dialect.course_decimals)
        return knots, course

    def _correction(self, epoch: Epoch) -> str:
        if epoch.age_s is None or epoch.fix not in CORRECTED:
            return ","
        return f"{fixed(epoch.age_s, 1)},{epoch.station:04d}"

    def _gga(self, epoch: Epoch) -> str:
        head = f"{self.talker}GGA,{self._time(epoch)},{self._position(epoch)},{epoch.fix.quality}"
        if epoch.fix is Fix.NONE:
            return f"{head},00,{self.dialect.empty_dop},,M,,M,,"
        d = self.dialect
        return (
            f"{head},{shown_sats(epoch, d):02d},{fixed(epoch.hdop, d.dop_decimals)},"
            f"{fixed(epoch.alt_msl_m, d.height_decimals)},M,"
            f"{fixed(epoch.geoid_m, d.height_decimals)},M,{self._correction(epoch)}"
        )

    def _rmc(self, epoch: Epoch) -> str:
        instant = self._instant(epoch)
        date = "" if instant is None else instant.strftime("%d%m%y")
        status = "V" if epoch.fix is Fix.NONE else "A"
        knots, course = self._motion(epoch)
        nav = ",V" if self.dialect.has_nav_status else ""
        return (
            f"{self.talker}RMC,{self._time(epoch)},{status},{self._position(epoch)},"
            f"{knots},{course},{date},,,{self._mode(epoch)}{nav}"
        )

    def _gns(self, epoch: Epoch) -> str:
        in_use = {s.system for s in epoch.sightings if s.is_used}
        mode = self._mode(epoch)
        modes = "".join(mode if s in in_use else "N" for s in self.dialect.gns_systems)
        if self.dialect.has_nav_status and len(modes) > 4:
            modes += "N"  # NavIC, the sixth place of 4.11
        nav = ",V" if self.dialect.has_nav_status else ""
        head = f"{self.talker}GNS,{self._time(epoch)},{self._position(epoch)},{modes}"
        if epoch.fix is Fix.NONE:
            return f"{head},00,{self.dialect.empty_dop},,,,{nav}"
        d = self.dialect
        return (
            f"{head},{min(epoch.sats_used, 99):02d},{fixed(epoch.hdop, d.dop_decimals)},"
            f"{fixed(epoch.alt_msl_m, d.height_decimals)},"
            f"{fixed(epoch.geoid_m, d.height_decimals)},{self._correction(epoch)}{nav}"
        )

    def _gsa(self, epoch: Epoch) -> list[str]:
        d = self.dialect
        is_fixed = epoch.fix is not Fix.NONE
        dops = [d.empty_dop] * 3
        if is_fixed:
            dops = [fixed(dop, d.dop_decimals) for dop in (epoch.pdop, epoch.hdop, epoch.vdop)]
        bodies = []
        for system in self.systems:
            used = [
                self._number(s) for s in epoch.sightings if s.system is system and s.is_used
            ] * is_fixed
            groups = [used[i : i + SATS_PER_GSA] for i in range(0, len(used), SATS_PER_GSA)]
            talker = self.talker if d.gsa_is_combined else d.talkers[system]
            tail = f",{SYSTEM_IDS[system]}" if d.has_system_id else ""
            for group in (groups or [[]])[: None if d.gsa_is_split else 1]:
                cells = ",".join(group + [""] * (SATS_PER_GSA - len(group)))
                bodies.append(
                    f"{talker}GSA,A,{3 if is_fixed else 1},{cells},{','.join(dops)}{tail}"
                )
        return bodies

    def _gsv(self, epoch: Epoch) -> list[str]:
        bodies = []
        for system in self.systems:
            talker = self.dialect.talkers[system]
            in_view = [s for s in epoch.sightings if s.system is system]
            for signal_id, rows in self._signal_rows(system, in_view):
                bodies += self._gsv_group(talker, rows, signal_id)
        return bodies

    def _signal_rows(
        self, system: System, in_view: Sequence[Sighting]
    ) -> list[tuple[str, list[str]]]:
        """Return signal id and cells; a satellite heard on no signal stands under the first."""
        if self.dialect.signal_ids is None:
            first = [self._cells(s, next(iter(s.cn0_dbhz.values()))) for s in in_view]
            return [("", first)]
        ids = self.dialect.signal_ids[system]
        rows: dict[str, list[str]] = {next(iter(ids.values())): []}
        for signal, signal_id in ids.items():
            for sighting in in_view:
                level = sighting.cn0_dbhz.get(signal)
                is_silent = all(sighting.cn0_dbhz.get(name) is None for name in ids)
                if level is not None or (is_silent and signal == next(iter(ids))):
                    rows.setdefault(signal_id, []).append(self._cells(sighting, level))
        return list(rows.items())

    def _gsv_group(self, talker: str, rows: Sequence[str], signal_id: str) -> list[str]:
        tail = f",{signal_id}" if signal_id else ""
        if not rows:
            return [f"{talker}GSV,1,1,00{tail}"]
        groups = [rows[i : i + SATS_PER_GSV] for i in range(0, len(rows), SATS_PER_GSV)]
        return [
            f"{talker}GSV,{len(groups)},{i},{len(rows):02d},{','.join(group)}{tail}"
            for i, group in enumerate(groups, start=1)
        ]

    def _number(self, sighting: Sighting) -> str:
        return f"{sighting.prn + self.dialect.prn_offsets.get(sighting.system, 0):02d}"

    def _cells(self, sighting: Sighting, level_dbhz: int | None) -> str:
        elevation = "" if sighting.elevation_deg is None else f"{sighting.elevation_deg:02d}"
        azimuth = "" if sighting.azimuth_deg is None else f"{sighting.azimuth_deg:03d}"
        level = "" if level_dbhz is None else f"{level_dbhz:02d}"
        return f"{self._number(sighting)},{elevation},{azimuth},{level}"

    def _gst(self, epoch: Epoch) -> str:
        head = f"{self.talker}GST,{self._time(epoch)}"
        if epoch.fix is Fix.NONE:
            return f"{head},,,,,,,"
        axis = fixed(epoch.acc_h_m / 2**0.5, 3)
        up = fixed(epoch.acc_v_m, 3)
        return f"{head},{fixed(epoch.acc_h_m * 1.2, 3)},{axis},{axis},0.0,{axis},{axis},{up}"

    def _vtg(self, epoch: Epoch) -> str:
        knots, course = self._motion(epoch)
        kmh = fixed(float(knots) * 1.852, self.dialect.speed_decimals) if knots else ""
        return f"{self.talker}VTG,{course},T,,M,{knots},N,{kmh},K,{self._mode(epoch)}"

    def _zda(self, epoch: Epoch) -> str:
        instant = self._instant(epoch)
        date = ",," if instant is None else instant.strftime("%d,%m,%Y")
        return f"{self.talker}ZDA,{self._time(epoch)},{date},00,00"

    def _gll(self, epoch: Epoch) -> str:
        status = "V" if epoch.fix is Fix.NONE else "A"
        position, time = self._position(epoch), self._time(epoch)
        return f"{self.talker}GLL,{position},{time},{status},{self._mode(epoch)}"
